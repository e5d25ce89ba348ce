package remotewrite

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/queue"
)

// instruments count the output's own work.
type instruments struct {
	requests, samples, rejected metric.Int64Counter
}

// newInstruments registers the instruments.
func newInstruments(ctx context.Context, meter metric.Meter, waiting *queue.Queue) (*instruments, error) {
	var errs []error
	counter := func(name, unit, help string) metric.Int64Counter {
		c, err := meter.Int64Counter("podjoule.remotewrite."+name, metric.WithUnit(unit), metric.WithDescription(help))
		errs = append(errs, err)
		return c
	}
	in := &instruments{
		requests: counter("requests", "{request}", "Attempts to deliver a request by remote write, by the code of its answer"),
		samples:  counter("samples", "{sample}", "Samples that the receiver of remote write took, marks of ends among them"),
		rejected: counter("rejected_samples", "{sample}", "Samples that the receiver of remote write refused for good"),
	}
	observed := func(name, unit, help string, observe func(queue.Stats, metric.Int64Observer)) {
		_, err := meter.Int64ObservableGauge("podjoule.remotewrite."+name, metric.WithUnit(unit), metric.WithDescription(help),
			metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
				observe(waiting.Stats(), o)
				return nil
			}))
		errs = append(errs, err)
	}
	observed("queue.bytes", "By", "Requests that wait for the receiver of remote write",
		func(s queue.Stats, o metric.Int64Observer) { o.Observe(int64(s.Bytes)) })
	observed("queue.age", "s", "Age of the oldest request that waits for the receiver of remote write",
		func(s queue.Stats, o metric.Int64Observer) { o.Observe(int64(s.Age.Seconds())) })
	_, err := meter.Int64ObservableCounter("podjoule.remotewrite.dropped_samples", metric.WithUnit("{sample}"),
		metric.WithDescription("Samples in requests that were given up, by reason"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			for reason, lost := range waiting.Stats().Lost {
				o.Observe(int64(lost.Points), metric.WithAttributes(attribute.String("reason", reason)))
			}
			return nil
		}))
	errs = append(errs, err)
	_, err = meter.Int64ObservableCounter("podjoule.remotewrite.queue.faults", metric.WithUnit("{fault}"),
		metric.WithDescription("Failures of the folder in which requests wait for the receiver of remote write"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(waiting.Stats().Faults))
			return nil
		}))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	in.samples.Add(ctx, 0) // a counter that has not counted yet is seen as 0
	in.rejected.Add(ctx, 0)
	return in, nil
}

// answered counts an attempt and what came of it.
func (in *instruments) answered(ctx context.Context, a answer, points int) {
	in.requests.Add(ctx, 1, metric.WithAttributes(attribute.String("code", a.code)))
	in.samples.Add(ctx, int64(a.written))
	if !a.retry {
		in.rejected.Add(ctx, int64(points-a.written))
	}
}
