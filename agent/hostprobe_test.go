package agent

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// hostProbe is an output that reads the agent's own metrics in every tick.
type hostProbe struct {
	host *plugin.Host
	sum  map[string]int64 // name and attributes → value
}

// bind makes the probe what the plugin opens.
func (p *hostProbe) bind(e *Enabled) {
	e.Config = &stub{open: func(_ context.Context, h *plugin.Host) (any, error) {
		p.host = h
		return p, nil
	}}
}

func (p *hostProbe) Write(ctx context.Context, _ *measure.Batch) error {
	var rm metricdata.ResourceMetrics
	if err := p.host.SelfReader.(*sdkmetric.ManualReader).Collect(context.WithoutCancel(ctx), &rm); err != nil {
		return err
	}
	p.sum = map[string]int64{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			var points []metricdata.DataPoint[int64]
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				points = data.DataPoints
			case metricdata.Gauge[int64]:
				points = data.DataPoints
			}
			for _, point := range points {
				p.sum[strings.TrimSpace(m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder()))] = point.Value
			}
		}
	}
	return nil
}
