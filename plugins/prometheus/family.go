package prometheus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// family is one metric as the page shows it.
type family struct {
	name    string
	counter bool
	perUnit float64
	// keys are the attributes that are labels.
	keys []string
	// machine describes series about the whole machine. Series about a part
	// of it have two labels more.
	machine, part *prometheus.Desc
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
		var labels []string
		for _, key := range m.Attributes {
			labels = append(labels, named.Name(key))
		}
		families[m.Name] = &family{
			name:    name,
			counter: m.Kind == measure.Delta,
			perUnit: baseUnit(m.Unit).size,
			keys:    m.Attributes,
			machine: prometheus.NewDesc(name, m.Help, labels, nil),
			part:    prometheus.NewDesc(name, m.Help, slices.Concat(labels, []string{resourceKind, resourceID}), nil),
		}
	}
	return families, nil
}

// labelSet is the labels of a series, and their identity: series of one identity
// would be one and the same to Prometheus.
type labelSet struct {
	desc     *prometheus.Desc
	pairs    []*dto.LabelPair
	identity string
}

// labels returns the labels of a series. A missing attribute is an empty label.
func (f *family) labels(s *measure.Series) (labelSet, error) {
	for _, a := range s.Attributes {
		if !slices.Contains(f.keys, a.Key) {
			return labelSet{}, fmt.Errorf("a series of %s is left out: it has the attribute %q, which its plugin did not declare",
				s.Metric.Name, a.Key)
		}
	}
	var values []string
	for _, key := range f.keys {
		value, _ := s.Attribute(key)
		values = append(values, value)
	}
	desc := f.machine
	if s.Resource.Kind != measure.LocalMachine {
		desc = f.part
		values = append(values, s.Resource.Kind, s.Resource.ID)
	}
	for i, value := range values {
		// Prometheus takes UTF-8 only, and one bad label would cost the series.
		values[i] = strings.ToValidUTF8(value, "\uFFFD")
	}
	return labelSet{
		desc:  desc,
		pairs: prometheus.MakeLabelPairs(desc, values),
		// No UTF-8 text holds the byte that separates the values.
		identity: f.name + "\xff" + strings.Join(values, "\xff"),
	}, nil
}
