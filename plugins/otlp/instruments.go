package otlp

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Reasons for which requests are dropped.
const (
	reasonFull     = "queue_full" // the receiver was down or slow for too long
	reasonAnswer   = "answer"     // the receiver's answer was final
	reasonShutdown = "shutdown"   // the agent ended before they could be sent
)

// instruments count the output's own work.
type instruments struct {
	requests, points, dropped, rejected metric.Int64Counter
}

// newInstruments registers the instruments; queued tells the bytes that wait.
func newInstruments(meter metric.Meter, queued func() int) (*instruments, error) {
	var errs []error
	counter := func(name, unit, help string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(help))
		errs = append(errs, err)
		return c
	}
	in := &instruments{
		requests: counter("podjoule.otlp.requests", "{request}",
			"Attempts to deliver a request to the OTLP receiver, by the code of its answer"),
		points: counter("podjoule.otlp.points", "{point}",
			"Points that the OTLP receiver accepted"),
		dropped: counter("podjoule.otlp.dropped_requests", "{request}",
			"Requests that were given up, by reason"),
		rejected: counter("podjoule.otlp.rejected_points", "{point}",
			"Points of accepted requests that the OTLP receiver did not take"),
	}
	_, err := meter.Int64ObservableUpDownCounter("podjoule.otlp.queue.bytes", metric.WithUnit("By"),
		metric.WithDescription("Encoded requests that wait for the OTLP receiver"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(queued()))
			return nil
		}))
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	return in, nil
}

func (in *instruments) answered(ctx context.Context, code string) {
	in.requests.Add(ctx, 1, metric.WithAttributes(attribute.String("code", code)))
}

func (in *instruments) drop(ctx context.Context, lost loss, reason string) {
	if lost.requests > 0 {
		in.dropped.Add(ctx, int64(lost.requests), metric.WithAttributes(attribute.String("reason", reason)))
	}
}
