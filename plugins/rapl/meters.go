package rapl

import (
	"fmt"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Meters implements plugin.Metered: what each domain is measured with, and then the zones
// that are not used. The dies of a socket, which are measured together, are one meter.
func (s *source) Meters() []plugin.Meter {
	s.mu.Lock()
	defer s.mu.Unlock()
	var used, rest []plugin.Meter
	seen := make(map[*domain]bool, len(s.domains))
	for _, z := range s.zones {
		if m, ok := s.unused(z); ok {
			rest = append(rest, m)
			continue
		}
		if d := s.domainOf(z); d != nil && !seen[d] {
			seen[d] = true
			used = append(used, d.meter())
		}
	}
	for _, r := range s.state.Load().refusals {
		if len(s.zones) == 0 || r.way != s.way { // else its zones tell
			rest = append(rest, r.meter())
		}
	}
	return append(used, rest...)
}

// unused is what there is to say of a zone that is not measured; false of one that is.
func (s *source) unused(z *zone) (plugin.Meter, bool) {
	m := plugin.Meter{Name: z.title(), Domain: z.place.domain, Resource: z.place.resource, State: plugin.MeterUnreadable}
	switch {
	case !z.used:
		m.State, m.Why = plugin.MeterDuplicate, "it shows what another one does"
		if d := s.domainOf(z); d != nil && len(d.zones) > 0 {
			m.Why = "it shows what " + d.zones[0].folder + " does"
		}
	case z.gone:
		m.Why = z.path + " is not there any more"
		m.Remedy = "wait: its driver is being loaded anew, perhaps"
	case z.refused != nil:
		m.Why, m.Remedy = plugin.Apart(explain(statusOf(z.refused), z.refused))
	case z.stale:
		m.Why = "the driver refuses to read it, or what it says is garbled"
		m.Remedy = "try again; if it stays, the kernel's log may say why (dmesg)"
	default:
		return plugin.Meter{}, false
	}
	return m, true
}

// domainOf returns the domain to which a zone belongs.
func (s *source) domainOf(z *zone) *domain {
	for _, d := range s.domains {
		if d.place == z.place {
			return d
		}
	}
	return nil
}

// meter is what the readable zones of a domain are together.
func (d *domain) meter() plugin.Meter {
	m := plugin.Meter{Domain: d.place.domain, Resource: d.place.resource, State: plugin.MeterUsed, Energy: []*measure.Series{d.series}}
	var first *zone
	more := 0 // dies of the same socket
	for _, z := range d.zones {
		if z.gone || z.refused != nil || z.stale {
			continue
		}
		if first == nil {
			first, m.Name = z, z.title()
		} else {
			more++
			m.Name = fmt.Sprintf("%s + %d more", first.label(), more)
		}
		if z.limited != nil {
			m.Why, m.Remedy = plugin.Apart(z.limited)
		}
	}
	return m
}

// meter is what there is to say of a way that has no counter to read.
func (r *refusal) meter() plugin.Meter {
	m := plugin.Meter{Name: r.way.name(), State: plugin.MeterUnreadable}
	if r.status == statusNoTree || r.status == statusNoZones {
		m.State = plugin.MeterAbsent
	}
	m.Why, m.Remedy = plugin.Apart(r.err)
	const virtual = "a virtual machine has none" // which helps nobody
	if remedy, ok := strings.CutPrefix(m.Remedy, virtual+"; "); ok {
		m.Why, m.Remedy = m.Why+"; "+virtual, remedy
	}
	return m
}

// title is the name of a zone with its folder, which tells two of one name apart.
func (z *zone) title() string { return fmt.Sprintf("%s (%s)", z.label(), z.folder) }
