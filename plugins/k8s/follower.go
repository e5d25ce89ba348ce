package k8s

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// errListOnly says that the server lists the pods but does not have them watched: it
// refuses, or something between holds answers back until they are whole.
var errListOnly = errors.New("the pods are polled instead of watched")

// errMute says that a watch began and told nothing, not even that it had begun.
var errMute = errors.New("the watch began and says nothing")

// follower drives a reflector, and is where it puts the pods. It keeps the pace and
// the errors, of which the reflector would repeat some by itself, without an end
// when the context ends.
type follower struct {
	*discovery
	reflector *cache.Reflector

	// Of the attempt under way:
	watches int         // that were begun in a short time
	began   time.Time   // the last of them
	listed  atomic.Bool // a list was answered; the reflector lists on a goroutine of its own
	filled  bool        // the book has all pods

	mu        sync.Mutex
	err       error // of the last request
	forgotten int   // how often the version to go on from was refused
}

// note keeps the error of the last request.
func (f *follower) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err = err; isExpired(err) {
		f.forgotten++
	}
}

func (f *follower) noted() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

// bears tells that the reflector may go on by itself after an error: it drops a
// version that the server has forgotten. When that does not help, it would try for ever.
func (f *follower) bears(err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return isExpired(err) && f.forgotten <= 1
}

func newFollower(d *discovery) *follower {
	f := &follower{discovery: d}
	requests := &cache.ListWatch{ListWithContextFunc: f.list, WatchFuncWithContext: f.watch}
	f.reflector = cache.NewReflectorWithOptions(requests, &podObject{}, f, cache.ReflectorOptions{Name: "pods"})
	return f
}

// attempt follows the pods until something is wrong.
func (f *follower) attempt(ctx context.Context) error {
	f.watches, f.filled, f.forgotten = 0, false, 0
	f.listed.Store(false)
	f.note(nil)
	f.interrupt()
	defer f.interrupt()
	err := f.reflector.ListAndWatchWithContext(quiet(ctx))
	switch noted := f.noted(); {
	case f.listed.Load() && (apierrors.IsForbidden(noted) || errors.Is(noted, errNoAnswer) || errors.Is(noted, errMute)):
		return fmt.Errorf("%w: %w", errListOnly, noted)
	case f.filled && isExpired(noted):
		return nil // a server that was restarted does not know the version any more
	case noted != nil:
		return noted
	}
	return err
}

func (f *follower) list(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
	if err := f.noted(); err != nil && !wantsList(err) {
		return nil, err // asked a moment ago
	}
	page, err := f.server.page(ctx, options)
	f.note(err)
	f.listed.Store(err == nil)
	if err != nil {
		return nil, err
	}
	return page, nil
}

// watch begins a watch. A second one follows at once on the first, whose time was
// over; more of them have to wait.
func (f *follower) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	f.interrupt()
	if err := f.noted(); err != nil && !f.bears(err) {
		return nil, final{err} // the watch before told why it ended
	}
	if time.Since(f.began) >= lasting {
		f.watches = 0
	}
	if f.watches++; f.watches > 2 {
		if f.watches > 3 {
			f.cut.Store(&notice{f.server.explain("watch", errCut), time.Now()})
		}
		pause := min(f.refresh<<min(f.watches-3, 10), max(longestErrorPause, f.refresh))
		if !sleep(ctx, time.Now(), pause) {
			return nil, ctx.Err()
		}
	}
	events, err := f.insist(ctx, options)
	if err != nil {
		if f.bears(err) {
			return nil, err
		}
		return nil, final{err}
	}
	limit := silence
	if options.SendInitialEvents != nil {
		limit = prelude
	} else if f.filled {
		f.resume()
	}
	return supervise(ctx, events, limit, f.tell), nil
}

// insist begins a watch. Where it is to go on from a version, a server that is away or
// in trouble is asked for the same again, with pauses that grow: a new list of all pods
// on all nodes is the last that it needs when it is back.
func (f *follower) insist(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	for pause := f.refresh; ; pause = min(2*pause, max(longestErrorPause, f.refresh)) {
		f.began = time.Now()
		events, err := f.server.watch(ctx, options)
		f.note(err)
		if err == nil || !f.filled || !isAway(err) {
			return events, err
		}
		f.fail(err, f.began)
		if !sleep(ctx, time.Now(), max(pause, retryAfter(err))) {
			return nil, ctx.Err()
		}
	}
}

// isAway tells a server that is away, or in trouble, from one that means the request.
func isAway(err error) bool {
	if errors.Is(err, errNoAnswer) || errors.Is(err, errMute) {
		return false
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return true
	}
	code := status.Status().Code
	return code == http.StatusTooManyRequests || code >= http.StatusInternalServerError
}

// tell notes why a watch ended, and reports whether the reflector is to know it.
func (f *follower) tell(err error) bool {
	err = f.server.explain("watch", err)
	f.note(err)
	return f.bears(err)
}

// wantsList tells from the refusal of a watch whether a list may go better: older
// servers do not stream their lists, the right to watch is another one, and what
// stands between may hold an answer back until it is whole.
func wantsList(err error) bool {
	if errors.Is(err, errNoAnswer) || errors.Is(err, errMute) {
		return true
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false
	}
	switch code := status.Status().Code; code {
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		return false
	default:
		return code < http.StatusInternalServerError
	}
}

// final keeps the reflector from looking into an error and trying again by itself.
type final struct{ error }

// isExpired tells that the server has forgotten the version to go on from, or does
// not have it yet.
func isExpired(err error) bool {
	return apierrors.IsResourceExpired(err) || apierrors.IsGone(err) ||
		apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge)
}

// Replace implements cache.ReflectorStore: a list has arrived as a whole.
func (f *follower) Replace(list []any, _ string) error {
	pods := make([]*pod, 0, len(list))
	for _, item := range list {
		if p := f.pod(item); p != nil {
			pods = append(pods, p)
		}
	}
	if f.filled = true; !f.listed.Load() {
		f.degraded.Store(nil) // the watch told them
	}
	f.replace(pods, time.Now())
	return nil
}

// Add implements cache.ReflectorStore.
func (f *follower) Add(item any) error {
	f.degraded.Store(nil)
	if p := f.pod(item); p != nil {
		f.put(p)
	}
	return nil
}

// Update implements cache.ReflectorStore.
func (f *follower) Update(item any) error {
	_ = f.Add(item) // has no error
	f.happen(item)
	return nil
}

// Delete implements cache.ReflectorStore.
func (f *follower) Delete(item any) error {
	f.degraded.Store(nil)
	if p := f.pod(item); p != nil {
		f.remove(p)
	}
	f.happen(item)
	return nil
}

// happen tells the measuring side of a pod to which something happened: one of its
// containers may have ended, or the pod be about to.
func (f *follower) happen(item any) {
	if p := f.pod(item); p != nil && f.happened != nil {
		f.happened(p)
	}
}

// Bookmark implements cache.ReflectorBookmarkStore.
func (f *follower) Bookmark(string) error {
	f.degraded.Store(nil)
	f.answer()
	return nil
}

// Resync implements cache.ReflectorStore.
func (f *follower) Resync() error { return nil }

func (f *follower) pod(item any) *pod {
	o, ok := item.(*podObject)
	if !ok {
		return nil
	}
	return o.of(f.server.node)
}
