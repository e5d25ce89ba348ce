package rapl

import (
	"context"
	"time"
)

// shortestPace is the least time between two readings that no tick asks for.
const shortestPace = time.Second

// Run implements plugin.Runner: it reads the counters between ticks that are far apart, so
// that none goes round twice unseen.
func (s *source) Run(ctx context.Context) error {
	timer := time.NewTimer(shortestPace)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			timer.Reset(s.keepUp(ctx))
		}
	}
}

// keepUp reads the counters when that was long ago, and returns after what time to look
// again.
func (s *source) keepUp(ctx context.Context) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	pace := lookInterval
	for _, z := range s.zones {
		if z.used {
			pace = min(pace, z.limits.wrapTime()/3)
		}
	}
	pace = max(pace, shortestPace)
	now := time.Now()
	if left := pace - now.Sub(s.read); left > 0 {
		return left
	}
	_ = s.readAll(ctx, now, false) // counted there; a tick tells of it when it lasts
	return pace
}
