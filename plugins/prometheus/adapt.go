package prometheus

import (
	"cmp"
	"maps"
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
)

// Adapt implements plugin.Adapter. Counters of metrics that stay as they were go on. Those
// of a metric whose labels change are dropped, as its series have new names; those of one
// that goes stay for keep_ended.
func (o *output) Adapt(metrics []*measure.Metric) (change func(), ok bool) {
	families, err := newFamilies(metrics, o.renames)
	if err != nil {
		return nil, false
	}
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		names := make(map[string]bool, len(families))
		for _, f := range families {
			names[f.Name] = true
		}
		for metric, old := range o.families {
			switch f := families[metric]; {
			case f != nil && old.Equal(f.Family), f == nil && !names[old.Name]:
				families[metric] = old
			default:
				o.dropFamily(old)
			}
		}
		o.setFamilies(families)
	}, true
}

// setFamilies takes the families that may be shown.
func (o *output) setFamilies(families map[string]*family) {
	o.families = families
	o.shown = slices.SortedFunc(maps.Values(families), func(a, b *family) int { return cmp.Compare(a.Name, b.Name) })
	o.names = make(map[string]bool, len(o.shown))
	for _, f := range o.shown {
		o.names[f.Name] = true
	}
}

// familyNames are the names of the families that may be shown: a map that is never
// changed, but replaced.
func (o *output) familyNames() map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.names
}

// dropFamily drops all lines of a family.
func (o *output) dropFamily(f *family) {
	of := func(l *line) bool { return l.family == f }
	maps.DeleteFunc(o.lines, func(_ string, l *line) bool { return of(l) })
	maps.DeleteFunc(o.live, func(_ *measure.Series, l *line) bool { return of(l) })
	o.kept = slices.DeleteFunc(o.kept, of)
}
