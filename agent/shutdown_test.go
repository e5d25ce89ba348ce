package agent

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// queue is an output as slow ones are made: Write queues, Run delivers.
func queue(j *journal, began time.Time) *full {
	batches := make(chan string, 100)
	return &full{
		Output: write(func(_ context.Context, b *measure.Batch) error {
			end := b.End.Sub(began).String()
			j.add("write %s", end)
			batches <- end
			return nil
		}),
		run: func(ctx context.Context) error {
			for {
				select {
				case end := <-batches:
					j.add("deliver %s", end)
				case <-ctx.Done():
					j.add("run ends with %d batches to flush", len(batches))
					for len(batches) > 0 {
						j.add("flush %s", <-batches)
					}
					return ctx.Err()
				}
			}
		},
		close: func() error { j.add("close queue"); return nil },
	}
}

func TestShutdownOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		began := time.Now()
		src := struct {
			plugin.Source
			*full
		}{
			poll(func(_ context.Context, b *measure.Batch) error { j.add("poll %v", b.End.Sub(began)); return nil }),
			&full{
				run:   func(ctx context.Context) error { <-ctx.Done(); j.add("source run ends"); return nil },
				close: func() error { j.add("close source"); return nil },
			},
		}
		var reader *sdkmetric.ManualReader
		last := &full{Output: write(idle), run: untilEnd}
		last.close = func() error {
			var rm metricdata.ResourceMetrics
			j.add("close last, own metrics: %v", reader.Collect(context.Background(), &rm))
			return nil
		}
		cfg := config(source("s", 10*time.Second, src), output("q", queue(j, began)), output("last", nil))
		cfg.Plugins[2].Config = &stub{open: func(_ context.Context, h *plugin.Host) (any, error) {
			reader = h.SelfReader.(*sdkmetric.ManualReader)
			return last, nil
		}}
		if err := runFor(t, 2500*time.Millisecond, cfg, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		got := j.all()
		// The runs end at the same time, in any order of their lines, and the
		// queue may deliver the last batch before or after it was asked to end.
		rest := strings.Join(got[3:], "\n")
		for _, order := range [][]string{
			{"poll 2.5s", "write 2.5s", "run ends with", "close last", "close queue", "close source"},
			{"write 2.5s", "source run ends", "close last"},
		} {
			at := 0
			for _, line := range order {
				i := strings.Index(rest[at:], line)
				if i < 0 {
					t.Fatalf("want %q in this order, have:\n%s", order, strings.Join(got, "\n"))
				}
				at += i
			}
		}
		if diff := cmp.Diff([]string{"poll 0s", "write 0s", "deliver 0s"}, got[:3]); diff != "" {
			t.Errorf("first tick (-want +got):\n%s", diff)
		}
		if j.count("deliver 2.5s")+j.count("flush 2.5s") != 1 {
			t.Errorf("the last batch was not delivered once:\n%s", strings.Join(got, "\n"))
		}
		if j.count("close last, own metrics: <nil>") != 1 {
			t.Errorf("the agent's own metrics ended before the plugins:\n%s", strings.Join(got, "\n"))
		}
		var rm metricdata.ResourceMetrics
		if err := reader.Collect(context.Background(), &rm); !errors.Is(err, sdkmetric.ErrReaderShutdown) {
			t.Errorf("collect after the end: got %v, want that the reader is shut down", err)
		}
	})
}

func TestATickUnderWayIsFinished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := new(journal)
		began := time.Now()
		src := func(ctx context.Context, b *measure.Batch) error {
			select {
			case <-time.After(2 * time.Second):
				b.Uint(new(measure.Series), 1)
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		out := func(_ context.Context, b *measure.Batch) error {
			j.add("%d samples to %v at %v", len(b.Samples), b.End.Sub(began), time.Since(began))
			return nil
		}
		// The context ends at 1 s, in the middle of the first poll.
		if err := runFor(t, time.Second, config(source("s", time.Minute, poll(src)), output("o", write(out))), RunOptions{}); err != nil {
			t.Fatal(err)
		}
		want := []string{"1 samples to 0s at 2s", "1 samples to 2s at 4s"}
		if diff := cmp.Diff(want, j.all()); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	})
}

func TestALongCallIsCutShortAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		wait := func(ctx context.Context, _ *measure.Batch) error { <-ctx.Done(); return ctx.Err() }
		var ends []time.Duration
		out := func(ctx context.Context, b *measure.Batch) error {
			ends = append(ends, b.End.Sub(began))
			return ctx.Err()
		}
		var log lockedBuffer
		err := runFor(t, time.Second, config(source("s", time.Hour, poll(wait)), output("o", write(out))), RunOptions{Log: testLog(&log)})
		if err != nil {
			t.Fatal(err)
		}
		// 5 s for the tick under way, 3 s of the last one for its polls.
		if got := time.Since(began); got != 9*time.Second {
			t.Errorf("ended after %v, want 9s", got)
		}
		if diff := cmp.Diff([]time.Duration{0, 6 * time.Second}, ends); diff != "" {
			t.Errorf("windows written (-want +got):\n%s", diff)
		}
		if log.count("plugin=o") != 0 {
			t.Error("the output got a context that had ended")
		}
	})
}

