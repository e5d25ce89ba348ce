package agent

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// windows notes the windows that an output gets, in seconds after the start.
func windows(j *journal, began time.Time) write {
	return func(_ context.Context, b *measure.Batch) error {
		j.add("%v: %v-%v", b.Interval, b.Start.Sub(began), b.End.Sub(began))
		return nil
	}
}

func TestTicksMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		began := time.Now()
		cfg := config(source("slow", 5*time.Second, poll(idle)), source("fast", time.Second, poll(idle)), output("out", windows(j, began)))
		if err := runFor(t, 6500*time.Millisecond, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"1s: 0s-0s", "5s: 0s-0s",
			"1s: 0s-1s", "1s: 1s-2s", "1s: 2s-3s", "1s: 3s-4s", "1s: 4s-5s", "5s: 0s-5s",
			"1s: 5s-6s", "1s: 6s-6.5s", "5s: 5s-6.5s",
		}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("windows (-want +got):\n%s", diff)
		}
	})
}

// Only the batches of the end say that they are the last.
func TestLastBatchesSaySo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		note := write(func(_ context.Context, b *measure.Batch) error {
			j.add("%v %v", b.Interval, b.Last)
			return nil
		})
		cfg := config(source("fast", time.Second, poll(idle)), source("slow", time.Hour, poll(idle)), output("out", note))
		if err := runFor(t, 1500*time.Millisecond, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{"1s false", "1h0m0s false", "1s false", "1s true", "1h0m0s true"}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestGroupSharesOneTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		note := func(name string) poll {
			return func(_ context.Context, b *measure.Batch) error {
				j.add("%s %d", name, len(b.Samples))
				b.Uint(new(measure.Series), 1)
				return nil
			}
		}
		cfg := config(source("b", time.Second, note("b")), source("a", time.Second, note("a")),
			transform("t2", apply(note("t2"))), transform("t1", apply(note("t1"))),
			output("o2", write(note("o2"))), output("o1", write(note("o1"))))
		if err := runFor(t, time.Nanosecond, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		// The last tick comes 1 ns later and has the same order.
		tick := []string{"b 0", "a 1", "t2 2", "t1 3", "o2 4", "o1 5"}
		if diff := cmp.Diff(append(tick, tick...), j.all()); diff != "" {
			t.Errorf("order (-want +got):\n%s", diff)
		}
	})
}

func TestLateTicksAreSkippedNeverDoubled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		began := time.Now()
		slowOnce := func(_ context.Context, b *measure.Batch) error {
			if b.End.Sub(began) == 2*time.Second {
				time.Sleep(3200 * time.Millisecond)
			}
			return nil
		}
		h := new(hostProbe)
		cfg := config(source("src", time.Second, poll(slowOnce)), output("out", windows(j, began)), output("probe", h))
		h.bind(&cfg.Plugins[2])
		if err := runFor(t, 7500*time.Millisecond, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{"1s: 0s-0s", "1s: 0s-1s", "1s: 1s-2s", "1s: 2s-5.2s", "1s: 5.2s-6s", "1s: 6s-7s", "1s: 7s-7.5s"}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("windows (-want +got):\n%s", diff)
		}
		if got := h.sum["podjoule.agent.late_ticks interval=1s"]; got != 2 {
			t.Errorf("late ticks: got %d, want the 2 at 3 s and 4 s; have %v", got, h.sum)
		}
		// The probe reads during the last tick, before that one is counted.
		if got := h.sum["podjoule.agent.ticks interval=1s"]; got != 6 {
			t.Errorf("ticks: got %d, want 6", got)
		}
	})
}

// TestWindowsHaveNoGaps lets polls take random times and looks at the windows.
func TestWindowsHaveNoGaps(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			began := time.Now()
			random := pseudoRandom(seed)
			last := map[time.Duration]time.Time{}
			ticks := map[time.Duration]int{}
			check := func(_ context.Context, b *measure.Batch) error {
				if end, ok := last[b.Interval]; ok && !b.Start.Equal(end) {
					t.Errorf("seed %d, %v: window begins at %v, the last one ended at %v", seed, b.Interval, b.Start.Sub(began), end.Sub(began))
				}
				if b.End.Before(b.Start) {
					t.Errorf("seed %d: window %v-%v runs backwards", seed, b.Start, b.End)
				}
				last[b.Interval] = b.End
				ticks[b.Interval]++
				return nil
			}
			slow := func(context.Context, *measure.Batch) error {
				time.Sleep(time.Duration(random(2000)) * time.Millisecond)
				return nil
			}
			cfg := config(source("a", 700*time.Millisecond, poll(slow)), source("b", 3*time.Second, poll(slow)), output("check", write(check)))
			if err := runFor(t, 30*time.Second, cfg, RunOptions{}); err != nil {
				t.Fatal(err)
			}
			for interval, end := range last {
				if end.Sub(began) < 30*time.Second {
					t.Errorf("seed %d, %v: measured until %v only", seed, interval, end.Sub(began))
				}
				if most := int(30*time.Second/interval) + 2; ticks[interval] > most {
					t.Errorf("seed %d: %d ticks of %v, want at most %d", seed, ticks[interval], interval, most)
				}
			}
			if len(last) != 2 {
				t.Errorf("seed %d: %d groups ticked, want 2", seed, len(last))
			}
		})
	}
}

