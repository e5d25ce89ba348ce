package prometheus

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// family is one metric as the page shows it.
type family struct {
	name    string
	counter bool
	perUnit float64
	// keys are the attributes that are labels, in the order of the metric.
	keys []string
	// machine is what series about the whole machine look like. Series about a
	// part of it have two labels more.
	machine, part shape
	// heads are the comments above the lines, by format.
	heads [formats]string
	// created is the name of the samples that tell when a counter was 0.
	created string
	// lines are those that the page may show, in its order.
	lines []*line
}

// shape is the labels that series have in common.
type shape struct {
	desc *prometheus.Desc
	// labels are sorted, as they are on the page; keys are the attributes, or
	// the labels of the resource, which they show.
	labels, keys []string
}

func newShape(name, help string, keyOf map[string]string) shape {
	labels := slices.Sorted(maps.Keys(keyOf))
	keys := make([]string, 0, len(labels))
	for _, label := range labels {
		keys = append(keys, keyOf[label])
	}
	return shape{desc: prometheus.NewDesc(name, help, labels, nil), labels: labels, keys: keys}
}

// newFamilies returns the families by the names of their metrics.
func newFamilies(metrics []*measure.Metric, renames plugin.Renames) (map[string]*family, error) {
	families := make(map[string]*family, len(metrics))
	owners := make(map[string]*measure.Metric, len(metrics))
	for _, m := range metrics {
		name := familyName(m)
		if !model.LegacyValidation.IsValidMetricName(name) {
			return nil, fmt.Errorf("the metric %q would be called %q, which Prometheus does not allow", m.Name, name)
		}
		// OpenMetrics leaves _total off a counter's family name.
		unique := strings.TrimSuffix(name, "_total")
		if other, taken := owners[unique]; taken && other != m {
			return nil, fmt.Errorf("the metrics %q and %q would both be called %q", other.Name, m.Name, name)
		}
		owners[unique] = m

		named := asLabels(m.Attributes, renames)
		if err := named.Check(m.Attributes); err != nil {
			return nil, err
		}
		if err := checkLabels(m.Attributes, named); err != nil {
			return nil, err
		}
		keyOf := make(map[string]string, len(m.Attributes)+2)
		for _, key := range m.Attributes {
			keyOf[named.Name(key)] = key
		}
		f := &family{
			name:    name,
			counter: m.Kind == measure.Delta,
			perUnit: baseUnit(m.Unit).size,
			keys:    m.Attributes,
			machine: newShape(name, m.Help, keyOf),
			created: strings.TrimSuffix(name, "_total") + "_created",
		}
		keyOf[resourceKind], keyOf[resourceID] = resourceKind, resourceID
		f.part = newShape(name, m.Help, keyOf)
		kind := "gauge"
		if f.counter {
			kind = "counter"
		}
		for i := range f.heads {
			f.heads[i] = head(format(i), name, kind, m.Help)
		}
		families[m.Name] = f
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

func compareLines(a, b *line) int { return a.compare(&b.labelSet) }

// labelSet is the labels of a series, and their identity: series of one identity
// would be one and the same to Prometheus.
type labelSet struct {
	shape *shape
	// values are those of the shape's labels. They are parts of the identity,
	// so that each of them is in memory once.
	values   []string
	identity string
	// text is the labels as the page shows them.
	text string
}

// compare orders the lines of a family as client_golang does: those with fewer
// labels first, then by their values.
func (s *labelSet) compare(other *labelSet) int {
	if n := cmp.Compare(len(s.values), len(other.values)); n != 0 {
		return n
	}
	return slices.Compare(s.values, other.values)
}

// labels returns the labels of a series. A missing attribute is an empty label.
func (f *family) labels(s *measure.Series) (labelSet, error) {
	for _, a := range s.Attributes {
		if !slices.Contains(f.keys, a.Key) {
			return labelSet{}, fmt.Errorf("a series of %s is left out: it has the attribute %q, which its plugin did not declare",
				s.Metric.Name, a.Key)
		}
	}
	shape := &f.machine
	if s.Resource.Kind != measure.LocalMachine {
		shape = &f.part
	}
	values := make([]string, len(shape.labels))
	identity := append(make([]byte, 0, 256), f.name...)
	for i, label := range shape.labels {
		value, _ := s.Attribute(shape.keys[i])
		switch label {
		case resourceKind:
			value = s.Resource.Kind
		case resourceID:
			value = s.Resource.ID
		}
		// Prometheus takes UTF-8 only, and one bad label would cost the series.
		values[i] = strings.ToValidUTF8(value, "\uFFFD")
		// No UTF-8 text holds the byte that separates the values.
		identity = append(append(identity, 0xff), values[i]...)
	}
	set := labelSet{shape: shape, values: values, identity: string(identity)}
	set.text = string(appendLabels(identity[:0], shape.labels, values))
	rest := set.identity[len(f.name):]
	for i, value := range values {
		values[i], rest = rest[1:1+len(value)], rest[1+len(value):]
	}
	return set, nil
}
