package remotewrite

import (
	"maps"
	"slices"
	"time"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/measure"
)

// Adapt implements plugin.Adapter: the queue stays, and so do the counters of metrics
// that stay as they were.
func (o *output) Adapt(metrics []*measure.Metric) (change func(), ok bool) {
	families, err := family.New(metrics, o.renames)
	if err != nil || checkLabels(o.state.constant, families) != nil {
		return nil, false
	}
	return func() {
		o.state.adapt(families)
		current := slices.Collect(maps.Values(o.state.families))
		maps.DeleteFunc(o.encoder.told, func(f *family.Family, _ time.Time) bool { return !slices.Contains(current, f) })
	}, true
}

// adapt takes other families. Lines of a metric whose series are seen as before go on, and
// those of one that goes are remembered for a while, as on the page. Lines of a metric
// whose labels change have other names from now on: those end with the next batch.
func (s *state) adapt(families map[string]*family.Family) {
	names := make(map[string]bool, len(families))
	for _, f := range families {
		names[f.Name] = true
	}
	next := make(map[*family.Family]*family.Family, len(s.families))
	for metric, old := range s.families {
		switch f := families[metric]; {
		case f != nil && sameSeries(old, f):
			next[old] = f
		case f == nil && !names[old.Name]:
			families[metric], next[old] = old, old
		}
	}
	s.families = families
	maps.DeleteFunc(s.live, func(_ *measure.Series, l *line) bool { return next[l.family] == nil })
	for _, l := range s.order {
		if to := next[l.family]; to != nil {
			l.family = to
			continue
		}
		l.series, l.newest = 0, nil
		if s.lines[l.set.Identity] == l { // one with other labels may look the same
			delete(s.lines, l.set.Identity)
		}
	}
}

// sameSeries tells whether series of two families are one to a receiver, whatever is said
// about them.
func sameSeries(a, b *family.Family) bool {
	twin := *b
	twin.Help = a.Help
	return a.Equal(&twin)
}
