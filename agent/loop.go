package agent

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

const (
	// lastTick is how long the last tick may take, and finishing how long the
	// tick that is under way may go on before it, when the agent is to stop.
	lastTick  = 5 * time.Second
	finishing = 5 * time.Second
	// lastPoll is the part of the last tick after which sources and transforms
	// are cut off, so that the outputs always get some of it.
	lastPoll = 3 * time.Second
	// lastWord is what an output gets in a tick whose sources were cut off.
	lastWord = 500 * time.Millisecond
	// shortestDeadline is what every call gets, however short its interval.
	shortestDeadline = time.Second
)

// loop calls sources, transforms and outputs, one after the other, on the one
// goroutine that runs it.
type loop struct {
	base       time.Time // all ticks are at multiples of their interval from here
	groups     []*group  // shortest interval first
	transforms []*member
	outputs    []*member
	all        []*member
	gate       *gate
	telemetry  *telemetry
	ending     time.Time // when the last tick began; zero before
	swaps      chan *swap

	shortest atomic.Int64 // interval
	ticked   atomic.Int64 // when a tick was last done, in ns since base; 0 before
}

// The stages of a tick, whose times are told.
const (
	polling = iota
	transforming
	writing
	stages // how many
)

// group is the sources that are polled together.
type group struct {
	interval time.Duration
	sources  []*member
	next     int64     // the multiple of the interval at which the next tick is
	end      time.Time // of the last window; zero before the first
	batch    measure.Batch
	// ended are series whose end no output was told, since the batch that held
	// it was dropped.
	ended []*measure.Series

	record  []metric.RecordOption
	counted []metric.AddOption
	stages  [stages][]metric.RecordOption
}

func newLoop(members []*member, t *telemetry) *loop {
	l := &loop{base: time.Now(), gate: newGate(), telemetry: t, swaps: make(chan *swap)}
	l.seat(members)
	return l
}

// seat takes the plugins that are called from now on, in pipeline order. Groups of
// intervals that stay go on.
func (l *loop) seat(members []*member) {
	l.all, l.transforms, l.outputs = members, nil, nil
	for _, g := range l.groups {
		g.sources = nil
	}
	for _, m := range members {
		switch m.role {
		case plugin.RoleSource:
			g := l.groupOf(m.interval)
			g.sources = append(g.sources, m)
		case plugin.RoleTransform:
			l.transforms = append(l.transforms, m)
		case plugin.RoleOutput:
			l.outputs = append(l.outputs, m)
		}
	}
	left := slices.DeleteFunc(slices.Clone(l.groups), func(g *group) bool { return len(g.sources) == 0 })
	for _, g := range l.groups {
		if len(g.sources) == 0 { // what no output was told of is told with other batches
			left[0].ended = append(left[0].ended, g.ended...)
		}
	}
	l.groups = left
	slices.SortFunc(l.groups, func(a, b *group) int { return cmp.Compare(a.interval, b.interval) })
	l.shortest.Store(int64(l.groups[0].interval))
}

func (l *loop) groupOf(interval time.Duration) *group {
	for _, g := range l.groups {
		if g.interval == interval {
			return g
		}
	}
	set := metric.WithAttributeSet(attribute.NewSet(attribute.String("interval", interval.String())))
	g := &group{interval: interval, record: []metric.RecordOption{set}, counted: []metric.AddOption{set}}
	for i, name := range [stages]string{polling: "poll", transforming: "transform", writing: "write"} {
		g.stages[i] = []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("interval", interval.String()), attribute.String("stage", name)))}
	}
	if l.telemetry != nil {
		l.telemetry.late.Add(context.Background(), 0, g.counted...) // a counter that has not counted yet is seen as 0
	}
	l.groups = append(l.groups, g)
	return g
}

// start runs the loop. The function that it returns waits for its end, which
// the end of the context brings about.
func (l *loop) start(ctx context.Context) (wait func() error) {
	over := make(chan struct{})
	go func() {
		defer close(over)
		l.run(ctx)
	}()
	return func() error {
		const limit = finishing + lastTick + time.Second
		select {
		case <-over:
			return nil
		case <-time.After(limit):
		}
		m, stage := l.gate.close()
		if m == nil {
			<-over // it is between two calls, and none is made any more
			return fmt.Errorf("the last tick was not done after %v: its window is lost", limit)
		}
		m.stuck = true
		return fmt.Errorf("%s %s: not back %v after the agent was asked to stop; the last window is lost", stage, m.name, limit)
	}
}

// run ticks until the context ends, and then once more, so that the last
// window is delivered although it is shorter.
func (l *loop) run(ctx context.Context) {
	unhook := context.AfterFunc(ctx, func() { l.gate.hurry(time.Now().Add(finishing)) })
	defer unhook()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			l.finish()
			return
		case s := <-l.swaps:
			l.swap(s, time.Now())
			timer.Reset(time.Until(l.nextDue()))
			continue
		case <-timer.C:
		}
		if ctx.Err() == nil {
			l.tickDue(time.Now())
			timer.Reset(time.Until(l.nextDue()))
		}
	}
}

// tickDue ticks the groups that are due.
func (l *loop) tickDue(now time.Time) {
	for _, g := range l.groups {
		if l.advance(g, now) {
			l.tick(g, now)
		}
	}
	l.after()
}

// advance reports whether a group is due, and if so moves it to its next multiple.
func (l *loop) advance(g *group, now time.Time) bool {
	passed := int64(now.Sub(l.base) / g.interval)
	if passed < g.next {
		return false
	}
	if late := passed - g.next; late > 0 {
		l.telemetry.late.Add(context.Background(), late, g.counted...)
	}
	g.next = passed + 1
	return true
}

func (l *loop) nextDue() time.Time {
	due := l.groups[0].due(l.base)
	for _, g := range l.groups[1:] {
		if d := g.due(l.base); d.Before(due) {
			due = d
		}
	}
	return due
}

func (g *group) due(base time.Time) time.Time {
	return base.Add(time.Duration(g.next) * g.interval)
}

// finish is the last tick.
func (l *loop) finish() {
	l.ending = time.Now()
	l.gate.hurry(time.Time{})
	for _, g := range l.groups {
		if l.ending.After(g.end) { // else the window is over already
			l.tick(g, l.ending)
		}
	}
	l.after()
}

// after ends what was due at one instant.
func (l *loop) after() {
	for _, m := range l.all {
		if m.readier == nil || !l.gate.enter(m, "ready", l.deadline(m.role, 0)) {
			continue
		}
		err := guarded(m.readier.Ready)
		l.gate.leave()
		m.ready.report(err)
	}
	l.ticked.Store(max(1, int64(time.Since(l.base))))
}

// alive reports whether the loop ticks as it should.
func (l *loop) alive(now time.Time) bool {
	return now.Sub(l.base)-time.Duration(l.ticked.Load()) < 3*min(time.Duration(l.shortest.Load()), math.MaxInt64/4)+5*time.Second
}

// lastTick returns when a tick was done last; zero before the first one.
func (l *loop) lastTick() time.Time {
	if passed := l.ticked.Load(); passed > 0 {
		return l.base.Add(time.Duration(passed))
	}
	return time.Time{}
}
