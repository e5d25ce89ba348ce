package hwmon

import (
	"cmp"
	"slices"
	"time"
)

// lookInterval is how often the tree is looked through: drivers are loaded and unloaded,
// and rights change.
const lookInterval = time.Minute

// patience is how long a meter that is gone is waited for, so that its series go on when
// its driver is loaded anew.
const patience = 10 * time.Minute

// look finds out which meters there are. Those that are known keep their baselines,
// whatever number their chip has now.
func (s *source) look(now time.Time) {
	s.looked, s.removed = now, false
	tree := find(s.sysfs)
	chosen, refused := choose(s.wanted, tree.found, s.sysfs)
	old := make(map[string]*meter, len(s.meters))
	for _, m := range s.meters {
		if !m.over {
			old[m.key()] = m
		}
	}
	var meters []*meter
	taken := make(map[place]bool, len(chosen))
	for _, c := range chosen {
		m := old[c.sensor.key()]
		if m != nil && m.place == c.place {
			delete(old, c.sensor.key())
		} else {
			m = &meter{place: c.place, series: newSeries(c.sensor, c.place)}
		}
		m.renew(c.sensor, s.sample)
		taken[c.place] = true
		meters = append(meters, m)
	}
	for _, m := range old {
		m.leave(now, taken[m.place] || isFound(tree.found, m.key()))
		meters = append(meters, m)
	}
	for _, m := range s.meters {
		if m.over && !slices.Contains(meters, m) {
			meters = append(meters, m)
		}
	}
	slices.SortFunc(meters, func(a, b *meter) int { return cmp.Compare(a.key(), b.key()) })
	s.meters = meters
	s.open()
	s.tree, s.refused, s.changed = tree, refused, true
}

// renew takes over how a sensor is seen now.
func (m *meter) renew(f *sensor, sample time.Duration) {
	// What is open may belong to a chip that is gone: its folder tells.
	if !slices.Equal(m.files, f.files) || !m.gone.IsZero() {
		m.close()
	}
	m.sensor, m.gone = *f, time.Time{}
	m.pace = paceOf(f, sample)
}

// leave notes that a meter is not there. It is waited for, unless it is there and not to be
// used any more, or another one took its place.
func (m *meter) leave(now time.Time, replaced bool) {
	m.close()
	if m.gone.IsZero() {
		m.gone = now
	}
	m.over = replaced || now.Sub(m.gone) >= patience
}

func isFound(found []sensor, key string) bool {
	return slices.ContainsFunc(found, func(f sensor) bool { return f.key() == key })
}

// open opens what is not open yet.
func (s *source) open() {
	for _, m := range s.meters {
		switch {
		case m.over:
		case !m.gone.IsZero():
			s.tell(m, errGone)
		default:
			if err := m.open(); err != nil {
				s.tell(m, err)
			} else if m.status == "" || m.status == statusGone {
				s.tell(m, nil)
			}
		}
	}
}
