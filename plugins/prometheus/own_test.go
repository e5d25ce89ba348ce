package prometheus

import (
	"context"
	"errors"
	"math"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// openInstrumented opens the plugin with an agent's own metrics as the agent has them: Self and
// SelfReader show the same. Its meter makes them.
func openInstrumented(t testing.TB, options []sdkmetric.Option, metrics ...*measure.Metric) (*page, *sdkmetric.MeterProvider) {
	t.Helper()
	host := plugintest.NewHost(t, metrics...)
	exporter, err := otelprom.New(otelprom.WithRegisterer(host.Self.(*prometheus.Registry)), otelprom.WithoutTargetInfo(), otelprom.WithoutScopeInfo())
	if err != nil {
		t.Fatal(err)
	}
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(append(options,
		sdkmetric.WithReader(exporter), sdkmetric.WithReader(reader), sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter))...)
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	host.SelfReader, host.Meter = reader, provider.Meter("test")
	opened, err := Plugin().Config().Open(t.Context(), host.Host)
	if err != nil {
		t.Fatal(err)
	}
	return &page{output: opened.(plugin.Output).(*output), host: host, end: tick}, provider
}

// written tells whether the agent's own metrics are written here, rather than gathered.
func (p *page) written(t testing.TB) bool {
	t.Helper()
	s := newScraper(p.output, p.host.SelfReader, p.host.Self, nil)
	return s.writeOwn(new(scratch), textFormat) && s.writeOwn(new(scratch), openMetricsFormat)
}

// instruments makes metrics of every kind, with values and attributes.
func instruments(t testing.TB, m metric.Meter, value float64, help, unit string, attributes ...attribute.KeyValue) {
	t.Helper()
	with := metric.WithAttributes(attributes...)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	counter, err := m.Float64Counter("podjoule.b.counted", metric.WithDescription(help), metric.WithUnit(unit))
	must(err)
	counter.Add(ctx, math.Abs(value), with)
	counter.Add(ctx, 2, metric.WithAttributes(attribute.String("x", "1"), attribute.String("y", "2")))
	counter.Add(ctx, 3) // with fewer labels: first
	whole, err := m.Int64Counter("zz.requests", metric.WithDescription(help), metric.WithUnit("{request}"))
	must(err)
	whole.Add(ctx, 1e6, with)
	updown, err := m.Int64UpDownCounter("queue", metric.WithDescription(help), metric.WithUnit("1"))
	must(err)
	updown.Add(ctx, -7, with)
	gauge, err := m.Float64Gauge("podjoule.a.ratio", metric.WithDescription(help), metric.WithUnit("1"))
	must(err)
	gauge.Record(ctx, value, with)
	gauge.Record(ctx, -value, metric.WithAttributes(attribute.Int("n", 1)))
	histogram, err := m.Float64Histogram("podjoule.n", metric.WithDescription(help), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(0, .25, 1, 1e6))
	must(err)
	histogram.Record(ctx, value, with)
	histogram.Record(ctx, 1, with)
	integers, err := m.Int64Histogram("podjoule.m", metric.WithDescription(help), metric.WithUnit("By"))
	must(err)
	integers.Record(ctx, 3, with)
	observed, err := m.Int64ObservableCounter("observed", metric.WithDescription(help), metric.WithUnit(unit),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(42, with)
			return nil
		}))
	must(err)
	_ = observed
}

func TestOwnMetricsAsClientGolang(t *testing.T) {
	m := newMetrics()
	p, provider := openInstrumented(t, nil, m.all()...)
	p.sameAsReference(t, "/metrics", accepts()...)
	p.next(t, m.newPod("web-0", "u-1").sample)
	instruments(t, p.host.Meter, .5, "Help\n\"\\", "s", attribute.String("plugin", "k8s"), attribute.Bool("b.c", true))
	for range 3 { // when lines are made, and when they are known
		p.sameAsReference(t, "/metrics", accepts()...)
	}
	other, err := provider.Meter("other").Int64Counter("podjoule.other")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		other.Add(t.Context(), int64(i), metric.WithAttributes(attribute.Int("i", 11-i)))
		p.sameAsReference(t, "/metrics", text, openMetrics)
	}
	if !p.written(t) {
		t.Error("the agent's own metrics are gathered, want them written")
	}
}

