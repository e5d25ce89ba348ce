package otlp

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

const (
	// maxRequest is what receivers take at once by default, in bytes.
	maxRequest = 4 << 20
	// drainTime is how long Run goes on after its context ended.
	drainTime = 4 * time.Second
)

// output is the opened plugin.
type output struct {
	to      endpoint
	timeout time.Duration
	client  client
	queue   *queue
	count   *instruments
	health  health

	// Used by Write alone.
	builder *builder
	self    sdkmetric.Reader // nil: the agent tells nothing about itself
	scratch metricdata.ResourceMetrics
}

func newOutput(c *Config, host *plugin.Host, to endpoint, over client) (*output, error) {
	o := &output{
		to:      to,
		timeout: time.Duration(c.Timeout),
		client:  over,
		queue:   newQueue(maxQueue),
		builder: newBuilder(c, host.Version, instance()),
		self:    host.SelfReader,
	}
	var err error
	if o.count, err = newInstruments(host.Meter, o.queue.size); err != nil {
		return nil, errors.Join(err, over.Close())
	}
	return o, nil
}

// Write encodes the batch and queues it. It never waits for the receiver.
func (o *output) Write(ctx context.Context, b *measure.Batch) error {
	self, selfErr := o.collect(ctx)
	requests, err := o.builder.requests(b, self, maxRequest)
	var lost loss
	for _, r := range requests {
		gone := o.queue.push(r)
		lost.requests += gone.requests
		lost.points += gone.points
	}
	o.count.drop(ctx, lost, reasonFull)
	var full error
	if lost.requests > 0 {
		full = fmt.Errorf("the queue of %d MiB is full: dropped %d requests with %d points: %s is down or too slow",
			o.queue.limit>>20, lost.requests, lost.points, o.to)
	}
	return errors.Join(selfErr, err, full)
}

// collect returns the agent's own metrics.
func (o *output) collect(ctx context.Context) (pmetric.ScopeMetricsSlice, error) {
	if o.self == nil {
		return pmetric.NewScopeMetricsSlice(), nil
	}
	if err := o.self.Collect(ctx, &o.scratch); err != nil {
		return pmetric.NewScopeMetricsSlice(), fmt.Errorf("collect the agent's own metrics: %w", err)
	}
	return selfScopes(&o.scratch), nil
}

// Run sends the queued requests one by one, in order. When the context ends, it
// makes one more attempt for each that is left, in drainTime at most.
func (o *output) Run(ctx context.Context) error {
	// An attempt under way is not cut off by the end of the context: the
	// receiver may have taken the request already.
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })()

	var lost loss
	for hard.Err() == nil {
		r, ok := o.queue.next(ctx)
		if !ok {
			break
		}
		if !o.deliver(ctx, hard, r) {
			lost.add(r)
		}
		o.queue.done()
	}
	rest := o.queue.drop()
	lost.requests += rest.requests
	lost.points += rest.points
	if lost.requests == 0 {
		return nil
	}
	o.count.drop(hard, lost, reasonShutdown)
	err := o.health.get()
	if err == nil {
		err = fmt.Errorf("%s is too slow", o.to)
	}
	return fmt.Errorf("%d requests with %d points could not be sent before the end: %w", lost.requests, lost.points, err)
}

// deliver sends one request until it is taken or refused, which both return
// true, or until an attempt fails after the context ended.
func (o *output) deliver(ctx, hard context.Context, r request) bool {
	for step := firstWait; ; {
		attempt, cancel := context.WithTimeout(hard, o.timeout)
		a, err := o.client.export(attempt, r.body)
		cancel()
		o.count.answered(hard, a.code)
		if err == nil {
			o.taken(hard, r, a)
			return true
		}
		o.health.set(err)
		if !a.retry {
			o.count.drop(hard, loss{1, r.points}, reasonAnswer)
			return true
		}
		if ctx.Err() != nil {
			return false
		}
		var now time.Duration
		now, step = a.wait(step)
		pause(ctx, now)
	}
}

// taken counts the points of an accepted request.
func (o *output) taken(ctx context.Context, r request, a answer) {
	points := int64(r.points)
	rejected := min(max(0, a.rejected), points) // a receiver may say anything
	o.count.points.Add(ctx, points-rejected)
	if rejected == 0 {
		o.health.set(nil)
		return
	}
	o.count.rejected.Add(ctx, rejected)
	o.health.set(fmt.Errorf("export to %s: %d of %d points were not taken: %q: %s", o.to, rejected, points, a.message, seeLog))
}

// pause waits, or until the context ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// Ready returns the last error until a request is wholly accepted again.
func (o *output) Ready() error { return o.health.get() }

// Close closes the connections to the receiver.
func (o *output) Close() error { return o.client.Close() }
