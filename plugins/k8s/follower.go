package k8s

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
)

// errListOnly says that the server lists the pods but does not have them watched: it
// refuses, or something between holds answers back until they are whole.
var errListOnly = errors.New("the pods are polled instead of watched")

// follower drives a reflector, and is where it puts the pods. It keeps the pace and
// the errors, of which the reflector would repeat some by itself, without an end
// when the context ends.
type follower struct {
	*discovery
	reflector *cache.Reflector

	// Of the attempt under way:
	watches int       // that were begun
	began   time.Time // the last of them
	listed  bool      // a list was answered

	mu  sync.Mutex
	err error // of the last request
}

// note keeps the error of the last request.
func (f *follower) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *follower) noted() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.err
}

func newFollower(d *discovery) *follower {
	f := &follower{discovery: d}
	requests := &cache.ListWatch{ListWithContextFunc: f.list, WatchFuncWithContext: f.watch}
	f.reflector = cache.NewReflectorWithOptions(requests, &corev1.Pod{}, f, cache.ReflectorOptions{Name: "pods"})
	return f
}

// attempt follows the pods until something is wrong.
func (f *follower) attempt(ctx context.Context) error {
	f.watches, f.listed = 0, false
	f.note(nil)
	f.interrupt()
	defer f.interrupt()
	err := f.reflector.ListAndWatchWithContext(quiet(ctx))
	switch noted := f.noted(); {
	case f.listed && (apierrors.IsForbidden(noted) || errors.Is(noted, errNoAnswer)):
		return fmt.Errorf("%w: %w", errListOnly, noted)
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
	f.listed = err == nil
	if err != nil {
		return nil, err
	}
	return page, nil
}

// watch begins a watch. A second one follows at once on the first, whose time was
// over; more of them have to wait.
func (f *follower) watch(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
	if time.Since(f.began) >= lasting {
		f.watches = 0
	}
	if f.watches++; f.watches > 2 {
		pause := min(f.refresh<<min(f.watches-3, 10), max(longestErrorPause, f.refresh))
		if !sleep(ctx, time.Now(), pause) {
			return nil, ctx.Err()
		}
	}
	f.began = time.Now()
	events, err := f.server.watch(ctx, options)
	f.note(err)
	if err != nil {
		return nil, final{err}
	}
	f.degraded.Store(nil)
	return supervise(ctx, events, f.note), nil
}

// wantsList tells from the refusal of a watch whether a list may go better: older
// servers do not stream their lists, the right to watch is another one, and what
// stands between may hold an answer back until it is whole.
func wantsList(err error) bool {
	if errors.Is(err, errNoAnswer) {
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

// final keeps the reflector from looking into an error and trying again by itself,
// unless its resource version is what was wrong.
type final struct{ error }

func (f final) Unwrap() error {
	if isExpired(f.error) {
		return f.error
	}
	return nil
}

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
	f.replace(pods, time.Now())
	return nil
}

// Add implements cache.ReflectorStore.
func (f *follower) Add(item any) error {
	if p := f.pod(item); p != nil {
		f.put(p)
	}
	return nil
}

// Update implements cache.ReflectorStore.
func (f *follower) Update(item any) error { return f.Add(item) }

// Delete implements cache.ReflectorStore.
func (f *follower) Delete(item any) error {
	if p := f.pod(item); p != nil {
		f.remove(p)
	}
	return nil
}

// Bookmark implements cache.ReflectorBookmarkStore.
func (f *follower) Bookmark(string) error {
	f.answer()
	return nil
}

// Resync implements cache.ReflectorStore.
func (f *follower) Resync() error { return nil }

func (f *follower) pod(item any) *pod {
	p, ok := item.(*corev1.Pod)
	if !ok {
		return nil
	}
	return f.server.pod(p)
}
