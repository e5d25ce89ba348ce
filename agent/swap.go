package agent

import (
	"context"
	"errors"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// swap is a change of plugins, which the loop makes between two ticks.
type swap struct {
	members []*member // that are called from then on
	opened  []*member // of these, those that are new
	leaving []*member
	changes []func() // of those that stay
	done    chan struct{}
	gap     time.Duration // from the last polls of those that leave to the first ones
}

// measures tells a swap after which something else is measured from one in which batches
// merely go elsewhere.
func (s *swap) measures() bool {
	for _, all := range [][]*member{s.opened, s.leaving} {
		for _, m := range all {
			if m.role != plugin.RoleOutput {
				return true
			}
		}
	}
	return len(s.changes) > 0
}

// errOver is the error of a swap that the end of the agent came before.
var errOver = errors.New("the agent is about to end")

// hand hands a swap to the loop and waits until it was made. With an error it was not, or
// not wholly, and no plugin is called any more.
func (l *loop) hand(ctx context.Context, s *swap, over <-chan struct{}) error {
	select {
	case l.swaps <- s:
	case <-ctx.Done():
		return errOver
	}
	select {
	case <-s.done:
		return nil
	case <-over:
		return errOver
	}
}

// swap ends the window of all groups at one moment, at which the next ones begin: sources
// that leave are polled for the last time, and new ones for the first. So nothing counts
// twice. Series of plugins that leave end with that window.
func (l *loop) swap(s *swap, now time.Time) {
	defer close(s.done)
	began := time.Now()
	if s.measures() {
		l.tickAll(s.leaving, now)
	}
	for _, change := range s.changes {
		change()
	}
	l.seat(s.members)
	if s.measures() {
		for _, g := range l.groups {
			if g.end.IsZero() { // it is new
				g.next = int64(now.Sub(l.base)/g.interval) + 1
			}
			g.end = now
		}
	}
	l.baseline(s.opened, now)
	s.gap = time.Since(began)
	l.after()
}

// tickAll ticks all groups at once, for the last time with those that leave.
func (l *loop) tickAll(leaving []*member, now time.Time) {
	for i, g := range l.groups {
		for _, m := range leaving {
			// A transform sees every group.
			m.leaving = m.role != plugin.RoleTransform || i == len(l.groups)-1
		}
		l.advance(g, now)
		if now.After(g.end) {
			l.tick(g, now)
		}
	}
	for _, m := range leaving {
		for s := range m.roster.live { // it could not be called: the next batch tells
			l.groups[0].ended = append(l.groups[0].ended, s)
		}
	}
}

// baseline polls new sources for the first time. That batch has no window, hence no
// deltas; states that it may hold are told with the first window.
func (l *loop) baseline(opened []*member, now time.Time) {
	b := new(measure.Batch)
	for _, m := range opened {
		if m.role == plugin.RoleSource {
			b.Reset(m.interval, now, now)
			_ = l.pass(m, b, m.interval)
		}
	}
}
