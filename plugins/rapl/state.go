package rapl

import (
	"fmt"
	"slices"
	"strings"
)

// state is what the last look at the tree told, for those who ask between ticks. It is not
// changed once it is stored.
type state struct {
	status                           status
	err                              error
	measured, duplicates, unreadable int64
	ceilings                         []ceiling
	refusals                         []refusal        // of each way, where none serves
	source, why                      string           // the way that is taken, and the reason; none when nothing is measured
	total                            map[string]int64 // 1 for the domains that make up the machine's total, 0 for the others
}

// refusal is why a way does not serve.
type refusal struct {
	way    *way
	status status
	err    error
}

// ceiling is the power beyond which a step back of a zone's counter is no wrap.
type ceiling struct {
	zone, from string
	watts      float64
}

// judge tells how the plugin fares, from what a look has shown. refused is why the other
// way is of no help, where there is one.
func (s *source) judge(seen *survey, refused error) {
	st := &state{status: statusOK}
	note := func(status status, err error) {
		if st.err == nil {
			st.status, st.err = status, err
		}
	}
	if seen.err != nil {
		note(seen.status, seen.err)
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
		if !z.anew { // the kernel follows the wraps of the others
			st.ceilings = append(st.ceilings, ceiling{z.label(), z.limits.from, float64(z.limits.told) / watt})
		}
	}
	if err := seen.trouble; err != nil {
		why := statusOf(err)
		note(why, explain(why, err))
	}
	if unlimited != nil {
		note(statusReadError, unlimited)
	}
	if st.measured == 0 && st.err != nil {
		st.refusals = append(st.refusals, refusal{s.way, st.status, st.err})
	}
	if refused != nil && st.measured == 0 {
		st.refusals = append(st.refusals, refusal{s.other(), statusOf(refused), refused})
		st.joinRefusal(refused)
	}
	if st.measured > 0 {
		st.source, st.why = s.way.source, s.why
	}
	st.total = totalOf(s.domains)
	s.state.Store(st)
}

// joinRefusal adds why the other way does not serve either. Its status is the one that is
// told where only that way is there at all.
func (st *state) joinRefusal(refused error) {
	if other := statusOf(refused); st.status == statusNoTree || st.status == statusNoZones {
		if other != statusNoTree && other != statusNoZones {
			st.status = other
		}
	}
	if st.err == nil {
		st.status, st.err = statusOf(refused), refused
		return
	}
	st.err = fmt.Errorf("%w; nor does the other way serve: %w", st.err, refused)
}

// totalOf tells which domains make up the energy of the machine: packages and their
// memory, or the platform where no package is measured. The others lie within these.
func totalOf(domains []*domain) map[string]int64 {
	total := make(map[string]int64)
	packages := slices.ContainsFunc(domains, func(d *domain) bool { return d.measured() && d.place.domain == domainPackage })
	for _, d := range domains {
		if !d.measured() {
			continue
		}
		counts := d.place.domain == domainPlatform && !packages ||
			packages && (d.place.domain == domainPackage || d.place.resource.Kind == kindDRAM)
		total[d.place.domain] = 0
		if counts {
			total[d.place.domain] = 1
		}
	}
	return total
}

// measured tells whether a counter of the domain is open.
func (d *domain) measured() bool {
	return slices.ContainsFunc(d.zones, func(z *zone) bool { return z.fd >= 0 })
}

// label is a name of the zone for people: those above it and its own.
func (z *zone) label() string { return strings.Join(z.names, "/") }
