package hwmon

import (
	"context"
	"time"
)

// shortestPause keeps a machine on which all takes long from doing nothing else.
const shortestPause = time.Millisecond

// Run implements plugin.Runner: it samples power between ticks.
func (s *source) Run(ctx context.Context) error {
	timer := time.NewTimer(lookInterval)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
		timer.Reset(s.keepUp(ctx))
	}
}

// keepUp samples what is due, and returns after what time to do so again.
func (s *source) keepUp(ctx context.Context) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	_ = s.readAll(ctx, now, false) // counted there; Ready and the next tick tell of it
	pause := lookInterval
	for _, m := range s.meters {
		if m.kind != energyCounter && m.integral.known { // others wait for a tick
			pause = min(pause, m.next.Sub(now))
		}
	}
	return max(pause, shortestPause)
}