// What is observed at one scrape may be away at the next.
func TestOwnMetricsComeAndGo(t *testing.T) {
	p, _ := openInstrumented(t, nil)
	var now []string
	_, err := p.host.Meter.Int64ObservableGauge("state", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
		for i, name := range now {
			o.Observe(int64(i), metric.WithAttributes(attribute.String("name", name)))
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	reader := newOwn(p.host.SelfReader, noSamples)
	b := new(scratch)
	for _, now = range [][]string{{"a", "b"}, {"b", "c"}, {}, {"c"}, {"c", "a", "b"}} {
		p.sameAsReference(t, "/metrics", text, openMetrics)
		if !reader.write(&b.self, textFormat, b.endFamily) {
			t.Fatal("not written")
		}
		if f := reader.families["state"]; f != nil && len(now) > 0 && (len(f.lines) != len(now) || len(f.sorted) != len(now)) {
			t.Errorf("%d and %d lines are kept, want those of %v", len(f.lines), len(f.sorted), now)
		}
	}
}

// What only client_golang can tell is left to it, and the page is the same.
func TestOwnMetricsThatAreGathered(t *testing.T) {
	add := func(t *testing.T, m metric.Meter, name string, attributes ...attribute.KeyValue) {
		t.Helper()
		c, err := m.Int64Counter(name)
		if err != nil {
			t.Fatal(err)
		}
		c.Add(t.Context(), 1, metric.WithAttributes(attributes...))
	}
	histogram := func(t *testing.T, m metric.Meter, name string, bounds ...float64) {
		t.Helper()
		h, err := m.Float64Histogram(name, metric.WithExplicitBucketBoundaries(bounds...))
		if err != nil {
			t.Fatal(err)
		}
		h.Record(t.Context(), 1)
	}
	gauge := func(t *testing.T, m metric.Meter, name string) {
		t.Helper()
		g, err := m.Int64Gauge(name)
		if err != nil {
			t.Fatal(err)
		}
		g.Record(t.Context(), 1)
	}
	exponential := sdkmetric.WithView(sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 10, MaxScale: 5}}))
	for _, tt := range []struct {
		name string
		make func(t *testing.T, m metric.Meter, other metric.Meter)
	}{
		{"exponential histogram", func(t *testing.T, m, _ metric.Meter) { histogram(t, m, "exponential") }},
		{"one name in two scopes", func(t *testing.T, m, other metric.Meter) {
			add(t, m, "same", attribute.Int("a", 1))
			add(t, other, "same", attribute.Int("a", 2))
		}},
		{"two names that become one", func(t *testing.T, m, _ metric.Meter) {
			add(t, m, "a.b", attribute.Int("a", 1))
			add(t, m, "a-b", attribute.Int("a", 2))
		}},
		{"labels that become one", func(t *testing.T, m, _ metric.Meter) {
			add(t, m, "same", attribute.Int("a.b", 1), attribute.Int("a-b", 2))
		}},
		{"values that look the same", func(t *testing.T, m, _ metric.Meter) {
			add(t, m, "same", attribute.Int("a", 1))
			add(t, m, "same", attribute.String("a", "1"))
		}},
		{"a label that is no text", func(t *testing.T, m, _ metric.Meter) { add(t, m, "bad", attribute.String("a", "\xff")) }},
		{"a reserved label", func(t *testing.T, m, _ metric.Meter) { add(t, m, "bad", attribute.Int("__name__", 1)) }},
		{"a bucket's label", func(t *testing.T, m, _ metric.Meter) { add(t, m, "odd", attribute.Int("le", 1)) }},
		{"a part of a histogram", func(t *testing.T, m, _ metric.Meter) {
			histogram(t, m, "h", 1)
			gauge(t, m, "h.count")
		}},
		{"the name of a sample", func(t *testing.T, m, _ metric.Meter) { gauge(t, m, "podjoule.g.count") }},
		{"a histogram of samples", func(t *testing.T, m, _ metric.Meter) { histogram(t, m, "podjoule.g", 1) }},
		{"a callback that fails", func(t *testing.T, m, _ metric.Meter) {
			_, err := m.Int64ObservableGauge("fails", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
				return errors.New("broken")
			}))
			if err != nil {
				t.Fatal(err)
			}
		}},
		{"a bound without end", func(t *testing.T, m, _ metric.Meter) { histogram(t, m, "h", 1, math.Inf(1)) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			sample := &measure.Metric{Name: "g_count", Help: "Gauge", Attributes: []string{"uid"}}
			p, provider := openInstrumented(t, []sdkmetric.Option{exponential}, sample)
			p.next(t, func(b *measure.Batch) {
				b.Uint(&measure.Series{Metric: sample, Resource: measure.Resource{Kind: measure.LocalMachine}}, 1)
			})
			tt.make(t, p.host.Meter, provider.Meter("other"))
			if p.written(t) {
				t.Error("written, want it gathered")
			}
			p.sameAsReference(t, "/metrics", text, openMetrics)
		})
	}
}

// A provider that has ended has no metrics, and the page is there all the same.
func TestOwnMetricsAfterTheEnd(t *testing.T) {
	m := newMetrics()
	p, provider := openInstrumented(t, nil, m.all()...)
	p.next(t, m.newPod("web-0", "u-1").sample)
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.sameAsReference(t, "/metrics", text, openMetrics)
}

// FuzzOwnMetrics writes any numbers, helps, units and attributes as client_golang does.
func FuzzOwnMetrics(f *testing.F) {
	f.Add("Help", "s", "plugin", "k8s", 0.5)
	f.Add("a\nb\"\\", "By", "a.b", "c\"\\\n", math.Inf(1))
	f.Add("", "{x}/s", "x", "\xff", math.NaN())
	f.Add("\xff", "%", "", "", math.Copysign(0, -1))
	f.Add("x", "1", "le", "1", 1e21)
	f.Add("x", "ms", "y", "1", float64(1<<53))
	f.Fuzz(func(t *testing.T, help, unit, key, label string, value float64) {
		m := newMetrics()
		p, _ := openInstrumented(t, nil, m.all()...)
		p.next(t, m.newPod("web-0", "u-1").sample)
		instruments(t, p.host.Meter, value, help, unit, attribute.String(key, label), attribute.String("x", strconv.Itoa(len(help))))
		p.sameAsReference(t, "/metrics", text, openMetrics, "text/plain; escaping=dots")
	})
}
