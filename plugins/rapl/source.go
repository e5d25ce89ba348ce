package rapl

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
)

// source measures the zones of a machine.
type source struct {
	ways   []*way // that the configuration allows
	kernel *kernel
	self   *instruments

	mu      sync.Mutex // for all that follows: counters are also read between ticks
	way     *way       // that is taken; nil at first
	why     string     // it is taken
	zones   []*zone    // in the order of their folders
	domains []*domain  // packages before what they hold
	looked  time.Time  // when the tree was last looked through
	read    time.Time  // when the zones were last read
	removed bool       // a zone that was open is not there any more
	buf     []byte

	failing atomic.Int64 // zones that could not be read the last time
	state   atomic.Pointer[state]
}

func newSource(ways []*way) *source {
	s := &source{ways: ways, kernel: realKernel(), buf: make([]byte, 64)}
	s.state.Store(&state{status: statusOK})
	return s
}

// Poll implements plugin.Source. In steady state it allocates nothing.
func (s *source) Poll(ctx context.Context, b *measure.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.looked.IsZero() || s.removed || now.Sub(s.looked) >= lookInterval {
		s.look(ctx, now)
	}
	err := s.readAll(ctx, now, true)
	s.emit(ctx, b)
	return err
}

// readAll reads all zones. One that cannot be read costs the others nothing. A zone
// without a baseline is left out unless there is a tick, with which its time begins.
func (s *source) readAll(ctx context.Context, now time.Time, tick bool) error {
	s.read = now
	var first error
	all, bad := 0, 0
	for _, z := range s.zones {
		if !z.used || !tick && !z.counter.known {
			continue
		}
		all++
		n, err := z.read(s.kernel, s.buf)
		if z.stale = err != nil; z.stale {
			if z.counter.miss(now, z.longest()) {
				s.self.dropped.Add(ctx, 1, s.self.gap)
			}
			if errors.Is(err, errClosed) {
				continue // Ready tells of it
			}
			if errors.Is(err, unix.ENODEV) || errors.Is(err, errStopped) { // the driver took it away
				s.shut(ctx, z)
				s.removed = true
			}
			if bad++; first == nil {
				first = err
			}
			continue
		}
		switch z.counter.read(n, now, &z.limits) {
		case wrapped:
			s.self.wraps.Add(ctx, 1)
		case reset:
			s.self.resets.Add(ctx, 1)
		case dropped:
			s.self.dropped.Add(ctx, 1, s.self.gap)
		case baseline, forward:
		}
	}
	s.failing.Store(int64(bad))
	if first == nil {
		return nil
	}
	s.self.readErrors.Add(ctx, int64(bad))
	return fmt.Errorf("%d of %d zones could not be read; their next reading tells of this time too; the first: %w", bad, all, first)
}

// emit adds what was counted and was not emitted yet.
func (s *source) emit(ctx context.Context, b *measure.Batch) {
	if !b.Last && b.End.Equal(b.Start) { // the first batch, which has no window
		for _, d := range s.domains {
			d.end = b.End
		}
		return
	}
	over := 0
	for _, d := range s.domains {
		if len(d.zones) == 0 {
			over++
		}
		d.since = time.Time{}
		if d.waits() && !b.Last {
			continue
		}
		sum, since, ok := d.take(b.End)
		switch {
		case !ok:
		case d.exceeds(sum, since):
			s.self.dropped.Add(ctx, 1, s.self.exceeds)
		default:
			d.amount, d.since = sum, since
			if since.IsZero() || since.Equal(b.Start) {
				b.Uint(d.series, sum)
			} else {
				b.UintOver(d.series, sum, b.End.Sub(since))
			}
		}
	}
	if over > 0 {
		s.bury(b)
	}
}

// bury retires the domains that have no zone any more and have emitted what was left.
func (s *source) bury(b *measure.Batch) {
	kept := s.domains[:0]
	for _, d := range s.domains {
		if len(d.zones) > 0 {
			kept = append(kept, d)
		} else {
			b.Retire(d.series)
		}
	}
	clear(s.domains[len(kept):])
	s.domains = kept
}

// Close implements io.Closer.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, z := range s.zones {
		z.close(s.kernel)
	}
	s.zones = nil
	return s.self.close()
}

// Ready implements plugin.Readier.
func (s *source) Ready() error { return s.state.Load().err }
