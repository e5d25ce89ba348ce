package otlp

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/queue"
)

// Reasons for which requests are dropped, besides those of the queue.
const (
	reasonAnswer   = "answer"   // the receiver's answer was final
	reasonShutdown = "shutdown" // the agent ended before they could be sent
)

// instruments count the output's own work.
type instruments struct {
	requests, points, rejected metric.Int64Counter
}

// newInstruments registers the instruments; those about the queue ask for its state.
func newInstruments(meter metric.Meter, state func() queue.Stats) (*instruments, error) {
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
		rejected: counter("podjoule.otlp.rejected_points", "{point}",
			"Points of accepted requests that the OTLP receiver did not take"),
	}
	var all []metric.Observable
	counted := func(name, unit, help string) metric.Int64ObservableCounter {
		c, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(help))
		errs, all = append(errs, err), append(all, c)
		return c
	}
	gauge := func(name, unit, help string) metric.Int64ObservableUpDownCounter {
		c, err := meter.Int64ObservableUpDownCounter(name, metric.WithUnit(unit), metric.WithDescription(help))
		errs, all = append(errs, err), append(all, c)
		return c
	}
	dropped := counted("podjoule.otlp.dropped_requests", "{request}", "Requests that were given up, by reason")
	droppedPoints := counted("podjoule.otlp.dropped_points", "{point}", "Points of requests that were given up, by reason")
	faults := counted("podjoule.otlp.queue.faults", "{fault}", "Failures of the folder in which requests wait")
	bytes := gauge("podjoule.otlp.queue.bytes", "By", "Encoded requests that wait for the OTLP receiver")
	points := gauge("podjoule.otlp.queue.points", "{point}", "Points that wait for the OTLP receiver")
	age, err := meter.Float64ObservableGauge("podjoule.otlp.queue.age", metric.WithUnit("s"),
		metric.WithDescription("How long the oldest request has been waiting for the OTLP receiver"))
	errs, all = append(errs, err), append(all, age)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s := state()
		for reason, lost := range s.Lost {
			why := metric.WithAttributes(attribute.String("reason", reason))
			o.ObserveInt64(dropped, int64(lost.Entries), why)
			o.ObserveInt64(droppedPoints, int64(lost.Points), why)
		}
		o.ObserveInt64(faults, int64(s.Faults))
		o.ObserveInt64(bytes, int64(s.Bytes))
		o.ObserveInt64(points, int64(s.Waiting.Points))
		o.ObserveFloat64(age, s.Age.Seconds())
		return nil
	}, all...)
	if err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	return in, nil
}

func (in *instruments) answered(ctx context.Context, code string) {
	in.requests.Add(ctx, 1, metric.WithAttributes(attribute.String("code", code)))
}
