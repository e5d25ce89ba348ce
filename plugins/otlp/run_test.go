package otlp

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"github.com/podjoule/podjoule/agent/plugin"
)

// ok is the answer of a receiver that takes all.
var ok = answer{code: "OK"}

// TestBackoff follows the waits between the attempts to send one request to a
// receiver that is down for two minutes.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var attempts []time.Time
		up := time.Now().Add(2 * time.Minute)
		o, host := open(t, defaults(), script(func(context.Context, []byte) (answer, error) {
			attempts = append(attempts, time.Now())
			if time.Now().Before(up) {
				return answer{code: "Unavailable", retry: true}, errDown
			}
			return ok, nil
		}))
		began := time.Now().UTC()
		write(t, o, count(ofPod(cpuTime, "a"), 0))
		run(t, o)
		pass(time.Minute)
		want := "collector is down (since " + began.Format(time.RFC3339) + ")"
		if err := o.Ready(); !errors.Is(err, errDown) || err.Error() != want {
			t.Errorf("Ready is %v, want %q", err, want)
		}
		pass(2 * time.Minute)
		if err := o.Ready(); err != nil {
			t.Errorf("Ready is %v after it recovered", err)
		}
		for i, step := range []time.Duration{1, 2, 4, 8, 16, 30} {
			step *= time.Second
			if wait := attempts[i+1].Sub(attempts[i]); wait < step || wait > step+step/4 {
				t.Errorf("wait %d is %v, want %v or up to a quarter more", i, wait, step)
			}
		}
		if n := int64(len(attempts)); host.Counter(t, "podjoule.otlp.requests") != n ||
			host.Counter(t, "podjoule.otlp.requests", attribute.String("code", "Unavailable")) != n-1 {
			t.Errorf("the counter of requests does not tell the %d attempts", n)
		}
		if got := host.Counter(t, "podjoule.otlp.points"); got != 1 {
			t.Errorf("%d points are counted as sent, want 1", got)
		}
		if got := host.Counter(t, "podjoule.otlp.dropped_requests"); got != 0 {
			t.Errorf("%d requests are counted as dropped, want none", got)
		}
	})
}

// TestAskedWait shows that a receiver's wish is honoured, within reason.
func TestAskedWait(t *testing.T) {
	for asked, want := range map[time.Duration]time.Duration{
		0:                  time.Second,
		time.Millisecond:   time.Second,
		90 * time.Second:   90 * time.Second,
		1000 * time.Hour:   maxAsked,
		-1000 * time.Hour:  time.Second,
		1500 * time.Second: maxAsked,
	} {
		for range 20 {
			now, next := answer{after: asked}.wait(firstWait)
			if now < want || now > want+want/4 || next != 2*firstWait {
				t.Errorf("asked for %v: waits %v, then from %v; want %v or up to a quarter more", asked, now, next, want)
			}
		}
	}
}

// TestRefused shows that a final answer costs just the request that it is
// about, and shows until another one is taken.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		errRefused := errors.New("refused")
		o, host := open(t, defaults(), script(func(context.Context, []byte) (answer, error) {
			if n++; n == 1 {
				return answer{code: "InvalidArgument"}, errRefused
			}
			return ok, nil
		}))
		s := ofPod(cpuTime, "a")
		run(t, o)
		write(t, o, count(s, 0))
		synctest.Wait()
		if err := o.Ready(); !errors.Is(err, errRefused) {
			t.Errorf("Ready is %v, want the refusal", err)
		}
		if got := host.Counter(t, "podjoule.otlp.dropped_requests", attribute.String("reason", "answer")); got != 1 {
			t.Errorf("%d requests are counted as dropped, want 1", got)
		}
		write(t, o, count(s, 1))
		synctest.Wait()
		if err := o.Ready(); err != nil || n != 2 {
			t.Errorf("Ready is %v after %d attempts, want nil after 2", err, n)
		}
	})
}

