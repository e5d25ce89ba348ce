package k8s

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/token"
)

// discovery keeps the book of the node's pods up to date. The measuring side tells
// which names it misses.
type discovery struct {
	*book
	wanted  string // the mode
	lister  lister
	server  *server // to watch; nil in the other modes
	refresh time.Duration
	// renewal is how old a list may get while no name is missing; 0 is any age.
	renewal time.Duration
	missing atomic.Pointer[[]name]
	fresh   chan struct{} // holds a token when a name was missed for the first time
	// happened is told of each pod to which something happened, if it is set.
	happened func(*pod)
	// degraded is why the pods are polled though they should be watched.
	degraded atomic.Pointer[error]
	// cut is that watches end too soon.
	cut atomic.Pointer[notice]
}

// notice is something wrong that counts for a while only.
type notice struct {
	err error
	at  time.Time
}

// errCut says that watches end soon after they began.
var errCut = errors.New("the watch is cut again and again, so that names come late")

// The values of pod_discovery.
const (
	modeWatch = "watch" // the API server tells what happens
	modePoll  = "poll"  // it is asked when a name is missing
	// The node's kubelet is asked instead.
	modeKubelet = "kubelet"
)

// lister is who lists the pods of the node.
type lister interface {
	list(ctx context.Context) ([]*pod, error)
}

// The time between lists grows while lists do not help.
const (
	longestPause      = time.Minute      // names that the API server does not know
	longestErrorPause = 20 * time.Second // no answer
)

// openDiscovery makes the discovery that is configured.
func openDiscovery(c *Config, node string, tokens *token.Source, host *plugin.Host) (*discovery, error) {
	refresh := time.Duration(c.RefreshInterval)
	chosen, err := c.choice()
	if err != nil {
		return nil, err
	}
	var d *discovery
	if c.Discovery == modeKubelet {
		k, err := newKubelet(c, node, &chosen, tokens, host)
		if err != nil {
			return nil, err
		}
		d = newDiscovery(c.Discovery, k, refresh)
	} else {
		s, err := newServer(c, node, &chosen, tokens, host)
		if err != nil {
			return nil, err
		}
		d = newDiscovery(c.Discovery, s, refresh)
		if c.Discovery == modeWatch {
			d.server = s
		}
	}
	d.renewal = renewal(&chosen, refresh)
	return d, nil
}

func newDiscovery(mode string, l lister, refresh time.Duration) *discovery {
	d := &discovery{book: newBook(), wanted: mode, lister: l, refresh: refresh, fresh: make(chan struct{}, 1)}
	d.missing.Store(new([]name))
	return d
}

// mode is how the pods get their names now.
func (d *discovery) mode() string {
	if d.degraded.Load() != nil {
		return modePoll
	}
	return d.wanted
}

// wrong returns why names are missing or late.
func (d *discovery) wrong() error {
	if err := d.current.Load().err; err != nil {
		return err
	}
	if degraded := d.degraded.Load(); degraded != nil {
		return *degraded
	}
	if cut := d.cut.Load(); cut != nil && time.Since(cut.at) < lasting {
		return cut.err
	}
	return nil
}

// resume tells that the watch goes on, and has the names looked at that were missed
// meanwhile.
func (d *discovery) resume() {
	d.book.resume()
	d.refreshNames()
}

// run keeps the book until the context ends.
func (d *discovery) run(ctx context.Context) error {
	if d.server != nil {
		return d.watch(ctx)
	}
	return d.poll(ctx)
}

// miss says which names are missing now, and whether one of them is new.
func (d *discovery) miss(names []name, fresh bool) {
	d.missing.Store(&names)
	if fresh {
		d.refreshNames()
	}
}

// refreshNames has the discovery look at the missing names soon.
func (d *discovery) refreshNames() {
	select {
	case d.fresh <- struct{}{}:
	default:
	}
}

// lacks reports whether a name is missing that the directory does not know.
func (d *discovery) lacks() bool {
	directory := d.current.Load()
	return slices.ContainsFunc(*d.missing.Load(), func(n name) bool { return !directory.has(n) })
}

// poll lists the pods at once, then whenever names are missing, and after an
// error until it is mended. Any number of missing names costs one list, there is
// never more than one list in a refresh interval, and while no name is missing the
// API server is not asked at all, unless attributes may have changed since. It
// returns when the context ends.
func (d *discovery) poll(ctx context.Context) error {
	pause, errorPause := d.refresh, d.refresh
	for {
		asked := time.Now()
		pods, err := d.lister.list(ctx)
		if ctx.Err() != nil {
			return nil // the answer, if any, is about our own end
		}
		if err != nil {
			d.fail(err, asked)
			if !sleep(ctx, asked, max(errorPause, retryAfter(err))) {
				return nil
			}
			errorPause = min(2*errorPause, max(longestErrorPause, d.refresh))
			continue
		}
		errorPause = d.refresh
		d.replace(pods, asked)
		if !sleep(ctx, asked, d.refresh) {
			return nil
		}
		if pause, err = d.await(ctx, asked, pause); err != nil {
			return nil
		}
	}
}

// await waits until a list is due, and returns the pause before the next one:
// at once for a name that was not missing before, after a growing pause for
// those that the last list did not help.
func (d *discovery) await(ctx context.Context, asked time.Time, pause time.Duration) (time.Duration, error) {
	timer := time.NewTimer(pause - time.Since(asked))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-d.fresh:
			if d.lacks() {
				return d.refresh, nil
			}
		case <-timer.C:
			if d.lacks() {
				return min(2*pause, max(longestPause, d.refresh)), nil
			}
			pause = d.refresh
			// With nothing missing, only a fresh name can make a list due,
			// or its age.
			if d.renewal > 0 {
				left := d.renewal - time.Since(asked)
				if left <= 0 {
					return d.refresh, nil
				}
				timer.Reset(left)
			}
		}
	}
}

// sleep waits until a pause after asked has passed, and a random eighth more,
// so that nodes that started together do not ask together. It reports false
// when the context ended.
func sleep(ctx context.Context, asked time.Time, pause time.Duration) bool {
	timer := time.NewTimer(pause + rand.N(pause/8+1) - time.Since(asked))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
