package prometheus

import (
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// ownKind is what an instrument is on the page.
type ownKind int

const (
	unknownKind ownKind = iota
	counterKind
	gaugeKind
	sumKind // that may fall: a gauge, whose name is made in another way
	histogramKind
)

// kindOf tells what is to be done with an instrument's values.
func kindOf(data metricdata.Aggregation) ownKind {
	monotonic := false
	switch data := data.(type) {
	case metricdata.Gauge[int64], metricdata.Gauge[float64]:
		return gaugeKind
	case metricdata.Histogram[int64], metricdata.Histogram[float64]:
		return histogramKind
	case metricdata.Sum[int64]:
		monotonic = data.IsMonotonic
	case metricdata.Sum[float64]:
		monotonic = data.IsMonotonic
	default:
		return unknownKind
	}
	if monotonic {
		return counterKind
	}
	return sumKind
}

// ownFamily is one of the agent's own metrics, as the page shows it.
type ownFamily struct {
	name, help, unit string
	kind             ownKind
	names            []string // of all its lines
	heads            [formats]string
	// lines are found by their attributes, and sorted as the page shows them.
	lines  map[attribute.Distinct]*ownLine
	sorted []*ownLine
	// seen is the scrape that had the family last.
	seen uint64
}

// newOwnFamily prepares the family of an instrument, if it is of a known kind and its
// name needs no quotes.
func newOwnFamily(m *metricdata.Metrics) (*ownFamily, bool) {
	f := &ownFamily{help: m.Description, unit: m.Unit, kind: kindOf(m.Data), lines: make(map[attribute.Distinct]*ownLine)}
	var as otlptranslator.MetricType
	var kind string
	switch f.kind {
	case counterKind:
		as, kind = otlptranslator.MetricTypeMonotonicCounter, "counter"
	case gaugeKind:
		as, kind = otlptranslator.MetricTypeGauge, "gauge"
	case sumKind:
		as, kind = otlptranslator.MetricTypeNonMonotonicCounter, "gauge"
	case histogramKind:
		as, kind = otlptranslator.MetricTypeHistogram, "histogram"
	case unknownKind:
		return nil, false
	}
	namer := otlptranslator.NewMetricNamer("", otlptranslator.UnderscoreEscapingWithSuffixes)
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: as})
	if err != nil || !model.LegacyValidation.IsValidMetricName(name) {
		return nil, false
	}
	f.name = name
	for i := range f.heads {
		f.heads[i] = head(format(i), name, kind, m.Description)
	}
	return f, true
}

// take notes the values of the family.
func (f *ownFamily) take(data metricdata.Aggregation) bool {
	switch data := data.(type) {
	case metricdata.Sum[int64]:
		return takePoints(f, data.DataPoints)
	case metricdata.Sum[float64]:
		return takePoints(f, data.DataPoints)
	case metricdata.Gauge[int64]:
		return takePoints(f, data.DataPoints)
	case metricdata.Gauge[float64]:
		return takePoints(f, data.DataPoints)
	case metricdata.Histogram[int64]:
		return takeHistograms(f, data.DataPoints)
	case metricdata.Histogram[float64]:
		return takeHistograms(f, data.DataPoints)
	}
	return false
}

func takePoints[N int64 | float64](f *ownFamily, points []metricdata.DataPoint[N]) bool {
	for i := range points {
		p := &points[i]
		l := f.line(&p.Attributes, nil)
		if l == nil || len(p.Exemplars) > 0 {
			return false
		}
		l.value, l.seen = float64(p.Value), f.seen
	}
	return true
}

func takeHistograms[N int64 | float64](f *ownFamily, points []metricdata.HistogramDataPoint[N]) bool {
	for i := range points {
		p := &points[i]
		l := f.line(&p.Attributes, p.Bounds)
		if l == nil || len(p.Exemplars) > 0 || !slices.Equal(l.bounds, p.Bounds) || len(p.BucketCounts) != len(p.Bounds)+1 {
			return false
		}
		var below uint64
		for i := range l.bounds {
			below += p.BucketCounts[i]
			l.below[i] = below
		}
		l.value, l.count, l.seen = float64(p.Sum), p.Count, f.seen
	}
	return true
}

// line finds or makes the line of a set of attributes. It is nil where that cannot be shown.
func (f *ownFamily) line(set *attribute.Set, bounds []float64) *ownLine {
	if l := f.lines[set.Equivalent()]; l != nil {
		return l
	}
	l := newOwnLine(f, set, bounds)
	if l == nil {
		return nil
	}
	at, taken := slices.BinarySearchFunc(f.sorted, l, func(a, b *ownLine) int { return a.compare(b) })
	if taken {
		return nil // attributes of other types, or names, that look the same
	}
	f.lines[set.Equivalent()] = l
	f.sorted = slices.Insert(f.sorted, at, l)
	return l
}

// forget drops the lines that a scrape did not have, since attributes may come and go.
func (f *ownFamily) forget(round uint64) {
	gone := func(l *ownLine) bool { return l.seen != round }
	if slices.ContainsFunc(f.sorted, gone) {
		f.sorted = slices.DeleteFunc(f.sorted, gone)
		for key, l := range f.lines {
			if gone(l) {
				delete(f.lines, key)
			}
		}
	}
}