// TestPartialSuccess shows that what a receiver did not take is counted, told
// and not sent again, and that impossible numbers do no harm.
func TestPartialSuccess(t *testing.T) {
	for _, tt := range []struct{ rejected, want int64 }{{0, 0}, {1, 1}, {2, 2}, {99, 2}, {-5, 0}} {
		synctest.Test(t, func(t *testing.T) {
			n := 0
			o, host := open(t, defaults(), script(func(context.Context, []byte) (answer, error) {
				n++
				return answer{code: "OK", rejected: tt.rejected, message: "too old"}, nil
			}))
			b := tick(0)
			b.Uint(ofPod(cpuTime, "a"), 1)
			b.Uint(ofPod(cpuTime, "b"), 1)
			write(t, o, b)
			run(t, o)
			pass(time.Hour)
			if n != 1 {
				t.Errorf("rejected %d: sent %d times, want once", tt.rejected, n)
			}
			if got := host.Counter(t, "podjoule.otlp.rejected_points"); got != tt.want {
				t.Errorf("rejected %d: %d points are counted as rejected, want %d", tt.rejected, got, tt.want)
			}
			if got := host.Counter(t, "podjoule.otlp.points"); got != 2-tt.want {
				t.Errorf("rejected %d: %d points are counted as sent, want %d", tt.rejected, got, 2-tt.want)
			}
			if err := o.Ready(); (err != nil) != (tt.want > 0) {
				t.Errorf("rejected %d: Ready is %v", tt.rejected, err)
			} else if err != nil && !strings.Contains(err.Error(), `"too old"`) {
				t.Errorf("rejected %d: Ready is %v, want the receiver's message in it", tt.rejected, err)
			}
		})
	}
}

// TestSlowReceiver shows that Write goes on while a request hangs, and that the
// oldest of the others give way.
func TestSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got [][]int64
		slow := make(chan struct{})
		s := ofPod(cpuTime, "a")
		requests, err := newBuilder(defaults(), "test", instance()).requests(count(s, 0), noSelf(), maxRequest)
		if err != nil {
			t.Fatal(err)
		}
		size := len(requests[0].body)
		c := defaults()
		c.QueueBytes = 3 * size
		o, host := open(t, c, script(func(_ context.Context, body []byte) (answer, error) {
			<-slow
			got = append(got, values(decode(t, body)))
			return ok, nil
		}))
		write(t, o, count(s, 0))
		run(t, o)
		synctest.Wait()
		write(t, o, count(s, 1), count(s, 2))
		for i := 3; i < 6; i++ {
			err := o.Write(t.Context(), count(s, i))
			if err == nil || !strings.Contains(err.Error(), "dropped 1 requests with 1 points: http://collector:4317 is down or too slow") {
				t.Errorf("write %d: got error %v, want one that tells the loss", i, err)
			}
		}
		if got := host.Counter(t, "podjoule.otlp.queue.bytes"); got != int64(3*size) {
			t.Errorf("the queue is counted with %d bytes, want %d", got, 3*size)
		}
		if got := host.Counter(t, "podjoule.otlp.dropped_requests", attribute.String("reason", "queue_full")); got != 3 {
			t.Errorf("%d requests are counted as dropped, want 3", got)
		}
		close(slow)
		synctest.Wait()
		if diff := cmp.Diff([][]int64{{1}, {5}, {6}}, got); diff != "" {
			t.Errorf("received (-want +got):\n%s", diff)
		}
		if got := host.Counter(t, "podjoule.otlp.queue.bytes"); got != 0 {
			t.Errorf("the empty queue is counted with %d bytes", got)
		}
	})
}

// TestTimeout shows that an attempt ends by itself.
func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := defaults()
		c.Timeout = 3e9
		var took []time.Duration
		o, _ := open(t, c, script(func(ctx context.Context, _ []byte) (answer, error) {
			began := time.Now()
			<-ctx.Done()
			took = append(took, time.Since(began))
			return answer{retry: true}, ctx.Err()
		}))
		write(t, o, count(ofPod(cpuTime, "a"), 0))
		run(t, o)
		pass(8 * time.Second) // 3 s, a wait from 1 s to 1.25 s, 3 s
		if want := []time.Duration{3 * time.Second, 3 * time.Second}; !slices.Equal(took, want) {
			t.Errorf("attempts took %v, want %v", took, want)
		}
	})
}

