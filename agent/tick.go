package agent

import (
	"context"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// tick measures one window of a group and hands it through the pipeline. In
// steady state it allocates nothing itself.
func (l *loop) tick(g *group, end time.Time) {
	began := time.Now()
	start := g.end
	if start.IsZero() {
		start = end
	}
	g.end = end
	b := &g.batch
	b.Reset(g.interval, onClockOf(start, end), end)
	b.Last = !l.ending.IsZero()
	for _, m := range g.sources {
		_ = l.contribute(m, b, g.interval) // what was added before an error counts
	}
	b.Retire(g.ended...)
	polled := time.Now()
	transformed := l.transform(b, g.interval)
	derived := time.Now()
	if transformed {
		clear(g.ended)
		g.ended = g.ended[:0]
		for _, m := range l.outputs {
			_ = l.pass(m, b, g.interval) // the others still get the batch
		}
	} else {
		// The values are lost, but no output may keep a series for ever.
		g.ended = append(g.ended[:0], b.Ended...)
	}
	now := time.Now()
	for i, took := range [stages]time.Duration{polling: polled.Sub(began), transforming: derived.Sub(polled), writing: now.Sub(derived)} {
		l.telemetry.stage.Record(context.Background(), took.Seconds(), g.stages[i]...)
	}
	l.telemetry.ticks.Add(context.Background(), 1, g.counted...)
	l.telemetry.samples.Record(context.Background(), int64(len(b.Samples)), g.record...)
	l.telemetry.duration.Record(context.Background(), now.Sub(began).Seconds(), g.record...)
}

// clockStep is from where on a difference between the clocks is no accident of reading
// them one after the other.
const clockStep = 100 * time.Millisecond

// onClockOf returns the start of a window as the wall clock that shows its end would
// have shown it. They are the same unless that clock was set in between, or went on
// while the machine was suspended: then what others see of the window, two times of
// the wall clock, would be of another length, or end before it begins.
func onClockOf(start, end time.Time) time.Time {
	passed, shown := end.Sub(start), end.Round(0).Sub(start.Round(0))
	if shown >= 0 && (shown-passed).Abs() < clockStep {
		return start
	}
	return end.Add(-passed)
}

// transform reports whether the batch may go to the outputs.
func (l *loop) transform(b *measure.Batch, interval time.Duration) bool {
	for _, m := range l.transforms {
		if l.contribute(m, b, interval) != nil {
			return false
		}
	}
	return true
}

// contribute hands the batch to a source or a transform, and notes the series that it
// adds. One that is leaving takes them along.
func (l *loop) contribute(m *member, b *measure.Batch, interval time.Duration) error {
	samples, ended := len(b.Samples), len(b.Ended)
	err := l.pass(m, b, interval)
	// A transform may have removed some.
	m.roster.note(b.Samples[min(samples, len(b.Samples)):], b.Ended[min(ended, len(b.Ended)):])
	if m.leaving {
		m.roster.retire(b)
	}
	return err
}

// pass hands the batch to one plugin. The outcome is noted here; the error is
// for what depends on it.
func (l *loop) pass(m *member, b *measure.Batch, interval time.Duration) error {
	if !l.gate.enter(m, m.stage, l.deadline(m.role, interval)) {
		return errShut
	}
	err := m.pass(l.gate, b)
	l.gate.leave()
	m.work.report(err)
	return err
}

// deadline is when a call that begins now must end.
func (l *loop) deadline(role plugin.Role, interval time.Duration) time.Time {
	switch {
	case l.ending.IsZero():
		return time.Now().Add(max(interval, shortestDeadline))
	case role == plugin.RoleOutput:
		return l.ending.Add(lastTick)
	}
	return l.ending.Add(lastPoll)
}
