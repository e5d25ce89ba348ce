package agent

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel/metric"
)

// ownMeter is the meter of one opened plugin. Callbacks belong to it: they are called from
// show until hide, so that of a plugin that is opened anew only one answers at a time, and
// one that is closed is not asked, and not kept in memory, any more. The SDK itself keeps
// the first callbacks of an instrument for ever.
type ownMeter struct {
	metric.Meter

	mu      sync.Mutex
	shown   bool
	waiting []*callback
}

// callback is one that was registered. It implements metric.Registration.
type callback struct {
	metric.Registration // of the SDK; nil while it is not shown
	meter               *ownMeter
	call                metric.Callback
	instruments         []metric.Observable
}

// RegisterCallback implements metric.Meter.
func (m *ownMeter) RegisterCallback(call metric.Callback, instruments ...metric.Observable) (metric.Registration, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &callback{meter: m, call: call, instruments: instruments}
	m.waiting = append(m.waiting, c)
	if m.shown {
		return c, c.register()
	}
	return c, nil
}

func (c *callback) register() (err error) {
	c.Registration, err = c.meter.Meter.RegisterCallback(c.call, c.instruments...)
	return err
}

// Unregister implements metric.Registration. It may be called again.
func (c *callback) Unregister() error {
	c.meter.mu.Lock()
	defer c.meter.mu.Unlock()
	return c.unregister()
}

func (c *callback) unregister() error {
	registered := c.Registration
	c.Registration, c.call = nil, nil
	if registered == nil {
		return nil
	}
	return registered.Unregister()
}

// show has the callbacks called from now on.
func (m *ownMeter) show() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shown = true
	var errs []error
	for _, c := range m.waiting {
		if c.call != nil && c.Registration == nil {
			errs = append(errs, c.register())
		}
	}
	return errors.Join(errs...)
}

// hide ends that for good.
func (m *ownMeter) hide() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, c := range m.waiting {
		errs = append(errs, c.unregister())
	}
	m.waiting = nil
	return errors.Join(errs...)
}

// observeInt registers callbacks that came with an instrument.
func (m *ownMeter) observeInt(i metric.Int64Observable, err error, calls []metric.Int64Callback) error {
	for _, call := range calls {
		if err != nil {
			return err
		}
		_, err = m.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
			return call(ctx, intObserver{to: o, of: i})
		}, i)
	}
	return err
}

// observeFloat registers callbacks that came with an instrument.
func (m *ownMeter) observeFloat(i metric.Float64Observable, err error, calls []metric.Float64Callback) error {
	for _, call := range calls {
		if err != nil {
			return err
		}
		_, err = m.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
			return call(ctx, floatObserver{to: o, of: i})
		}, i)
	}
	return err
}

// intObserver observes one instrument.
type intObserver struct {
	metric.Int64Observer
	to metric.Observer
	of metric.Int64Observable
}

// Observe implements metric.Int64Observer.
func (o intObserver) Observe(v int64, opts ...metric.ObserveOption) {
	o.to.ObserveInt64(o.of, v, opts...)
}

// floatObserver observes one instrument.
type floatObserver struct {
	metric.Float64Observer
	to metric.Observer
	of metric.Float64Observable
}

// Observe implements metric.Float64Observer.
func (o floatObserver) Observe(v float64, opts ...metric.ObserveOption) {
	o.to.ObserveFloat64(o.of, v, opts...)
}
