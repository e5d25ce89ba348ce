package k8s

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// discovery keeps the directory up to date. The measuring side tells which
// names it misses; any number of them costs one list, and there is never more
// than one list in a refresh interval. While no name is missing, the API
// server is not asked at all.
type discovery struct {
	server  *server
	refresh time.Duration
	current atomic.Pointer[directory]
	missing atomic.Pointer[[]name]
	fresh   chan struct{} // holds a token when a name was missed for the first time
}

// The time between lists grows while lists do not help.
const (
	longestPause      = time.Minute      // names that the API server does not know
	longestErrorPause = 20 * time.Second // no answer
)

func newDiscovery(s *server, refresh time.Duration) *discovery {
	d := &discovery{server: s, refresh: refresh, fresh: make(chan struct{}, 1)}
	d.current.Store(&directory{})
	d.missing.Store(new([]name))
	return d
}

// miss says which names are missing now, and whether one of them is new.
func (d *discovery) miss(names []name, fresh bool) {
	d.missing.Store(&names)
	if !fresh {
		return
	}
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

// run lists the pods at once, then whenever names are missing, and after an
// error until it is mended. It returns when the context ends.
func (d *discovery) run(ctx context.Context) error {
	pause, errorPause := d.refresh, d.refresh
	for {
		asked := time.Now()
		pods, err := d.server.list(ctx)
		if ctx.Err() != nil {
			return nil // the answer, if any, is about our own end
		}
		if err != nil {
			d.current.Store(d.current.Load().failed(err, asked))
			if !sleep(ctx, asked, errorPause) {
				return nil
			}
			errorPause = min(2*errorPause, max(longestErrorPause, d.refresh))
			continue
		}
		errorPause = d.refresh
		d.current.Store(newDirectory(d.server.node, pods, asked))
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
			// With nothing missing, only a fresh name can make a list due.
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