// TestDrain ends Run in every state that it can be in, with three requests
// written, and looks at what was delivered, how long it took and what it told.
func TestDrain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		export script
		after  time.Duration // when Run's context ends
		took   time.Duration // until it returned
		tries  int
		lost   int64
		err    string
	}{
		{name: "all is sent",
			export: func(context.Context, []byte) (answer, error) { return ok, nil }, tries: 3},
		{name: "each takes a second",
			export: func(ctx context.Context, _ []byte) (answer, error) { return ok, sleep(ctx, time.Second) },
			took:   3 * time.Second, tries: 3},
		{name: "under way",
			export: func(ctx context.Context, _ []byte) (answer, error) { return ok, sleep(ctx, 2*time.Second) },
			after:  3 * time.Second, took: 3 * time.Second, tries: 3},
		{name: "too slow",
			export: func(ctx context.Context, _ []byte) (answer, error) {
				if err := sleep(ctx, 3*time.Second); err != nil {
					return answer{code: "Canceled", retry: true}, err
				}
				return ok, nil
			},
			took: drainTime, tries: 2, lost: 2,
			err: "2 requests with 2 points could not be sent before the end: context canceled"},
		{name: "down from the start",
			export: func(context.Context, []byte) (answer, error) { return answer{retry: true}, errDown },
			tries:  3, lost: 3,
			err: "3 requests with 3 points could not be sent before the end: collector is down"},
		{name: "between attempts",
			export: func(context.Context, []byte) (answer, error) {
				return answer{retry: true, after: time.Minute}, errDown
			},
			after: time.Second, tries: 4, lost: 3,
			err: "3 requests with 3 points could not be sent before the end: collector is down"},
		{name: "refused at the end",
			export: func(context.Context, []byte) (answer, error) { return answer{}, errDown }, tries: 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				o, host := open(t, defaults(), script(func(ctx context.Context, body []byte) (answer, error) {
					tries++
					return tt.export(ctx, body)
				}))
				s := ofPod(cpuTime, "a")
				write(t, o, count(s, 0), count(s, 1), count(s, 2))
				ctx, cancel := context.WithTimeout(context.Background(), tt.after)
				defer cancel()
				began := time.Now().Add(tt.after)
				err := o.Run(ctx)
				if took := time.Since(began); took != tt.took {
					t.Errorf("Run returned %v after the end, want %v", took, tt.took)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("Run returned %v, want %q", err, tt.err)
				}
				if tries != tt.tries {
					t.Errorf("%d attempts, want %d", tries, tt.tries)
				}
				if got := host.Counter(t, "podjoule.otlp.dropped_requests", attribute.String("reason", "shutdown")); got != tt.lost {
					t.Errorf("%d requests are counted as dropped, want %d", got, tt.lost)
				}
				if o.queue.Stats().Bytes != 0 {
					t.Errorf("%d bytes are left in the queue", o.queue.Stats().Bytes)
				}
			})
		})
	}
}

// What waits is left to the output that replaces this one, and not where the agent ends before.
func TestReplaced(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cause error
		other bool // there is one that replaces it
		left  int
		tries int
	}{
		{name: "replaced", cause: plugin.ErrReplaced, other: true, left: 2},
		{name: "replaced, with a queue of its own", cause: plugin.ErrReplaced, tries: 2},
		{name: "the end comes before", other: true, tries: 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tries := 0
			down := script(func(context.Context, []byte) (answer, error) { tries++; return answer{retry: true}, errDown })
			o, host := open(t, defaults(), down)
			s := ofPod(cpuTime, "a")
			write(t, o, count(s, 0), count(s, 1))
			if tt.other {
				with := *host.Host
				with.Replaces = o
				other, err := newOutput(defaults(), &with, endpoint{}, down)
				if err != nil {
					t.Fatal(err)
				}
				defer other.Close()
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(tt.cause)
			if err := o.Run(ctx); (err == nil) != (tt.left > 0) {
				t.Errorf("Run returned %v", err)
			}
			if left := o.queue.Stats().Waiting.Entries; left != tt.left || tries != tt.tries {
				t.Errorf("%d requests are left after %d attempts, want %d after %d", left, tries, tt.left, tt.tries)
			}
		})
	}
}

// sleep waits, or until the context ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
