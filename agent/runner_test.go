package agent

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

func TestRunsAreStartedAgain(t *testing.T) {
	for _, tc := range []struct {
		name string
		ends func() error
	}{
		{"error", func() error { return errBroken }},
		{"nil", func() error { return nil }},
		{"panic", func() error { panic("oops") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				var starts []time.Duration
				f := &full{Output: write(idle), run: func(ctx context.Context) error {
					starts = append(starts, time.Since(began))
					if len(starts) == 8 { // it works for a while
						time.Sleep(40 * time.Second)
					}
					return tc.ends()
				}}
				var log lockedBuffer
				if err := runFor(t, 150*time.Second, config(source("s", time.Second, poll(idle)), output("o", f)), RunOptions{Log: testLog(&log)}); err != nil && tc.name == "nil" {
					t.Fatal(err)
				}
				s := time.Second
				want := []time.Duration{0, s, 3 * s, 7 * s, 15 * s, 31 * s, 61 * s, 91 * s, 132 * s, 134 * s, 138 * s, 146 * s,
					150 * s} // once more at the end, to flush what is queued
				if diff := cmp.Diff(want, starts); diff != "" {
					t.Errorf("starts (-want +got):\n%s", diff)
				}
				if got := log.count("plugin is failing"); got != 2 {
					t.Errorf("logged %d times that it fails, want twice: before and after it worked", got)
				}
				if got := log.count("plugin works again"); got != 1 {
					t.Errorf("logged %d times that it works again, want once", got)
				}
			})
		})
	}
}

func TestRunGetsAContextOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var ended time.Duration
		f := &full{Output: write(idle), run: func(ctx context.Context) error {
			<-ctx.Done()
			ended = time.Since(began)
			return ctx.Err()
		}}
		slow := func(context.Context, *measure.Batch) error { time.Sleep(2 * time.Second); return nil }
		cfg := config(source("s", time.Hour, poll(idle)), output("slow", write(slow)), output("o", f))
		if err := runFor(t, 10*time.Second, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		if ended != 12*time.Second {
			t.Errorf("Run was asked to end after %v, want 12s: when the last tick was over", ended)
		}
	})
}
