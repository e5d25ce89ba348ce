package agent

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/podjoule/podjoule/agent/plugin"
)

// telemetry is what the agent measures about itself.
type telemetry struct {
	provider *sdkmetric.MeterProvider
	page     *prometheus.Registry
	reader   *sdkmetric.ManualReader
	meter    metric.Meter

	ticks, late, errors metric.Int64Counter
	samples             metric.Int64Gauge
	duration, stage     metric.Float64Histogram
}

// newTelemetry makes the meter provider and the host's own instruments.
func newTelemetry(ctx context.Context, version string) (*telemetry, error) {
	t := &telemetry{page: prometheus.NewRegistry(), reader: sdkmetric.NewManualReader()}
	exporter, err := otelprom.New(otelprom.WithRegisterer(t.page), otelprom.WithoutTargetInfo(), otelprom.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("make the page of the agent's own metrics: %w", err)
	}
	t.provider = sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(exporter), sdkmetric.WithReader(t.reader),
		sdkmetric.WithExemplarFilter(exemplar.AlwaysOffFilter), // there are no traces to point to
		sdkmetric.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "podjoule"), attribute.String("service.version", version))),
	)
	t.meter = t.provider.Meter("podjoule/agent")
	build, err := t.meter.Int64Gauge("podjoule.agent.build_info", metric.WithDescription("The running build, always 1"))
	if err == nil {
		build.Record(ctx, 1, metric.WithAttributes(attribute.String("version", version), attribute.String("go_version", runtime.Version())))
		t.ticks, err = t.meter.Int64Counter("podjoule.agent.ticks", metric.WithUnit("{tick}"),
			metric.WithDescription("Ticks of the sources of one interval"))
	}
	if err == nil {
		t.late, err = t.meter.Int64Counter("podjoule.agent.late_ticks", metric.WithUnit("{tick}"),
			metric.WithDescription("Ticks that were skipped because an earlier one took too long"))
	}
	if err == nil {
		t.duration, err = t.meter.Float64Histogram("podjoule.agent.tick.duration", metric.WithUnit("s"),
			metric.WithDescription("Time from the first poll of a tick to the end of the last write"),
			metric.WithExplicitBucketBoundaries(.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5))
	}
	if err == nil {
		t.stage, err = t.meter.Float64Histogram("podjoule.agent.stage.duration", metric.WithUnit("s"),
			metric.WithDescription("Time that one stage of a tick took with all its plugins: poll, transform or write"),
			metric.WithExplicitBucketBoundaries(.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5))
	}
	if err == nil {
		err = t.watchProcess()
	}
	if err == nil {
		t.samples, err = t.meter.Int64Gauge("podjoule.agent.samples", metric.WithUnit("{sample}"),
			metric.WithDescription("Samples in the last batch"))
	}
	if err == nil {
		t.errors, err = t.meter.Int64Counter("podjoule.agent.plugin.errors", metric.WithUnit("{error}"),
			metric.WithDescription("Calls of a plugin that failed"))
	}
	if err != nil {
		return nil, fmt.Errorf("make the agent's own metrics: %w", err)
	}
	return t, nil
}

// watch publishes which plugins fail, and how many series each has.
func (t *telemetry) watch(members func() []*member) error {
	failing, err := t.meter.Int64ObservableGauge("podjoule.agent.plugin.failing",
		metric.WithDescription("1 while a plugin is failing, else 0"))
	var series metric.Int64ObservableGauge
	if err == nil {
		series, err = t.meter.Int64ObservableGauge("podjoule.agent.series", metric.WithUnit("{series}"),
			metric.WithDescription("Series that a plugin has made and that have not ended"))
	}
	if err == nil {
		_, err = t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
			for _, m := range members() {
				if m.role != plugin.RoleOutput {
					o.ObserveInt64(series, m.roster.size.Load(), m.attributes)
				}
				var value int64
				if text, _ := m.state(); text != "" {
					value = 1
				}
				o.ObserveInt64(failing, value, m.attributes)
			}
			return nil
		}, failing, series)
	}
	if err != nil {
		return fmt.Errorf("make the agent's own metrics: %w", err)
	}
	return nil
}

// stageReady is the stage of which no errors are counted.
const stageReady = "ready"

// condition makes the condition of one stage of a plugin.
func (t *telemetry) condition(m *member, stage string, now time.Time) *condition {
	with := func(stage string) []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("plugin", m.name), attribute.String("stage", stage)))}
	}
	if stage != stageReady { // a state that is looked at, not an event that happens
		t.errors.Add(context.Background(), 0, with(stage)...) // a counter that has not counted yet is seen as 0
	}
	return &condition{stage: stage, log: m.log, errors: t.errors, plain: with(stage), panicked: with("panic"), since: now}
}

// shutdown ends the provider. Readers that were shut down before are fine.
func (t *telemetry) shutdown(ctx context.Context) error {
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("shut down the agent's own metrics: %w", err)
	}
	return nil
}
