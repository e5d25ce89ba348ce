package remotewrite

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

const writtenHeader = "X-Prometheus-Remote-Write-Samples-Written"

// reset cuts the connection without an answer.
func reset(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// hang says nothing until the sender gives up.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// Each fault, and what becomes of the three samples: taken at last, or refused for
// good and counted. Nothing is sent twice after it was taken (A21).
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		answer   http.HandlerFunc
		version  string
		attempts int
		taken    int64
		code     string
		says     string
	}{
		{"500", code(500), Version2, 2, 3, "500", "the reason"},
		{"503 and when to come back", code(503, "Retry-After", "2"), Version2, 2, 3, "503", "overloaded"},
		{"429", code(429), Version2, 2, 3, "429", "overloaded"},
		{"connection reset", reset, Version2, 2, 3, "no_answer", "does a receiver of remote write listen there"},
		{"no answer in time", hang, Version2, 2, 3, "no_answer", "raise timeout"},
		{"400", code(400), Version2, 1, 0, "400", "the reason"},
		{"400, but one was taken", code(400, writtenHeader, "1"), Version2, 1, 1, "400", "the reason"},
		{"400, and nonsense", code(400, writtenHeader, "-7"), Version2, 1, 0, "400", "the reason"},
		{"401", code(401), Version2, 1, 0, "401", "credentials"},
		{"404", code(404), Version2, 1, 0, "404", "--web.enable-remote-write-receiver"},
		{"415", code(415), Version2, 1, 0, "415", `protocol_version = "1.0"`},
		{"302", code(302, "Location", "/elsewhere"), Version2, 1, 0, "302", "redirects are not followed"},
		{"200 from one that does not know 2.0", code(200), Version2, 1, 0, "200", `protocol_version = "1.0"`},
		{"200, one left out", code(200, writtenHeader, "2"), Version2, 1, 2, "200", "took 2 of 3"},
		{"200, more than there was", code(200, writtenHeader, "99"), Version2, 1, 3, "200", ""},
		{"200 by version 1.0", code(200), Version1, 1, 3, "200", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			r := newReceiver(t)
			r.answers <- tt.answer
			c := config(r.server.URL + "/write?secret=s3cret")
			c.ProtocolVersion = tt.version
			c.Timeout = plugin.Duration(300 * time.Millisecond)
			out := start(t, c, n.metrics()...)
			if err := out.Write(t.Context(), batch(0, n.sample)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first answer", func() bool {
				return out.host.Counter(t, "podjoule.remotewrite.requests", attribute.String("code", tt.code)) == 1
			})
			err := out.Ready()
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("Ready: %v", err)
			case tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("Ready: %v, want that %s", err, tt.says)
			case err != nil && strings.Contains(err.Error(), "s3cret"):
				t.Errorf("Ready tells the query: %v", err)
			}
			eventually(t, "an empty queue", func() bool { return out.queue.Stats().Waiting.Entries == 0 })
			if err := out.stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
			if got := r.tries(); got != tt.attempts {
				t.Errorf("%d attempts, want %d", got, tt.attempts)
			}
			taken, rejected := out.host.Counter(t, "podjoule.remotewrite.samples"), out.host.Counter(t, "podjoule.remotewrite.rejected_samples")
			if taken != tt.taken || taken+rejected != 3 {
				t.Errorf("%d samples taken and %d rejected, want %d and the rest of 3", taken, rejected, tt.taken)
			}
			if tt.attempts == 2 && len(r.all()) != 3 {
				t.Errorf("received %d samples, want 3", len(r.all()))
			}
			if after := tt.name == "503 and when to come back"; after && r.attempts[1].Sub(r.attempts[0]) < 2*time.Second {
				t.Errorf("came back after %v, want 2s or more", r.attempts[1].Sub(r.attempts[0]))
			}
		})
	}
}

// While the receiver is away the oldest requests give way, and it is counted: sent =
// taken + refused + dropped.
func TestReceiverIsAway(t *testing.T) {
	n := newNode()
	r := newReceiver(t)
	for range 50 {
		r.answers <- code(503)
	}
	out := start(t, config(r.server.URL), n.metrics()...)
	if err := out.Write(t.Context(), batch(0, n.sample)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first attempt", func() bool { return r.tries() == 1 })
	if err := out.Write(t.Context(), batch(1, n.sample)); err != nil {
		t.Fatal(err)
	}
	err := out.stop()
	if err == nil || !strings.Contains(err.Error(), "2 requests with 6 samples could not be sent") {
		t.Errorf("Run: error %v, want one that tells what is lost", err)
	}
	if got := out.host.Counter(t, "podjoule.remotewrite.dropped_samples", attribute.String("reason", "shutdown")); got != 6 {
		t.Errorf("%d samples dropped, want 6", got)
	}
}

// With a folder, what the receiver did not take is delivered by the next process, in
// order, whatever version is configured then.
func TestQueueOutlivesTheProcess(t *testing.T) {
	n := newNode()
	r := newReceiver(t)
	for range 50 {
		r.answers <- code(503)
	}
	c := config(r.server.URL)
	c.QueueDir = t.TempDir()
	out := start(t, c, n.metrics()...)
	for i := range 3 {
		if err := out.Write(t.Context(), batch(i, n.sample)); err != nil {
			t.Fatal(err)
		}
	}
	if err := out.stop(); err != nil {
		t.Errorf("Run: %v, though nothing is lost", err)
	}
	for len(r.answers) > 0 {
		<-r.answers
	}
	c.ProtocolVersion = Version1
	out = start(t, c, n.metrics()...)
	eventually(t, "what was left", func() bool { return len(r.all()) == 9 })
	times := make([]int64, 0, 9)
	for _, g := range r.all() {
		times = append(times, g.time)
	}
	if !slices.IsSorted(times) {
		t.Errorf("out of order: %v", times)
	}
	if err := out.stop(); err != nil {
		t.Error(err)
	}
}

// What waits is left to the output that replaces this one, and not where the agent ends before.
func TestReplaced(t *testing.T) {
	n := newNode()
	r := newReceiver(t)
	for range 50 {
		r.answers <- code(503)
	}
	c := config(r.server.URL)
	host := plugintest.NewHost(t, n.metrics()...)
	opened := func() *output {
		value, err := c.Open(t.Context(), host.Host)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = value.(*output).Close() })
		return value.(*output)
	}
	old := opened()
	if err := old.Write(t.Context(), batch(0, n.sample)); err != nil {
		t.Fatal(err)
	}
	host.Replaces = old
	next := opened()
	replaced, cancel := context.WithCancelCause(t.Context())
	cancel(plugin.ErrReplaced)
	if err := old.Run(replaced); err != nil || next.queue.Stats().Waiting.Entries != 1 {
		t.Errorf("Run: %v, and %+v is left", err, next.queue.Stats())
	}
	end, cancelAll := context.WithCancel(t.Context())
	cancelAll()
	if err := old.Run(end); err == nil || next.queue.Stats().Waiting.Entries != 0 {
		t.Errorf("at the end, Run: %v, and %+v is left", err, next.queue.Stats())
	}
}
