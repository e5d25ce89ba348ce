package otlp

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/podjoule/podjoule/agent/measure"
)

// TestSplit shows that a large batch becomes several requests within the limit,
// and that together they are the batch, whatever it is split by.
func TestSplit(t *testing.T) {
	const limit = 4096
	metrics := []*measure.Metric{cpuTime, memoryUsage, podEnergy}
	for _, tt := range []struct {
		name        string
		identity    string
		pods, kinds int
	}{
		{"by resource", Both, 60, 2},
		{"by metric and point", Point, 60, 2},
		{"one pod with many points", Resource, 1, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := tick(0)
			for i := range tt.pods {
				for k := range tt.kinds {
					for _, m := range metrics {
						b.Uint(ofPod(m, fmt.Sprint(i), "kind", fmt.Sprint(k)), uint64(b.Interval)+uint64(len(b.Samples)))
					}
				}
			}
			build := func() pmetric.Metrics {
				md, err := newBuild(Cumulative, tt.identity).build(b, selfScopes(ownMetrics(100)))
				if err != nil {
					t.Fatal(err)
				}
				return md
			}
			want := lines(build())
			requests, err := newBuild(Cumulative, tt.identity).requests(b, selfScopes(ownMetrics(100)), limit)
			if err != nil {
				t.Fatal(err)
			}
			if len(requests) < 2 {
				t.Errorf("got %d requests, want several", len(requests))
			}
			var got []string
			points := 0
			for _, r := range requests {
				if len(r.body) > limit {
					t.Errorf("a request has %d bytes, want at most %d", len(r.body), limit)
				}
				md := decode(t, r.body)
				if md.DataPointCount() != r.points {
					t.Errorf("a request has %d points, want the %d that it is counted as", md.DataPointCount(), r.points)
				}
				points += r.points
				got = append(got, lines(md)...)
			}
			if all := build().DataPointCount(); points != all {
				t.Errorf("got %d points, want %d", points, all)
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(want, got) {
				t.Errorf("the requests do not add up to the batch:\n got %q\nwant %q", got, want)
			}
		})
	}
}

// TestSplitEndsAtAPoint shows that a point that is too large goes alone, for
// the receiver to refuse, and takes nothing else with it.
func TestSplitEndsAtAPoint(t *testing.T) {
	b := tick(0)
	b.Uint(ofPod(cpuTime, "a", "kind", strings.Repeat("x", 1000)), 1)
	b.Uint(ofPod(cpuTime, "a", "kind", "small"), 2)
	requests, err := newBuild(Delta, Both).requests(b, noSelf(), 500)
	if err != nil {
		t.Fatal(err)
	}
	if len(requests) != 2 || requests[0].points != 1 || requests[1].points != 1 {
		t.Errorf("got %d requests, want 2 with one point each", len(requests))
	}
}

// lines renders each point of a request with all that stands around it.
func lines(md pmetric.Metrics) (out []string) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				head := fmt.Sprint(rm.SchemaUrl(), rm.Resource().Attributes().AsRaw(), sm.Scope().Name(), sm.Scope().Version(),
					m.Name(), m.Unit(), m.Description(), m.Type())
				numbers := pmetric.NewNumberDataPointSlice()
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					numbers = m.Gauge().DataPoints()
				case pmetric.MetricTypeSum:
					head += fmt.Sprint(m.Sum().IsMonotonic(), m.Sum().AggregationTemporality())
					numbers = m.Sum().DataPoints()
				case pmetric.MetricTypeHistogram:
					head += fmt.Sprint(m.Histogram().AggregationTemporality())
					for _, p := range m.Histogram().DataPoints().All() {
						out = append(out, head+fmt.Sprint(p.Attributes().AsRaw(), p.StartTimestamp(), p.Timestamp(),
							p.Count(), p.Sum(), p.Min(), p.Max(), p.ExplicitBounds().AsRaw(), p.BucketCounts().AsRaw()))
					}
				}
				for _, p := range numbers.All() {
					out = append(out, head+fmt.Sprint(p.Attributes().AsRaw(), p.StartTimestamp(), p.Timestamp(),
						p.ValueType(), p.IntValue(), p.DoubleValue(), p.Flags()))
				}
			}
		}
	}
	return out
}

// ownMetrics are n points of a sum and n of a histogram.
func ownMetrics(n int) *metricdata.ResourceMetrics {
	sum := metricdata.Sum[int64]{Temporality: metricdata.CumulativeTemporality, IsMonotonic: true}
	histogram := metricdata.Histogram[float64]{Temporality: metricdata.DeltaTemporality}
	for i := range n {
		set := attribute.NewSet(attribute.Int("n", i))
		sum.DataPoints = append(sum.DataPoints,
			metricdata.DataPoint[int64]{Attributes: set, StartTime: start, Time: start, Value: int64(i)})
		histogram.DataPoints = append(histogram.DataPoints,
			metricdata.HistogramDataPoint[float64]{Attributes: set, StartTime: start, Time: start, Count: 3, Sum: 4,
				Bounds: []float64{1, 2}, BucketCounts: []uint64{0, 1, 2}})
	}
	return &metricdata.ResourceMetrics{ScopeMetrics: []metricdata.ScopeMetrics{
		{Metrics: []metricdata.Metrics{{Name: "a", Data: sum}, {Name: "b", Data: histogram}}},
	}}
}
