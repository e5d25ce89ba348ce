package agent

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

func TestOwnMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var families []*dto.MetricFamily
		var rm metricdata.ResourceMetrics
		watch := &full{run: untilEnd}
		cfg := config(source("s", time.Second, poll(func(_ context.Context, b *measure.Batch) error {
			b.Uint(new(measure.Series), 1)
			b.Uint(new(measure.Series), 2)
			return errBroken
		})), output("o", nil))
		cfg.Plugins[1].Config = &stub{open: func(ctx context.Context, h *plugin.Host) (any, error) {
			own, err := h.Meter.Int64Counter("podjoule.o.sent")
			if err != nil {
				return nil, err
			}
			watch.Output = write(func(ctx context.Context, _ *measure.Batch) error { own.Add(ctx, 1); return nil })
			watch.close = func() (err error) {
				if families, err = h.Self.Gather(); err != nil {
					return err
				}
				return h.SelfReader.(*sdkmetric.ManualReader).Collect(context.Background(), &rm)
			}
			return watch, nil
		}}
		if err := runFor(t, 2500*time.Millisecond, cfg, RunOptions{Version: "v1"}); err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, f := range families {
			for _, m := range f.Metric {
				var labels []string
				for _, l := range m.Label {
					labels = append(labels, l.GetName()+"="+l.GetValue())
				}
				name := f.GetName() + "{" + strings.Join(labels, ",") + "}"
				got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		for _, changing := range []string{"podjoule_agent_cpu_time_seconds_total{mode=user}", "podjoule_agent_cpu_time_seconds_total{mode=system}",
			"podjoule_agent_memory_resident_bytes{}", "podjoule_agent_open_files{}", "podjoule_agent_open_files_limit{}",
			"podjoule_agent_config_last_reload_success_timestamp_seconds{}"} {
			if _, there := got[changing]; !there {
				t.Errorf("page: there is no %s", changing)
			}
			delete(got, changing)
		}
		want := map[string]float64{
			"podjoule_agent_late_ticks_total{interval=1s}":                               0,
			"podjoule_agent_plugin_errors_total{plugin=o,stage=write}":                   0,
			"podjoule_agent_plugin_errors_total{plugin=o,stage=run}":                     0,
			"podjoule_agent_config_last_reload_successful{}":                             1,
			"podjoule_agent_series{plugin=s,role=source}":                                8,
			"podjoule_agent_stage_duration_seconds{interval=1s,stage=poll}":              4,
			"podjoule_agent_stage_duration_seconds{interval=1s,stage=transform}":         4,
			"podjoule_agent_stage_duration_seconds{interval=1s,stage=write}":             4,
			"podjoule_agent_build_info{go_version=" + runtime.Version() + ",version=v1}": 1,
			"podjoule_agent_ticks_total{interval=1s}":                                    4,
			"podjoule_agent_tick_duration_seconds{interval=1s}":                          4,
			"podjoule_agent_samples{interval=1s}":                                        2,
			"podjoule_agent_plugin_errors_total{plugin=s,stage=poll}":                    4,
			"podjoule_agent_plugin_failing{plugin=s,role=source}":                        1,
			"podjoule_agent_plugin_failing{plugin=o,role=output}":                        0,
			"podjoule_o_sent_total{}":                                                    4,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("page (-want +got):\n%s", diff)
		}
		var scopes []string
		for _, s := range rm.ScopeMetrics {
			scopes = append(scopes, s.Scope.Name)
		}
		slices.Sort(scopes)
		if diff := cmp.Diff([]string{"podjoule/agent", "podjoule/o"}, scopes); diff != "" {
			t.Errorf("scopes for OTLP (-want +got):\n%s", diff)
		}
		if name, ok := rm.Resource.Set().Value("service.name"); !ok || name.AsString() != "podjoule" {
			t.Errorf("service.name: got %v", name)
		}
	})
}

func TestHostOfAPlugin(t *testing.T) {
	a, b, c := &measure.Metric{Name: "a"}, &measure.Metric{Name: "b"}, &measure.Metric{Name: "c"}
	synctest.Test(t, func(t *testing.T) {
		var host *plugin.Host
		out := Enabled{
			Plugin: plugin.Plugin{Name: "o", Role: plugin.RoleTransform, Metrics: []*measure.Metric{c}},
			Config: transformStub{func(_ context.Context, h *plugin.Host) (any, error) { host = h; return apply(idle), nil }},
		}
		src := Enabled{
			Plugin: plugin.Plugin{Name: "s", Role: plugin.RoleSource, Metrics: []*measure.Metric{a, b}},
			Config: metricStub{stub{time.Second, opens(poll(idle))}, []*measure.Metric{b}},
		}
		cfg := config(src, out)
		cfg.Agent.SysfsRoot, cfg.Agent.ProcfsRoot = "/host/sys", "/host/proc"
		var stdout lockedBuffer
		if err := runFor(t, time.Second, cfg, RunOptions{Version: "v1", Stdout: &stdout}); err != nil {
			t.Fatal(err)
		}
		if host.SysfsRoot != "/host/sys" || host.ProcfsRoot != "/host/proc" || host.Version != "v1" || host.Stdout != &stdout {
			t.Errorf("host: %+v", host)
		}
		if len(host.Metrics) != 2 || host.Metrics[0] != b || host.Metrics[1] != c {
			t.Errorf("metrics: got %v, want those that the plugins make as configured: b, c", host.Metrics)
		}
	})
}

type metricStub struct {
	stub
	metrics []*measure.Metric
}

func (m metricStub) Metrics() []*measure.Metric { return m.metrics }
func (m metricStub) Validate() error            { return nil }
func (m metricStub) PollInterval() time.Duration {
	return m.interval
}
func (m metricStub) Open(ctx context.Context, h *plugin.Host) (any, error) { return m.open(ctx, h) }

type transformStub struct {
	open func(context.Context, *plugin.Host) (any, error)
}

func (transformStub) Validate() error { return nil }
func (s transformStub) Open(ctx context.Context, h *plugin.Host) (any, error) {
	return s.open(ctx, h)
}
