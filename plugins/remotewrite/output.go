package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/queue"
)

const (
	// maxMemory is how many bytes of requests wait in memory where a folder
	// does not take them, and by default without one.
	maxMemory = 16 << 20
	// minQueue has room for a few requests.
	minQueue = 1 << 20
	// drainTime is how long Run goes on after its context ended.
	drainTime = 4 * time.Second
)

// reasonShutdown is why requests are given up, besides the reasons of the queue: the
// agent ended before they could be sent.
const reasonShutdown = "shutdown"

// output is the opened plugin.
type output struct {
	to      *client
	timeout time.Duration
	queue   *queue.Queue
	count   *instruments
	renames plugin.Renames

	mu      sync.Mutex
	trouble error // of the last attempt
	since   time.Time

	// Used by Write alone.
	state   *state
	encoder *encoder
}

// Write encodes the batch and queues it. It never waits for the receiver.
func (o *output) Write(_ context.Context, b *measure.Batch) error {
	points, err := o.state.take(b)
	errs := []error{err}
	var lost queue.Amount
	for _, entry := range o.encoder.requests(points, b.End) {
		gone, err := o.queue.Push(entry)
		lost = lost.Plus(gone)
		errs = append(errs, err)
	}
	if lost.Entries > 0 {
		errs = append(errs, fmt.Errorf("dropped %d requests with %d samples, beyond queue_bytes or queue_age: %s is down or too slow",
			lost.Entries, lost.Points, o.to.name()))
	}
	return errors.Join(errs...)
}

// Run sends the queued requests one by one, in order. When the context ends, it goes
// on for drainTime at most, and no longer than the receiver takes them. An output that
// replaces this one goes on with what waits.
func (o *output) Run(ctx context.Context) error {
	// An attempt under way is not cut off by the end of the context: the receiver may
	// have taken the request already.
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })()
	o.queue.Join()

	for step := firstWait; hard.Err() == nil && !o.replaced(ctx); {
		entry, ok := o.queue.Next(ctx)
		if !ok {
			break
		}
		attempt, end := context.WithTimeout(hard, o.timeout)
		a, err := o.to.send(attempt, entry.Body, entry.Points)
		end()
		o.told(hard, a, err, entry.Points)
		if !a.retry {
			o.queue.Done() // what was refused for good is counted by told
			step = firstWait
			continue
		}
		o.queue.Release()
		if ctx.Err() != nil {
			break
		}
		var now time.Duration
		now, step = a.wait(step)
		pause(ctx, now)
	}
	if o.replaced(ctx) {
		o.queue.Release()
		return nil
	}
	lost := o.queue.DropAll(reasonShutdown)
	if lost.Entries == 0 {
		return nil
	}
	err := o.Ready()
	if err == nil {
		err = fmt.Errorf("%s is too slow", o.to.name())
	}
	return fmt.Errorf("%d requests with %d samples could not be sent before the end: %w", lost.Entries, lost.Points, err)
}

// replaced tells that another output goes on with what waits.
func (o *output) replaced(ctx context.Context) bool {
	return errors.Is(context.Cause(ctx), plugin.ErrReplaced) && o.queue.Shared()
}

// told counts an answer and remembers what was wrong.
func (o *output) told(ctx context.Context, a answer, err error, points int) {
	o.count.answered(ctx, a, points)
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.trouble == nil {
		o.since = time.Now()
	}
	o.trouble = err
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
// wrong with the folder of the queue.
func (o *output) Ready() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.trouble
	if err != nil {
		err = fmt.Errorf("%w (since %s)", err, o.since.UTC().Format(time.RFC3339))
	}
	return errors.Join(err, o.queue.Trouble())
}

// Close closes the connections to the receiver, and the queue.
func (o *output) Close() error {
	o.to.http.CloseIdleConnections()
	return o.queue.Close()
}
