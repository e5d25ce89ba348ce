// Package plugintest is the kit with which plugins are tested without a host.
package plugintest

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Host stands in for the agent's host: a plugin is opened with its Host field,
// and what the plugin registered or counted can be looked at afterwards.
type Host struct {
	*plugin.Host
	// Mux serves the pages that the plugin registered.
	Mux *http.ServeMux
	// Stdout holds what was written to standard output.
	Stdout *bytes.Buffer
}

// NewHost returns a host for a test; metrics are those of the enabled plugins.
func NewHost(t testing.TB, metrics ...*measure.Metric) *Host {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	h := &Host{Mux: http.NewServeMux(), Stdout: new(bytes.Buffer)}
	h.Host = &plugin.Host{
		SysfsRoot: "/sys", ProcfsRoot: "/proc", Version: "test",
		Metrics:    metrics,
		Meter:      provider.Meter("test"),
		Self:       prometheus.NewRegistry(),
		SelfReader: reader,
		Handle: func(p plugin.Page) error {
			h.Mux.Handle(p.Path, p.Handler)
			return nil
		},
		Stdout: h.Stdout,
	}
	t.Cleanup(func() {
		if err := provider.Shutdown(context.Background()); err != nil {
			t.Errorf("shut down the meter provider: %v", err)
		}
	})
	return h
}

// Counter returns the sum of the plugin's own integer counter or gauge of that name
// over all points that carry the given attributes, and 0 when there is none.
func (h *Host) Counter(t testing.TB, name string, attrs ...attribute.KeyValue) int64 {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := h.SelfReader.(*sdkmetric.ManualReader).Collect(t.Context(), &rm); err != nil {
		t.Fatalf("collect the plugin's own metrics: %v", err)
	}
	var sum int64
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			var points []metricdata.DataPoint[int64]
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				points = data.DataPoints
			case metricdata.Gauge[int64]:
				points = data.DataPoints
			}
			for _, point := range points {
				if carries(point.Attributes, attrs) {
					sum += point.Value
				}
			}
		}
	}
	return sum
}

func carries(set attribute.Set, attrs []attribute.KeyValue) bool {
	for _, want := range attrs {
		if got, ok := set.Value(want.Key); !ok || got != want.Value {
			return false
		}
	}
	return true
}

// Poll polls a source once, as the host does at the end of a window.
func Poll(t testing.TB, s plugin.Source, interval time.Duration, start, end time.Time) (*measure.Batch, error) {
	t.Helper()
	b := new(measure.Batch)
	b.Reset(interval, start, end)
	err := s.Poll(t.Context(), b)
	return b, err
}
