package rapl

import (
	"fmt"
	"strings"
)

// state is what the last look at the tree told, for those who ask between ticks. It is not
// changed once it is stored.
type state struct {
	status                           status
	err                              error
	measured, duplicates, unreadable int64
	ceilings                         []ceiling
}

// ceiling is the power beyond which a step back of a zone's counter is no wrap.
type ceiling struct {
	zone, from string
	watts      float64
}

// judge tells how the plugin fares, from what a look at the tree has found.
func (s *source) judge(found bool, tree *search) {
	st := &state{status: statusOK}
	note := func(status status, err error) {
		if st.err == nil {
			st.status, st.err = status, err
		}
	}
	if !found {
		note(tree.diagnose())
	}
	var unlimited error
	for _, z := range s.zones {
		switch {
		case !z.used:
			st.duplicates++
			continue
		case z.gone:
			st.unreadable++
			note(statusReadError, fmt.Errorf("zone %s: %s is not there any more; is its driver being loaded anew?", z.label(), z.path))
			continue
		case z.refused != nil:
			st.unreadable++
			why := statusOf(z.refused)
			note(why, fmt.Errorf("zone %s: %w", z.label(), explain(why, z.refused)))
			continue
		}
		st.measured++
		if z.limited != nil && unlimited == nil {
			unlimited = fmt.Errorf("zone %s: %w", z.label(), z.limited)
		}
		st.ceilings = append(st.ceilings, ceiling{z.label(), z.limits.from, float64(z.limits.told) / watt})
	}
	for _, root := range tree.roots {
		delete(tree.troubles, root) // what was found was found by another way
	}
	if err := tree.first(); err != nil {
		why := statusOf(err)
		note(why, explain(why, err))
	}
	if unlimited != nil {
		note(statusReadError, unlimited)
	}
	s.state.Store(st)
}

// label is a name of the zone for people: those above it and its own.
func (z *zone) label() string { return strings.Join(z.names, "/") }
