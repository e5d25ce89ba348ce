package hwmon

import (
	"errors"
	"fmt"
	"path/filepath"
)

// state is how the plugin and every sensor fare, for those who ask between ticks. It is not
// changed once it is stored.
type state struct {
	status  status
	err     error
	sensors []sensorState
}

// sensorState is how one sensor fares: the status of a meter, or unused.
type sensorState struct{ chip, device, label, use string }

const unused = "unused"

// judge tells how the plugin fares, from the last look at the tree and the last readings.
func (s *source) judge() {
	s.changed = false
	st := &state{status: statusOK}
	note := func(status status, err error) {
		if st.err == nil {
			st.status, st.err = status, err
		}
	}
	inUse := make(map[string]bool, len(s.meters))
	for _, m := range s.meters {
		if m.over {
			continue
		}
		inUse[m.key()] = true
		st.sensors = append(st.sensors, m.told(string(m.status)))
		if m.trouble != nil {
			note(m.status, fmt.Errorf("meter %s: %w", &m.sensor, explain(m.status, m.trouble)))
		}
	}
	for i := range s.tree.found {
		if f := &s.tree.found[i]; !inUse[f.key()] {
			st.sensors = append(st.sensors, f.told(unused))
		}
	}
	if err := s.tree.trouble; err != nil {
		note(s.diagnose(err))
	}
	for _, r := range s.refused {
		note(r.status, r.err)
	}
	if len(inUse) == 0 {
		note(statusNoMeter, fmt.Errorf("no meter of hwmon is known on this machine: there %s; "+
			"where you know what one of them measures, name it in meters; a virtual machine has none", listed(s.tree.found)))
	}
	s.state.Store(st)
}

// told says how a sensor fares.
func (f *sensor) told(use string) sensorState {
	x := sensorState{chip: f.chip, label: f.label, use: use}
	if x.label == "" {
		x.label = f.channel
	}
	if f.device != "" {
		x.device = filepath.Base(f.device)
	}
	return x
}

// diagnose tells what is wrong with the tree.
func (s *source) diagnose(err error) (status, error) {
	if absent(err) && s.tree.chips == 0 {
		return statusNoTree, fmt.Errorf("no meters of hwmon: %s is not there, and a virtual machine may have none; in a container %s", s.tree.root, remedyMount)
	}
	st := statusOf(err)
	if errors.Is(err, errGone) {
		st = statusReadError
	}
	return st, explain(st, err)
}