func TestNothingHangs(t *testing.T) {
	for _, tc := range []struct {
		name string
		want string
		make func(block func()) Enabled
	}{
		{"poll", "poll bad: not back 11s after", func(block func()) Enabled {
			return source("bad", time.Second, struct {
				plugin.Source
				*full
			}{poll(func(context.Context, *measure.Batch) error { block(); return nil }), unclosed()})
		}},
		{"write", "write bad: not back 11s after", func(block func()) Enabled {
			f := unclosed()
			f.Output = write(func(context.Context, *measure.Batch) error { block(); return nil })
			return output("bad", f)
		}},
		{"ready", "ready bad: not back 11s after", func(block func()) Enabled {
			f := unclosed()
			f.Output = write(idle)
			f.ready = func() error { block(); return nil }
			return output("bad", f)
		}},
		{"run", "run bad: not ended 5s after", func(block func()) Enabled {
			f := unclosed()
			f.Output = write(idle)
			f.run = func(context.Context) error { block(); return nil }
			return output("bad", f)
		}},
		{"close", "close bad: not done after 2s", func(block func()) Enabled {
			return output("bad", &full{Output: write(idle), run: untilEnd, close: func() error { block(); return nil }})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				free := make(chan struct{})
				calls := 0
				good := &full{Output: write(func(context.Context, *measure.Batch) error { calls++; return nil }), run: untilEnd}
				closed := false
				good.close = func() error { closed = true; return nil }
				began := time.Now()
				err := runFor(t, time.Second, config(source("s", time.Hour, poll(idle)), tc.make(func() { <-free }), output("good", good)), RunOptions{})
				if err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got error %v, want one with %q", err, tc.want)
				}
				if tc.name != "close" && err != nil && strings.Contains(err.Error(), "close") {
					t.Errorf("it was closed while it was at work: %v", err)
				}
				if got := time.Since(began); got > 30*time.Second {
					t.Errorf("ended after %v, want less than the 30 s that a pod gets", got)
				}
				if !closed {
					t.Error("the good plugin was not closed")
				}
				// What was blocked comes back: it must find that all is over.
				before := calls
				close(free)
				synctest.Wait()
				if calls != before {
					t.Errorf("plugins were called %d times after the end", calls-before)
				}
			})
		})
	}
}

// unclosed is a plugin that must not be closed, since it is still at work.
func unclosed() *full {
	return &full{run: untilEnd, close: func() error { panic("closed while it was at work") }}
}

func untilEnd(ctx context.Context) error { <-ctx.Done(); return nil }

func TestErrorsOfTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bad := func() *full {
			return &full{
				Output: write(idle),
				run:    func(ctx context.Context) error { <-ctx.Done(); return errors.New("2 batches not sent") },
				close:  func() error { panic("oops") },
			}
		}
		err := runFor(t, time.Second, config(source("s", time.Second, poll(idle)), output("a", bad()), output("b", bad())), RunOptions{})
		if err == nil {
			t.Fatal("want an error")
		}
		want := "run a: 2 batches not sent\nrun b: 2 batches not sent\nclose b: panic: oops\nclose a: panic: oops"
		if got := err.Error(); got != want {
			t.Errorf("got:\n%s\nwant:\n%s", got, want)
		}
	})
}

func TestOpenFails(t *testing.T) {
	for _, tc := range []struct {
		name string
		open func(context.Context, *plugin.Host) (any, error)
		want string
	}{
		{"error", func(context.Context, *plugin.Host) (any, error) { return nil, errBroken }, "open bad: broken"},
		{"panic", func(context.Context, *plugin.Host) (any, error) { panic("oops") }, "open bad: panic: oops"},
		{"wrong role", opens(poll(idle)), "open bad: it is listed as output, but Open returned agent.poll, which is none"},
		{"nil", opens(nil), "open bad: it is listed as output, but Open returned <nil>, which is none"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := new(journal)
				closes := func(name string) *full {
					return &full{
						Output: write(func(context.Context, *measure.Batch) error { j.add("write"); return nil }),
						run:    func(context.Context) error { j.add("run"); return nil },
						close:  func() error { j.add("close %s", name); return nil },
					}
				}
				bad := output("bad", nil)
				bad.Config = &stub{open: tc.open}
				err := Run(t.Context(), config(source("s", time.Second, poll(idle)), output("a", closes("a")), output("b", closes("b")), bad, output("c", closes("c"))), RunOptions{})
				if err == nil || err.Error() != tc.want {
					t.Errorf("got error %v, want %q", err, tc.want)
				}
				if diff := cmp.Diff([]string{"close b", "close a"}, j.all()); diff != "" {
					t.Errorf("calls (-want +got):\n%s", diff)
				}
			})
		})
	}
}
