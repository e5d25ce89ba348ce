package agent

import (
	"context"
	"testing"
	"time"
	"unsafe" //nolint:depguard // nothing else moves the wall clock of a time.Time alone

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// onWall returns t with its wall clock moved, as time.Now does after that clock was
// set, or after the machine was suspended. The monotonic clock is not moved.
func onWall(t *testing.T, at time.Time, by time.Duration) time.Time {
	t.Helper()
	const monotonic, seconds = 1 << 63, 30 // the layout of time.Time, which is held against its methods below
	moved := at
	wall := (*uint64)(unsafe.Pointer(&moved))
	ns := int64(*wall&^monotonic>>seconds)*1e9 + int64(*wall&(1<<seconds-1)) + int64(by)
	*wall = monotonic | uint64(ns/1e9)<<seconds | uint64(ns%1e9)
	if moved.Sub(at) != 0 || moved.Round(0).Sub(at.Round(0)) != by {
		t.Fatalf("%v by %v is %v: is a time.Time made in another way now?", at, by, moved)
	}
	return moved
}

// Whatever the clocks do, what is counted adds up, windows meet, and they are as long
// as they were, also for those who only see the wall clock.
func TestOddClocks(t *testing.T) {
	const s, h = time.Second, time.Hour
	type moment struct{ passed, wall time.Duration } // since the start; and the wall clock beyond that
	tests := []struct {
		name    string
		moments []moment
		windows []time.Duration // how long, after the first one
		late    int64
		due     time.Duration
	}{
		{"as usual", []moment{{0, 0}, {5 * s, 0}, {10 * s, 0}}, []time.Duration{5 * s, 5 * s}, 0, 15 * s},
		{"suspended for an hour", []moment{{0, 0}, {5 * s, 0}, {10 * s, h}, {15 * s, h}}, []time.Duration{5 * s, 5 * s, 5 * s}, 0, 20 * s},
		{"set back and forth", []moment{{0, 0}, {5 * s, -h}, {10 * s, 2 * h}, {15 * s, -7 * s}, {20 * s, -24 * h}, {25 * s, 0}},
			[]time.Duration{5 * s, 5 * s, 5 * s, 5 * s, 5 * s}, 0, 30 * s},
		{"set by a little more than a window", []moment{{0, 0}, {5 * s, -5*s - time.Millisecond}, {10 * s, 0}}, []time.Duration{5 * s, 5 * s}, 0, 15 * s},
		{"a minute late", []moment{{0, 0}, {5 * s, 0}, {70 * s, 0}, {75 * s, 0}}, []time.Duration{5 * s, 65 * s, 5 * s}, 12, 80 * s},
		{"a minute late, and the clock is set", []moment{{0, 0}, {65 * s, -h}, {70 * s, h}}, []time.Duration{65 * s, 5 * s}, 12, 75 * s},
		{"twice at once", []moment{{0, 0}, {0, 0}, {5 * s, 0}, {5 * s, 0}, {5 * s, h}, {10 * s, 0}}, []time.Duration{5 * s, 5 * s}, 0, 15 * s},
		{"too early", []moment{{0, 0}, {5*s - 1, 0}, {5 * s, 0}, {9 * s, h}}, []time.Duration{5 * s}, 0, 10 * s},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			own, err := newTelemetry(t.Context(), "test")
			if err != nil {
				t.Fatal(err)
			}
			var now time.Time
			var read time.Duration // the counter's last reading: it counts what passes
			var l *loop
			count := func(_ context.Context, b *measure.Batch) error {
				b.Uint(new(measure.Series), uint64(now.Sub(l.base)-read))
				read = now.Sub(l.base)
				return nil
			}
			var windows []time.Duration
			var counted uint64
			var last time.Time
			note := func(_ context.Context, b *measure.Batch) error {
				passed := b.End.Sub(b.Start)
				if !last.IsZero() {
					windows = append(windows, passed)
					if !b.Start.Equal(last) {
						t.Errorf("a window begins at %v, the one before ended at %v", b.Start, last)
					}
				}
				if shown := time.Duration(b.End.UnixNano() - b.Start.UnixNano()); shown != passed {
					t.Errorf("a window of %v is shown as %v", passed, shown)
				}
				if b.End.Round(0) != now.Round(0) {
					t.Errorf("a window ends at %v, the clock shows %v", b.End, now)
				}
				n, _ := b.Samples[0].Uint()
				counted += n
				last = b.End
				return nil
			}
			var members []*member
			for _, e := range []Enabled{source("s", 5*s, poll(count)), output("o", write(note))} {
				m := newMember(e, testLog(new(lockedBuffer)))
				value, _ := e.Config.Open(t.Context(), nil)
				if err := m.adopt(value, own, time.Now()); err != nil {
					t.Fatal(err)
				}
				members = append(members, m)
			}
			l = newLoop(members, own)
			for _, m := range tt.moments {
				now = onWall(t, l.base.Add(m.passed), m.wall)
				l.tickDue(now)
			}
			if diff := cmp.Diff(tt.windows, windows); diff != "" {
				t.Errorf("windows: -want +got\n%s", diff)
			}
			if want := uint64(last.Sub(l.base)); counted != want {
				t.Errorf("%d ns counted, want %d", counted, want)
			}
			if got := l.nextDue().Sub(l.base); got != tt.due {
				t.Errorf("the next tick is due at %v, want %v", got, tt.due)
			}
			probe := &hostProbe{host: &plugin.Host{SelfReader: own.reader}}
			if err := probe.Write(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if got := probe.sum["podjoule.agent.late_ticks interval=5s"]; got != tt.late {
				t.Errorf("%d late ticks, want %d", got, tt.late)
			}
		})
	}
}

// Without a step, a window begins at the very time at which the one before ended, however
// the two clocks were read.
func TestWindowsMeetToTheNanosecond(t *testing.T) {
	start := time.Now()
	for _, drift := range []time.Duration{0, 1, -1, time.Millisecond, -99 * time.Millisecond} {
		if got := onClockOf(start, onWall(t, start.Add(time.Second), drift)); got != start {
			t.Errorf("the clocks differ by %v: the window begins at %v, want %v", drift, got, start)
		}
	}
	// But not after it ended.
	end := onWall(t, start.Add(10*time.Millisecond), -50*time.Millisecond)
	if got := onClockOf(start, end); got.After(end) || end.Round(0).Sub(got.Round(0)) != 10*time.Millisecond {
		t.Errorf("a window of 10 ms is shown from %v to %v", got, end)
	}
}
