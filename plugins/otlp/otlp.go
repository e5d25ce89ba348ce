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
	"github.com/podjoule/podjoule/agent/queue"
)

const (
	// maxRequest is what receivers take at once by default, in bytes.
	maxRequest = 4 << 20
	// drainTime is how long Run goes on after its context ended.
	drainTime = 4 * time.Second
)

// maxMemory bounds the requests that wait in memory while a folder does not take them.
const maxMemory = 16 << 20

// output is the opened plugin.
type output struct {
	to      endpoint
	timeout time.Duration
	client  client
	queue   *queue.Queue
	folder  string // in which requests wait; empty: in memory
	count   *instruments
	health  health

	// Used by Write alone.
	builder *builder
	self    sdkmetric.Reader // nil: the agent tells nothing about itself
	scratch metricdata.ResourceMetrics
}

// newOutput makes an output of a configuration without gaps; more are attributes for
// resources. It closes the client where it fails.
func newOutput(c *Config, host *plugin.Host, to endpoint, over client, more ...measure.Attribute) (*output, error) {
	bounds := queue.Options{Bytes: c.QueueBytes, Memory: maxMemory, Age: time.Duration(c.QueueAge), Dir: c.QueueDir}
	if before, ok := host.Replaces.(*output); ok {
		bounds.Before = before.queue
	}
	waiting, err := queue.Open(bounds)
	if err != nil {
		return nil, errors.Join(&plugin.KeyError{Key: "queue_dir", Err: err}, over.Close())
	}
	o := &output{
		to:      to,
		timeout: time.Duration(c.Timeout),
		client:  over,
		queue:   waiting,
		folder:  c.QueueDir,
		builder: newBuilder(c, host.Version, instance(), more...),
		self:    host.SelfReader,
	}
	if o.count, err = newInstruments(host.Meter, waiting.Stats); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Write encodes the batch and queues it. It never waits for the receiver.
func (o *output) Write(ctx context.Context, b *measure.Batch) error {
	self, selfErr := o.collect(ctx)
	requests, err := o.builder.requests(b, self, maxRequest)
	var lost queue.Amount
	var folder error
	for _, r := range requests {
		gone, err := o.queue.Push(queue.Entry{Body: r.body, Points: r.points})
		lost = lost.Plus(gone)
		if err != nil {
			folder = fmt.Errorf("queue_dir %s: %w", o.folder, err)
		}
	}
	var full error
	if lost.Entries > 0 {
		full = fmt.Errorf("too much waits, or for too long: dropped %d requests with %d points: %s is down or too slow",
			lost.Entries, lost.Points, o.to)
	}
	return errors.Join(selfErr, err, folder, full)
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
// makes one more attempt for each that is left, in drainTime at most, and one in all
// where they wait in a folder for the next start. An output that replaces this one
// goes on with what waits.
func (o *output) Run(ctx context.Context) error {
	// An attempt under way is not cut off by the end of the context: the
	// receiver may have taken the request already.
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })()
	o.queue.Join()

	var lost queue.Amount
	for step := firstWait; hard.Err() == nil && !o.replaced(ctx); {
		r, ok := o.queue.Next(ctx)
		if !ok {
			break
		}
		a, err := o.attempt(hard, r)
		if err == nil || !a.retry {
			step = firstWait
			continue
		}
		if ctx.Err() != nil {
			if o.folder != "" || o.replaced(ctx) {
				break
			}
			o.queue.Drop(reasonShutdown)
			lost = lost.Plus(queue.Amount{Entries: 1, Points: r.Points})
			continue
		}
		// Between attempts it may give way to newer ones, as the oldest.
		o.queue.Release()
		var now time.Duration
		now, step = a.wait(step)
		pause(ctx, now)
	}
	if o.replaced(ctx) {
		o.queue.Release()
		return nil
	}
	lost = lost.Plus(o.queue.DropAll(reasonShutdown))
	if lost.Entries == 0 {
		return nil
	}
	err := o.health.get()
	if err == nil {
		err = fmt.Errorf("%s is too slow", o.to)
	}
	return fmt.Errorf("%d requests with %d points could not be sent before the end: %w", lost.Entries, lost.Points, err)
}

// replaced tells that another output goes on with what waits.
func (o *output) replaced(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), plugin.ErrReplaced) && o.queue.Shared()
}

// attempt tries to deliver the request that the queue handed out, once. If it is taken
// or refused, it is out of the queue.
func (o *output) attempt(ctx context.Context, r queue.Entry) (answer, error) {
	limited, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	a, err := o.client.export(limited, r.Body)
	o.count.answered(ctx, a.code)
	switch {
	case err == nil:
		o.queue.Done()
		o.taken(ctx, r, a)
	case !a.retry:
		o.queue.Drop(reasonAnswer)
		o.health.set(err)
	default:
		o.health.set(err)
	}
	return a, err
}

// taken counts the points of an accepted request.
func (o *output) taken(ctx context.Context, r queue.Entry, a answer) {
	points := int64(r.Points)
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

// Ready returns the last error until a request is wholly accepted again, and what is
// wrong with the folder in which requests wait.
func (o *output) Ready() error {
	err := o.queue.Trouble()
	if err != nil {
		err = fmt.Errorf("queue_dir %s: %w", o.folder, err)
	}
	return errors.Join(o.health.get(), err)
}

// Close closes the connections to the receiver, and the folder of the queue.
func (o *output) Close() error { return errors.Join(o.client.Close(), o.queue.Close()) }
