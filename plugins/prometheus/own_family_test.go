package prometheus

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// points is a reader of points that no instrument of this version makes.
type points struct{ metrics []metricdata.Metrics }

func (p points) Collect(_ context.Context, into *metricdata.ResourceMetrics) error {
	into.ScopeMetrics = []metricdata.ScopeMetrics{{Metrics: p.metrics}}
	return nil
}

func TestOddPointsAreNotWritten(t *testing.T) {
	histogram := func(p metricdata.HistogramDataPoint[int64]) metricdata.Metrics {
		return metricdata.Metrics{Name: "m", Data: metricdata.Histogram[int64]{DataPoints: []metricdata.HistogramDataPoint[int64]{p}}}
	}
	sum := func(p ...metricdata.DataPoint[int64]) metricdata.Metrics {
		return metricdata.Metrics{Name: "m", Data: metricdata.Sum[int64]{DataPoints: p}}
	}
	good := histogram(metricdata.HistogramDataPoint[int64]{Bounds: []float64{1, 2}, BucketCounts: []uint64{1, 0, 1}, Count: 2})
	for _, tt := range []struct {
		name string
		then metricdata.Metrics
		want bool
	}{
		{"the same", good, true},
		{"other bounds", histogram(metricdata.HistogramDataPoint[int64]{Bounds: []float64{1, 3}, BucketCounts: []uint64{1, 0, 1}}), false},
		{"too few buckets", histogram(metricdata.HistogramDataPoint[int64]{Bounds: []float64{1, 2}, BucketCounts: []uint64{1, 0}}), false},
		{"an exemplar", histogram(metricdata.HistogramDataPoint[int64]{Bounds: []float64{1, 2}, BucketCounts: []uint64{1, 0, 1},
			Exemplars: []metricdata.Exemplar[int64]{{}}}), false},
		{"another kind", sum(metricdata.DataPoint[int64]{}), false},
		{"another unit", func() metricdata.Metrics { m := good; m.Unit = "s"; return m }(), false},
		{"another description", func() metricdata.Metrics { m := good; m.Description = "Help"; return m }(), false},
		{"a summary", metricdata.Metrics{Name: "n", Data: metricdata.Summary{}}, false},
		{"nothing", metricdata.Metrics{Name: "n"}, false},
		{"no name", metricdata.Metrics{Data: metricdata.Gauge[int64]{}}, false},
		{"an exemplar of a sum", metricdata.Metrics{Name: "n", Data: metricdata.Sum[float64]{
			DataPoints: []metricdata.DataPoint[float64]{{Exemplars: []metricdata.Exemplar[float64]{{}}}}}}, false},
		{"bounds that fall", metricdata.Metrics{Name: "n", Data: metricdata.Histogram[float64]{
			DataPoints: []metricdata.HistogramDataPoint[float64]{{Bounds: []float64{2, 1}, BucketCounts: []uint64{1, 0, 1}}}}}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reader := &points{[]metricdata.Metrics{good}}
			o, b := newOwn(reader, noSamples), new(scratch)
			if !o.write(&b.self, textFormat, b.endFamily) {
				t.Fatal("the good one is not written")
			}
			reader.metrics = []metricdata.Metrics{tt.then}
			if got := o.write(&b.self, textFormat, b.endFamily); got != tt.want {
				t.Errorf("written: %v, want %v", got, tt.want)
			}
			reader.metrics = []metricdata.Metrics{good}
			if !o.write(&b.self, textFormat, b.endFamily) {
				t.Error("the good one is not written any more")
			}
		})
	}
}

// noSamples are the names of samples on a page that has none.
func noSamples() map[string]bool { return nil }