func pseudoRandom(seed uint64) func(n uint64) uint64 {
	state := seed*2654435769 + 1
	return func(n uint64) uint64 {
		state = state*6364136223846793005 + 1442695040888963407
		return (state >> 33) % n
	}
}

func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		note := func(what string) func(ctx context.Context, b *measure.Batch) error {
			return func(ctx context.Context, b *measure.Batch) error {
				d, _ := ctx.Deadline()
				j.add("%s %v: %v", what, b.Interval, time.Until(d))
				if what == "poll" && b.Interval == 20*time.Millisecond {
					<-ctx.Done()
					j.add("%v", ctx.Err())
				}
				return nil
			}
		}
		cfg := config(source("fast", 20*time.Millisecond, poll(note("poll"))), source("slow", 3*time.Second, poll(note("poll"))), output("out", write(note("write"))))
		if err := runFor(t, 500*time.Millisecond, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{
			"poll 20ms: 1s", "context deadline exceeded", "write 20ms: 1s", "poll 3s: 3s", "write 3s: 3s",
			// The last tick, at 1 s.
			"poll 20ms: 3s", "context deadline exceeded", "write 20ms: 2s", "poll 3s: 0s", "write 3s: 2s",
		}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("deadlines (-want +got):\n%s", diff)
		}
	})
}

func TestEndedSeriesSurviveADroppedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		series := &measure.Series{Metric: &measure.Metric{Name: "m"}}
		n, j := 0, new(journal)
		src := func(_ context.Context, b *measure.Batch) error {
			if n++; n == 2 {
				b.Retire(series)
			}
			return nil
		}
		failing := func(_ context.Context, _ *measure.Batch) error {
			if n == 2 || n == 3 {
				return errBroken
			}
			return nil
		}
		out := func(_ context.Context, b *measure.Batch) error {
			j.add("tick %d: %d ended", n, len(b.Ended))
			return nil
		}
		cfg := config(source("s", time.Second, poll(src)), transform("t", apply(failing)), output("o", write(out)))
		if err := runFor(t, 4500*time.Millisecond, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{"tick 1: 0 ended", "tick 4: 1 ended", "tick 5: 0 ended", "tick 6: 0 ended"}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("ended series (-want +got):\n%s", diff)
		}
	})
}

func TestOneTickAllocatesNothing(t *testing.T) {
	own, err := newTelemetry(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	series := new(measure.Series)
	var members []*member
	for _, e := range []Enabled{
		source("s", time.Second, poll(func(_ context.Context, b *measure.Batch) error { b.Uint(series, 1); return nil })),
		transform("t", apply(idle)),
		output("o", &full{Output: write(idle), run: func(context.Context) error { return nil }}),
	} {
		m := newMember(e, testLog(new(lockedBuffer)))
		value, _ := e.Config.Open(t.Context(), nil)
		if err := m.adopt(value, own, time.Now()); err != nil {
			t.Fatal(err)
		}
		members = append(members, m)
	}
	l := newLoop(members, own)
	now := time.Now()
	if got := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Second)
		l.tickDue(now)
	}); got != 0 {
		t.Errorf("one tick: %v allocations, want 0", got)
	}
	if l.groups[0].next < 100 {
		t.Errorf("only %d ticks were made", l.groups[0].next)
	}
}

func BenchmarkTick(b *testing.B) {
	own, err := newTelemetry(b.Context(), "test")
	if err != nil {
		b.Fatal(err)
	}
	var members []*member
	for i := range 4 {
		m := newMember(source(fmt.Sprint(i), time.Second, nil), testLog(new(lockedBuffer)))
		if err := m.adopt(poll(idle), own, time.Now()); err != nil {
			b.Fatal(err)
		}
		members = append(members, m)
	}
	l := newLoop(members, own)
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		l.tickDue(now)
	}
}
