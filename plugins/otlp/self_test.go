package otlp

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// TestSelf compares all that the SDK's instruments can be with a golden file.
func TestSelf(t *testing.T) {
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(
		func(kind sdkmetric.InstrumentKind) metricdata.Temporality {
			if kind == sdkmetric.InstrumentKindHistogram {
				return metricdata.DeltaTemporality
			}
			return metricdata.CumulativeTemporality
		}))
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	meter := provider.Meter("agent", metric.WithInstrumentationVersion("9"))
	ctx := t.Context()
	with := metric.WithAttributes(attribute.String("plugin", "k8s"), attribute.Int("n", 1),
		attribute.Bool("ok", true), attribute.Float64("f", 0.5), attribute.StringSlice("list", []string{"a", "b"}))

	must(meter.Int64Counter("ticks", metric.WithUnit("{tick}"), metric.WithDescription("Ticks")))(t).Add(ctx, 3, with)
	must(meter.Float64UpDownCounter("load"))(t).Add(ctx, -0.5)
	must(meter.Int64Gauge("pods"))(t).Record(ctx, 7)
	must(meter.Float64Gauge("share"))(t).Record(ctx, 0.25)
	must(meter.Int64Histogram("sizes", metric.WithExplicitBucketBoundaries(10, 20)))(t).Record(ctx, 15)
	must(meter.Float64Histogram("duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(1)))(t).Record(ctx, 2.5)

	var rm metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &rm); err != nil {
		t.Fatal(err)
	}
	fixTimes(t, &rm)
	// What the agent never makes is left out, and so is a scope with no more.
	rm.ScopeMetrics = append(rm.ScopeMetrics, metricdata.ScopeMetrics{
		Metrics: []metricdata.Metrics{{Name: "summary", Data: metricdata.Summary{}}}})
	for _, identity := range []string{Both, Point} {
		md, err := newBuild(Delta, identity).build(tick(0), selfScopes(&rm))
		if err != nil {
			t.Fatal(err)
		}
		text, err := new(pmetric.JSONMarshaler).MarshalMetrics(md)
		if err != nil {
			t.Fatal(err)
		}
		var lines strings.Builder
		encoder := json.NewEncoder(&lines)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(json.RawMessage(text)); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "self.json"), []byte(lines.String()))
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fixTimes replaces the times of all points, which are those of the clock.
func fixTimes(t *testing.T, rm *metricdata.ResourceMetrics) {
	t.Helper()
	for _, m := range rm.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			fixPoints(data.DataPoints)
		case metricdata.Sum[float64]:
			fixPoints(data.DataPoints)
		case metricdata.Gauge[int64]:
			fixPoints(data.DataPoints)
		case metricdata.Gauge[float64]:
			fixPoints(data.DataPoints)
		case metricdata.Histogram[int64]:
			fixHistogram(data.DataPoints)
		case metricdata.Histogram[float64]:
			fixHistogram(data.DataPoints)
		default:
			t.Fatalf("%s has unknown data %T", m.Name, data)
		}
	}
}

func fixPoints[N int64 | float64](points []metricdata.DataPoint[N]) {
	for i := range points {
		points[i].Time = start.Add(1)
		if !points[i].StartTime.IsZero() {
			points[i].StartTime = start
		}
	}
}

func fixHistogram[N int64 | float64](points []metricdata.HistogramDataPoint[N]) {
	for i := range points {
		points[i].StartTime, points[i].Time = start, start.Add(1)
	}
}

// TestSelfInRequests shows that the agent's own metrics travel in the node's
// resource, with the pods', and that losing them loses nothing else.
func TestSelfInRequests(t *testing.T) {
	host := plugintest.NewHost(t, allMetrics...)
	o, err := newOutput(defaults(), host.Host, endpoint{}, script(nil))
	if err != nil {
		t.Fatal(err)
	}
	write(t, o, count(ofPod(memoryUsage, "a"), 0))
	names := func() map[string][]string {
		r, ok := o.queue.Next(t.Context())
		if !ok {
			t.Fatal("nothing is queued")
		}
		o.queue.Done()
		got := make(map[string][]string)
		eachPoint(decode(t, r.Body), func(rm pmetric.ResourceMetrics, m pmetric.Metric, _ pmetric.NumberDataPoint) {
			where := "node"
			if uid, ok := rm.Resource().Attributes().Get("k8s.pod.uid"); ok {
				where = uid.Str()
			}
			got[where] = append(got[where], m.Name())
		})
		return got
	}
	got := names()
	if len(got) != 2 || len(got["uid-a"]) != 1 || got["uid-a"][0] != "memory_usage" ||
		!strings.Contains(strings.Join(got["node"], " "), "podjoule.otlp.queue.bytes") {
		t.Errorf("got metrics %v, want memory_usage of the pod and the agent's own of the node", got)
	}

	ended := sdkmetric.NewManualReader()
	if err := ended.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	o.self = ended
	err = o.Write(t.Context(), count(ofPod(memoryUsage, "a"), 1))
	if err == nil || !strings.Contains(err.Error(), "collect the agent's own metrics") {
		t.Errorf("got error %v, want that of the reader", err)
	}
	if got := names(); len(got) != 1 || len(got["uid-a"]) != 1 {
		t.Errorf("got metrics %v, want those of the pod", got)
	}
}
