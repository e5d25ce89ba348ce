package hwmon

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

// source measures with the meters of a machine.
type source struct {
	sysfs  string
	wanted []Meter
	sample time.Duration
	pread  pread // unix.Pread; tests have drivers fail
	self   *instruments
	wake   chan struct{} // tells Run of more to sample

	mu      sync.Mutex // for all that follows: power is also read between ticks
	meters  []*meter   // in the order of their keys
	looked  time.Time  // when the tree was last looked through
	removed bool       // a meter that was open is not there any more
	end     time.Time  // of the last batch
	buf     []byte

	tree    *search   // what the last look found
	refused []refusal // what could not be used
	changed bool      // since the state was last told

	state atomic.Pointer[state]
}

// Poll implements plugin.Source. In steady state it allocates nothing.
func (s *source) Poll(ctx context.Context, b *measure.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.looked.IsZero() || s.removed || now.Sub(s.looked) >= lookInterval {
		s.look(now)
	}
	err := s.readAll(ctx, now, true)
	if s.changed {
		s.judge()
	}
	s.emit(b)
	return err
}

// readAll reads the meters that are due. One that cannot be read costs the others nothing.
func (s *source) readAll(ctx context.Context, now time.Time, tick bool) error {
	var first error
	all, bad := 0, 0
	for _, m := range s.meters {
		if !m.due(now, tick) {
			if m.kind != energyCounter && (len(m.fds) == 0 || !m.gone.IsZero()) {
				s.miss(ctx, m, now)
			}
			continue
		}
		all++
		was := m.tally().counted
		got, err := m.read(s.pread, s.buf)
		m.plan(now, tick)
		s.tell(m, err)
		if err != nil {
			if m.kind != energyCounter {
				s.miss(ctx, m, now)
			}
			if errors.Is(err, unix.ENODEV) { // the driver took it away
				m.close()
				s.removed = true
			}
			if m.status == statusDisabled {
				continue // Ready tells of it
			}
			if bad++; first == nil {
				first = err
			}
			continue
		}
		switch got {
		case baseline:
			m.begun = true
			if m.kind != energyCounter {
				s.rouse()
			}
		case reset:
			s.self.resets.Add(ctx, 1)
			m.begun = true
		case dropped:
			s.self.dropped.Add(ctx, 1)
			if m.begun = tick; !tick && !was {
				m.end = s.end // what is counted from now on belongs to this window
			}
		case forward:
		}
	}
	if first == nil {
		return nil
	}
	s.self.readErrors.Add(ctx, int64(bad))
	return fmt.Errorf("%d of %d meters could not be read; the first: %w", bad, all, first)
}

// rouse tells Run that there is something more to sample.
func (s *source) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// miss notes that power could not be sampled.
func (s *source) miss(ctx context.Context, m *meter, now time.Time) {
	if m.integral.miss(now, m.longest()) {
		s.self.dropped.Add(ctx, 1)
	}
}

// emit adds what was counted and was not emitted yet.
func (s *source) emit(b *measure.Batch) {
	over := false
	first := !b.Last && b.End.Equal(b.Start) // it has no window
	for _, m := range s.meters {
		over = over || m.over
		if first {
			m.end, m.begun = b.End, false
			continue
		}
		since := m.end
		sum, ok := m.tally().take()
		switch {
		case ok:
			m.end = b.End
			if since.IsZero() || since.Equal(b.Start) {
				b.Uint(m.series, sum)
			} else {
				b.UintOver(m.series, sum, b.End.Sub(since))
			}
		case m.begun:
			m.end = b.End
		}
		m.begun = false
	}
	s.end = b.End
	if over && !first {
		s.bury(b)
	}
}

// bury retires the meters that are over.
func (s *source) bury(b *measure.Batch) {
	kept := s.meters[:0]
	for _, m := range s.meters {
		if m.over {
			b.Retire(m.series)
		} else {
			kept = append(kept, m)
		}
	}
	clear(s.meters[len(kept):])
	s.meters = kept
}

// Close implements io.Closer.
func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.meters {
		m.close()
	}
	s.meters = nil
	return s.self.close()
}

// Ready implements plugin.Readier.
func (s *source) Ready() error { return s.state.Load().err }
