package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// nilError panics when it is asked for its text, as a typed nil pointer does.
type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestFailuresAreIsolated(t *testing.T) {
	broken := func(context.Context, *measure.Batch) error { return errBroken }
	panics := func(context.Context, *measure.Batch) error { panic("oops") }
	typedNil := func(context.Context, *measure.Batch) error { var e *nilError; return e }
	slow := func(ctx context.Context, _ *measure.Batch) error { <-ctx.Done(); return ctx.Err() }
	partial := func(_ context.Context, b *measure.Batch) error {
		b.Uint(new(measure.Series), 1)
		return errBroken
	}
	partialPanic := func(_ context.Context, b *measure.Batch) error {
		b.Uint(new(measure.Series), 1)
		panic(errBroken)
	}
	for _, tc := range []struct {
		name   string
		bad    Enabled
		stage  string
		before int // samples that reach the good output in a batch; -1 for no batch
	}{
		{"source error", source("bad", time.Second, poll(broken)), "poll", 1},
		{"source error keeps samples", source("bad", time.Second, poll(partial)), "poll", 2},
		{"source panic", source("bad", time.Second, poll(panics)), "panic", 1},
		{"source panic keeps samples", source("bad", time.Second, poll(partialPanic)), "panic", 2},
		{"source times out", source("bad", time.Second, poll(slow)), "poll", 1},
		{"source error without text", source("bad", time.Second, poll(typedNil)), "poll", 1},
		{"transform error", transform("bad", apply(broken)), "apply", -1},
		{"transform panic", transform("bad", apply(panics)), "panic", -1},
		{"output error", output("bad", write(broken)), "write", 1},
		{"output panic", output("bad", write(panics)), "panic", 1},
		{"output times out", output("bad", write(slow)), "write", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var sizes []int
				polls := 0
				good := func(_ context.Context, b *measure.Batch) error {
					polls++
					b.Uint(new(measure.Series), 1)
					return nil
				}
				out := func(_ context.Context, b *measure.Batch) error {
					sizes = append(sizes, len(b.Samples))
					return nil
				}
				h := new(hostProbe)
				closing := &full{Output: write(idle), run: func(ctx context.Context) error { <-ctx.Done(); return nil }}
				cfg := config(tc.bad, source("good", time.Second, poll(good)), output("out", write(out)), output("probe", closing))
				h.bind(&cfg.Plugins[3])
				probe := cfg.Plugins[3].Config.(*stub)
				closing.close = func() error { return h.Write(context.Background(), nil) } // after all ticks
				probe.open = func(_ context.Context, host *plugin.Host) (any, error) {
					h.host = host
					return closing, nil
				}
				var log lockedBuffer
				if err := runFor(t, 3500*time.Millisecond, cfg, RunOptions{Log: testLog(&log)}); err != nil {
					t.Fatal(err)
				}
				if polls < 4 {
					t.Errorf("the good source was polled %d times, want it to go on", polls)
				}
				var want []int
				for range polls {
					if tc.before >= 0 {
						want = append(want, tc.before)
					}
				}
				if diff := cmp.Diff(want, sizes); diff != "" {
					t.Errorf("samples per batch (-want +got):\n%s", diff)
				}
				if got := h.sum["podjoule.agent.plugin.errors plugin=bad,stage="+tc.stage]; got != int64(polls) {
					t.Errorf("errors: got %d, want %d; have %v", got, polls, h.sum)
				}
				if got := h.sum["podjoule.agent.plugin.failing plugin=bad,role="+tc.bad.Plugin.Role.String()]; got != 1 {
					t.Errorf("failing: got %d, want 1; have %v", got, h.sum)
				}
				if got := log.count("plugin is failing"); got != 1 {
					t.Errorf("logged %d times, want once for %d failures", got, polls)
				}
				if got, want := log.count("stack of the panic"), strings.Count(tc.stage, "panic"); got != want {
					t.Errorf("stacks in the debug log: got %d, want %d", got, want)
				}
			})
		})
	}
}

func TestConditionLogsChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lockedBuffer
		own, err := newTelemetry(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		c := own.condition(&member{name: "p", log: testLog(&log)}, "poll", time.Now())
		expect := func(what string, failing, again int) {
			t.Helper()
			if got := log.count("plugin is failing"); got != failing {
				t.Errorf("%s: %d lines about failing, want %d", what, got, failing)
			}
			if got := log.count("plugin works again"); got != again {
				t.Errorf("%s: %d lines about working, want %d", what, got, again)
			}
		}
		c.report(nil)
		expect("all well", 0, 0)
		for range 100 {
			c.report(errBroken)
		}
		expect("the same error", 1, 0)
		for i := range 100 {
			c.report(fmt.Errorf("try %d", i))
		}
		expect("other errors at once", 1, 0)
		time.Sleep(time.Minute)
		c.report(errBroken)
		expect("the old error after a minute", 1, 0)
		c.report(errors.New("another"))
		expect("another error after a minute", 2, 0)
		text, since := c.state()
		if text != "poll: another" || time.Since(since) != time.Minute {
			t.Errorf("state: got %q since %v, want the last text since the first failure, 1m ago", text, time.Since(since))
		}
		c.report(nil)
		c.report(nil)
		expect("well again", 2, 1)
		if text, since := c.state(); text != "" || time.Since(since) != 0 {
			t.Errorf("state: got %q since %v", text, time.Since(since))
		}
		c.report(errBroken)
		expect("failing again", 3, 1)
	})
}

func TestReadyIsAStateOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		asked := 0
		src := struct {
			plugin.Source
			plugin.Readier
		}{poll(idle), ready(func() error {
			asked++
			switch s := time.Since(began); {
			case s == 3*time.Second:
				panic("oops")
			case s > time.Second:
				return errBroken
			}
			return nil
		})}
		var log lockedBuffer
		if err := runFor(t, 4500*time.Millisecond, config(source("s", time.Second, src)), RunOptions{Log: testLog(&log)}); err != nil {
			t.Fatal(err)
		}
		if asked != 6 {
			t.Errorf("asked %d times, want once after each of 6 ticks", asked)
		}
		if got := log.count("plugin=s stage=ready err=broken"); got != 1 {
			t.Errorf("logged %d times, want 1", got)
		}
	})
}

type ready func() error

func (f ready) Ready() error { return f() }
