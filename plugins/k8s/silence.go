package k8s

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/watch"
)

// silence is how long a watch may say nothing: the server sends a bookmark about
// once a minute.
const silence = 3 * time.Minute

// supervised is a watch that ends when it says nothing for too long, as one does
// whose connection was lost without a word.
type supervised struct {
	inner  watch.Interface
	events chan watch.Event
	cancel context.CancelFunc
}

// supervise passes on what a watch says, until it ends, the context ends or it is
// stopped. It tells why it ended early, but for what the reader of the events has to
// know: that a version is forgotten.
func supervise(ctx context.Context, w watch.Interface, tell func(error)) watch.Interface {
	ctx, cancel := context.WithCancel(ctx)
	s := &supervised{w, make(chan watch.Event), cancel}
	go s.pass(ctx, tell)
	return s
}

// ResultChan implements watch.Interface.
func (s *supervised) ResultChan() <-chan watch.Event { return s.events }

// Stop implements watch.Interface.
func (s *supervised) Stop() { s.cancel() }

func (s *supervised) pass(ctx context.Context, tell func(error)) {
	defer close(s.events)
	defer s.inner.Stop()
	defer s.cancel()
	limit := time.NewTimer(silence)
	defer limit.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-limit.C:
			tell(fmt.Errorf("the watch said nothing for %v", silence))
			return
		case event, ok := <-s.inner.ResultChan():
			if !ok {
				return
			}
			if event.Type == watch.Error {
				if err := apierrors.FromObject(event.Object); !isExpired(err) {
					tell(err)
					return
				}
			}
			select {
			case s.events <- event:
			case <-ctx.Done():
				return
			}
			limit.Reset(silence)
		}
	}
}
