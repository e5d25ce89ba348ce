package k8s

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

const (
	// silence is how long a watch may say nothing: the server sends a bookmark about
	// once a minute.
	silence = 3 * time.Minute
	// prelude is how long a watch may say nothing that begins with a list of the
	// pods: the list comes at once, and its end is told even when it is empty.
	prelude = 30 * time.Second
)

// supervised is a watch that ends when it says nothing for too long, as one does
// whose connection was lost without a word.
type supervised struct {
	inner  watch.Interface
	events chan watch.Event
	cancel context.CancelFunc
}

// supervise passes on what a watch says, until it ends, the context ends, it is
// stopped, or it says nothing: at first for a limit of its own. It tells why the watch
// ended early, and passes the error on where that is wanted.
func supervise(ctx context.Context, w watch.Interface, first time.Duration, tell func(error) bool) watch.Interface {
	ctx, cancel := context.WithCancel(ctx)
	s := &supervised{w, make(chan watch.Event), cancel}
	go s.pass(ctx, first, tell)
	return s
}

// ResultChan implements watch.Interface.
func (s *supervised) ResultChan() <-chan watch.Event { return s.events }

// Stop implements watch.Interface.
func (s *supervised) Stop() { s.cancel() }

func (s *supervised) pass(ctx context.Context, first time.Duration, tell func(error) bool) {
	defer close(s.events)
	defer s.inner.Stop()
	defer s.cancel()
	limit := time.NewTimer(first)
	defer limit.Stop()
	quiet := fmt.Errorf("%w for %v", errMute, first)
	for {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			tell(quiet)
			return
		case event, ok := <-s.inner.ResultChan():
			if !ok {
				return
			}
			if event.Type == watch.Error && !tell(errorOf(event)) {
				return
			}
			select {
			case s.events <- event:
			case <-ctx.Done():
				return
			}
			limit.Reset(silence)
			quiet = fmt.Errorf("the watch said nothing for %v", silence)
		}
	}
}

// errorOf is the error that an event tells. What the client could not read is told as
// if a server had answered 500, which none has.
func errorOf(event watch.Event) error {
	err := apierrors.FromObject(event.Object)
	if cause, ok := apierrors.StatusCause(err, "ClientWatchDecoding"); ok {
		return fmt.Errorf("%w: %s", errUnreadable, cause.Message)
	}
	return err
}
