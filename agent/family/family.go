// Package family turns metrics into those that Prometheus knows: under which name, in
// which unit and with which labels a series is seen. The page and remote write share
// it, so that a series has one identity, whichever way it comes.
package family

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Family is one metric as Prometheus sees it.
type Family struct {
	// Name is the name of its series, with _total at the end of a counter.
	Name string
	// Help is the metric's; Unit is what the values are in, such as "seconds", empty
	// for a plain number.
	Help, Unit string
	// Counter tells a running total from a gauge.
	Counter bool
	// PerUnit is how many of the units of samples make one of Unit.
	PerUnit float64
	// Machine is the labels of series about the whole machine. Series about a part of
	// it have two labels more.
	Machine, Part Shape

	keys []string // the attributes that are labels, in the order of the metric
}

// Equal reports whether two families look the same, and show the same of every series.
func (f *Family) Equal(other *Family) bool {
	return f.Name == other.Name && f.Help == other.Help && f.Counter == other.Counter && f.PerUnit == other.PerUnit &&
		slices.Equal(f.keys, other.keys) && slices.Equal(f.Machine.Labels, other.Machine.Labels) && slices.Equal(f.Machine.keys, other.Machine.keys)
}

// Shape is the labels that series have in common.
type Shape struct {
	// Labels are sorted.
	Labels []string
	// keys are the attributes, or the labels of the resource, which they show.
	keys []string
}

func newShape(keyOf map[string]string) Shape {
	labels := slices.Sorted(maps.Keys(keyOf))
	keys := make([]string, 0, len(labels))
	for _, label := range labels {
		keys = append(keys, keyOf[label])
	}
	return Shape{Labels: labels, keys: keys}
}

// New returns the families by the names of their metrics. It fails for metrics or
// attributes that would have one name, or one that Prometheus does not allow; what
// rename_attributes can mend is a *plugin.KeyError.
func New(metrics []*measure.Metric, renames plugin.Renames) (map[string]*Family, error) {
	families := make(map[string]*Family, len(metrics))
	owners := make(map[string]*measure.Metric, len(metrics))
	for _, m := range metrics {
		name := Name(m)
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
		if err := CheckLabels(m.Attributes, named); err != nil {
			return nil, err
		}
		keyOf := make(map[string]string, len(m.Attributes)+2)
		for _, key := range m.Attributes {
			keyOf[named.Name(key)] = key
		}
		base := baseUnit(m.Unit)
		f := &Family{
			Name: name, Help: m.Help, Unit: base.name,
			Counter: m.Kind == measure.Delta, PerUnit: base.size,
			Machine: newShape(keyOf), keys: m.Attributes,
		}
		keyOf[resourceKind], keyOf[resourceID] = resourceKind, resourceID
		f.Part = newShape(keyOf)
		families[m.Name] = f
	}
	return families, nil
}

// Set is the labels of a series, and their identity: series of one identity are one
// and the same to Prometheus.
type Set struct {
	// Shape is Machine or Part of the family.
	Shape *Shape
	// Values are those of the shape's labels, valid UTF-8. They are parts of the
	// identity, so that each of them is in memory once.
	Values   []string
	Identity string
}

// Labels returns the labels of a series. A missing attribute is an empty label. A
// series with an attribute that its metric does not declare is an error.
func (f *Family) Labels(s *measure.Series) (Set, error) {
	for _, a := range s.Attributes {
		if !slices.Contains(f.keys, a.Key) {
			return Set{}, fmt.Errorf("a series of %s is left out: it has the attribute %q, which its plugin did not declare",
				s.Metric.Name, a.Key)
		}
	}
	shape := &f.Machine
	if s.Resource.Kind != measure.LocalMachine {
		shape = &f.Part
	}
	values := make([]string, len(shape.Labels))
	identity := append(make([]byte, 0, 256), f.Name...)
	for i, label := range shape.Labels {
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
	set := Set{Shape: shape, Values: values, Identity: string(identity)}
	rest := set.Identity[len(f.Name):]
	for i, value := range values {
		values[i], rest = rest[1:1+len(value)], rest[1+len(value):]
	}
	return set, nil
}

// Describe returns labels for an error.
func (s *Set) Describe() string {
	parts := make([]string, len(s.Values))
	for i, label := range s.Shape.Labels {
		parts[i] = label + "=" + s.Values[i]
	}
	return strings.Join(parts, ", ")
}
