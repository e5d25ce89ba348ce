package hwmon

import (
	"fmt"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Meters implements plugin.Metered: the meters that are used, then the sensors of which
// nobody says what they measure.
func (s *source) Meters() []plugin.Meter {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []plugin.Meter
	inUse := make(map[string]bool, len(s.meters))
	for _, m := range s.meters {
		if !m.over {
			inUse[m.key()] = true
			all = append(all, m.listed())
		}
	}
	if s.tree == nil {
		return all // nobody has looked
	}
	for i := range s.tree.found {
		if f := &s.tree.found[i]; !inUse[f.key()] {
			all = append(all, plugin.Meter{
				Name: f.String(), State: plugin.MeterUnknown, Why: "nothing says what it measures: a disk, a power supply, the CPUs",
				Remedy: "where you know it, name it in meters of [plugins.hwmon]",
			})
		}
	}
	if len(all) == 0 {
		all = append(all, s.nothing())
	}
	return all
}

// listed is the meter for people.
func (m *meter) listed() plugin.Meter {
	x := plugin.Meter{
		Name: m.sensor.String(), Domain: m.place.domain, Resource: m.place.resource,
		State: plugin.MeterUsed, Energy: []*measure.Series{m.series},
	}
	if m.trouble != nil {
		x.State, x.Energy = plugin.MeterUnreadable, nil
		x.Why, x.Remedy = plugin.Apart(explain(m.status, m.trouble))
	}
	return x
}

// nothing is what there is to say of a machine without sensors.
func (s *source) nothing() plugin.Meter {
	m := plugin.Meter{Name: "hwmon", State: plugin.MeterAbsent}
	if s.tree.trouble == nil {
		m.Why = fmt.Sprintf("no sensor of energy or power is in %s; a virtual machine has none", s.tree.root)
		m.Remedy = "on a machine of its own load the driver of its power meter (modprobe acpi_power_meter), if it has one"
		return m
	}
	st, err := s.diagnose(s.tree.trouble)
	if st != statusNoTree {
		m.State = plugin.MeterUnreadable
	}
	m.Why, m.Remedy = plugin.Apart(err)
	return m
}
