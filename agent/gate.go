package agent

import (
	"context"
	"sync"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

// gate is what the loop passes to call a plugin: it knows the call in flight,
// and it is the context of that call. One gate serves all calls, one after the
// other, so that deadlines cost no allocation; a plugin that kept the context
// would see it come back to life.
type gate struct {
	timer *time.Timer // ends the call in flight at its deadline

	mu       sync.Mutex
	shut     bool
	member   *member // the plugin in flight, or nil
	stage    string
	limit    time.Time // no call may last beyond; zero for no limit
	deadline time.Time
	done     chan struct{}
	err      error
}

func newGate() *gate {
	g := &gate{done: make(chan struct{})}
	g.timer = time.AfterFunc(time.Hour, g.expire)
	g.timer.Stop()
	return g
}

// enter begins a call. It returns false once the gate is shut: then the host
// has given up on the loop, and no plugin may be called any more.
func (g *gate) enter(m *member, stage string, deadline time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	if g.err != nil { // the last call used its channel up
		g.done, g.err = make(chan struct{}), nil
	}
	g.member, g.stage = m, stage
	g.arm(deadline)
	return true
}

// leave ends a call.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.timer.Stop()
	g.member = nil
}

// hurry sets the time beyond which no call may last, also for the call in
// flight. The zero time lifts the limit for later calls.
func (g *gate) hurry(limit time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = limit
	if g.member != nil {
		g.arm(g.deadline)
	}
}

// close shuts the gate and returns the call in flight, or nil.
func (g *gate) close() (*member, string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	return g.member, g.stage
}

func (g *gate) arm(deadline time.Time) {
	if !g.limit.IsZero() && g.limit.Before(deadline) {
		deadline = g.limit
		// What sources were cut off from is to be written all the same.
		if soonest := time.Now().Add(lastWord); g.member.role == plugin.RoleOutput && deadline.Before(soonest) {
			deadline = soonest
		}
	}
	g.deadline = deadline
	g.timer.Reset(time.Until(deadline))
}

func (g *gate) expire() {
	g.mu.Lock()
	defer g.mu.Unlock()
	// The timer of an earlier call may come late: look at the clock.
	if g.member != nil && g.err == nil && !time.Now().Before(g.deadline) {
		g.err = context.DeadlineExceeded
		close(g.done)
	}
}

// Deadline implements context.Context.
func (g *gate) Deadline() (time.Time, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.deadline, true
}

// Done implements context.Context.
func (g *gate) Done() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.done
}

// Err implements context.Context.
func (g *gate) Err() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// Value implements context.Context.
func (g *gate) Value(any) any { return nil }
