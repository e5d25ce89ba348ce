package k8s

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

const (
	// withoutWatch is how long the pods are polled when the right to watch them
	// is missing, before it is tried again.
	withoutWatch = 10 * time.Minute
	// lasting is how long a watch must live to count as one that works.
	lasting = time.Minute
	// settling is how long a pod's name may come after its cgroup.
	settling = time.Second
)

// watch has the API server tell what happens to the node's pods. Where the right to
// watch is missing, it polls, and tries again now and then. It returns when the
// context ends.
func (d *discovery) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		why := d.follow(ctx)
		if why == nil || ctx.Err() != nil {
			continue
		}
		d.degraded.Store(&why)
		polling, cancel := context.WithTimeout(ctx, withoutWatch+rand.N(withoutWatch/8))
		err := d.poll(polling)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// follow watches the pods, with pauses between attempts, until the context ends or
// the server says that it allows to list them only.
func (d *discovery) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var confirming sync.WaitGroup
	defer confirming.Wait()
	defer cancel()
	confirming.Go(func() { d.confirmAll(ctx) })

	f := newFollower(d)
	pause, short := d.refresh, 0
	for {
		began := time.Now()
		err := f.attempt(ctx)
		lived := time.Since(began) >= lasting
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, errListOnly):
			return err
		case err != nil:
			d.fail(err, began)
		case lived:
			short = 0
		default:
			if short++; short > 2 { // the first may be by chance
				d.cut.Store(&notice{d.server.explain("watch", errCut), time.Now()})
			}
		}
		if lived {
			pause = d.refresh
		}
		if !sleep(ctx, time.Now(), max(pause, retryAfter(err))) {
			return nil
		}
		pause = min(2*pause, max(longestErrorPause, d.refresh))
	}
}

// retryAfter is how long the server wants to be left alone.
func retryAfter(err error) time.Duration {
	seconds, _ := apierrors.SuggestsClientDelay(err)
	if busy := (*busyError)(nil); errors.As(err, &busy) {
		seconds = busy.seconds
	}
	return min(time.Duration(seconds)*time.Second, longestPause)
}

// busyError is of a server that says when to come back.
type busyError struct {
	error
	seconds int
}

func (e *busyError) Unwrap() error { return e.error }

// confirmAll takes note of names that are missed for the first time: once the watch
// has had the time to tell them, it is known that the server does not have them.
func (d *discovery) confirmAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.fresh:
		}
		missed := time.Now()
		if !sleep(ctx, missed, min(settling, d.refresh)) {
			return
		}
		d.confirm(missed) // and not what was missed meanwhile
	}
}
