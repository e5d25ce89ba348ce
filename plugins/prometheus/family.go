package prometheus

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	base "github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// family is one metric as the page shows it.
type family struct {
	*base.Family
	machine, part shape
	// heads are the comments above the lines, by format.
	heads [formats]string
	// created is the name of the samples that tell when a counter was 0.
	created string
	// lines are those that the page may show, in its order.
	lines []*line
}

// shape is the labels that series have in common, for client_golang.
type shape struct {
	desc   *prometheus.Desc
	labels []string
}

// newFamilies returns the families by the names of their metrics.
func newFamilies(metrics []*measure.Metric, renames plugin.Renames) (map[string]*family, error) {
	all, err := base.New(metrics, renames)
	if err != nil {
		return nil, err
	}
	families := make(map[string]*family, len(all))
	for metric, of := range all {
		f := &family{
			Family:  of,
			machine: shape{prometheus.NewDesc(of.Name, of.Help, of.Machine.Labels, nil), of.Machine.Labels},
			part:    shape{prometheus.NewDesc(of.Name, of.Help, of.Part.Labels, nil), of.Part.Labels},
			created: strings.TrimSuffix(of.Name, "_total") + "_created",
		}
		kind := "gauge"
		if of.Counter {
			kind = "counter"
		}
		for i := range f.heads {
			f.heads[i] = head(format(i), of.Name, kind, of.Help)
		}
		families[metric] = f
	}
	return families, nil
}

// insert adds a line at its place.
func (f *family) insert(l *line) {
	at, _ := slices.BinarySearchFunc(f.lines, l, compareLines)
	f.lines = slices.Insert(f.lines, at, l)
}

// remove takes a line away that was inserted.
func (f *family) remove(l *line) {
	if at, found := slices.BinarySearchFunc(f.lines, l, compareLines); found {
		f.lines = slices.Delete(f.lines, at, at+1)
	}
}

func compareLines(a, b *line) int { return compareValues(a.Values, b.Values) }

// labelSet is the labels of a series, and how the page shows them.
type labelSet struct {
	base.Set
	shape *shape
	text  string
}

// compareValues orders the lines of a family by the values of their labels as
// client_golang does: those with fewer labels first.
func compareValues(a, b []string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), slices.Compare(a, b))
}

// labels returns the labels of a series.
func (f *family) labels(s *measure.Series) (labelSet, error) {
	set, err := f.Labels(s)
	if err != nil {
		return labelSet{}, err
	}
	shape := &f.machine
	if set.Shape == &f.Part {
		shape = &f.part
	}
	return labelSet{Set: set, shape: shape, text: showLabels(shape.labels, set.Values)}, nil
}
