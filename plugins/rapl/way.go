package rapl

import (
	"fmt"
	"slices"
)

// way is one way to the counters of the machine.
type way struct {
	source string // the name of the way, as the attribute source has it
	look   func() survey
}

// survey is what a look at a way has shown.
type survey struct {
	zones []found
	// trouble is what is wrong with a part of it, such as one folder; nil for nothing.
	trouble error
	// status and err say why there is no zone at all, and what helps.
	status status
	err    error
}

// waysOf returns the ways that the configuration allows, the preferred one first.
func waysOf(choice, sysfs, procfs string) []*way {
	powercap := &way{sourcePowercapEnergy, func() survey { return surveyPowercap(sysfs) }}
	perf := &way{sourcePerfEnergy, func() survey { return surveyPerf(sysfs, procfs) }}
	switch choice {
	case sourcePowercap:
		return []*way{powercap}
	case sourcePerf:
		return []*way{perf}
	}
	return []*way{powercap, perf}
}

// Why the way is the one that it is.
const (
	becauseConfigured = "configured"
	becauseFirst      = "first_choice"
)

// decide finds out by which way the machine is measured. Of several, the first that serves
// is taken and kept for as long as it serves: never both, which would count energy twice,
// and no change without need, as series end with it. Where none serves, what there was
// stays, and refused says why the other one does not help.
func (s *source) decide() (w *way, seen survey, refused error) {
	if len(s.ways) == 1 {
		s.why = becauseConfigured
		return s.ways[0], s.ways[0].look(), nil
	}
	order := s.ways
	if s.way == s.ways[1] {
		order = []*way{s.ways[1], s.ways[0]}
	}
	first := order[0].look()
	err := s.serves(order[0], &first)
	if err == nil {
		if s.why == "" {
			s.why = becauseFirst
		}
		return order[0], first, nil
	}
	second := order[1].look()
	other := s.serves(order[1], &second)
	if other == nil {
		s.why = reasonOf(order[0], err)
		return order[1], second, nil
	}
	return order[0], first, other
}

// reasonOf says in a word why a way is not taken, as in "powercap_no_permission".
func reasonOf(w *way, err error) string { return w.name() + "_" + string(statusOf(err)) }

// name is what the configuration calls the way.
func (w *way) name() string {
	if w.source == sourcePowercapEnergy {
		return sourcePowercap
	}
	return sourcePerf
}

// other is the way that is not taken, where there is one.
func (s *source) other() *way {
	for _, w := range s.ways {
		if w != s.way {
			return w
		}
	}
	return nil
}

// serves tells whether a way has a counter that can be read: one that is read, or one that
// is tried. The error says why it has none, and what helps.
func (s *source) serves(w *way, seen *survey) error {
	err := seen.err
	if err != nil {
		return &trouble{seen.status, err}
	}
	if w == s.way && slices.ContainsFunc(s.zones, func(z *zone) bool {
		return z.fd >= 0 && !z.stale && slices.ContainsFunc(seen.zones, func(f found) bool { return f.key() == z.key() })
	}) {
		return nil
	}
	for i := range seen.zones {
		z := zone{found: seen.zones[i], fd: -1}
		z.open(s.kernel)
		if z.fd < 0 {
			err = firstTrouble(err, &z, z.refused)
			continue
		}
		_, failed := z.read(s.kernel, s.buf)
		z.close(s.kernel)
		if failed == nil {
			return nil
		}
		err = firstTrouble(err, &z, failed)
	}
	return err
}

// firstTrouble keeps the first of the troubles with zones.
func firstTrouble(err error, z *zone, next error) error {
	if err != nil {
		return err
	}
	why := statusOf(next)
	return &trouble{why, fmt.Errorf("zone %s: %w", z.label(), explain(why, next))}
}
