package remotewrite

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

// speaks is a listener that reads so many bytes of each connection, answers with a text and
// resets it.
func speaks(t *testing.T, after int64, text string) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.CopyN(io.Discard, c, after)
			_, _ = io.WriteString(c, text)
			if text == "" {
				_ = c.(*net.TCPConn).SetLinger(0)
			}
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return l.Addr().String()
}

// TestUnreachable looks for a receiver where there is none, on a real network: Write is not
// late, all samples wait, and what is told has the remedy.
func TestUnreachable(t *testing.T) {
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	silent, err := net.Listen("tcp", "127.0.0.1:0") // the kernel connects, and nobody accepts
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	for _, tt := range []struct{ name, url, want string }{
		{"nobody listens", "http://127.0.0.1:1/", "does a receiver of remote write listen there?"},
		{"no such name", "http://receiver.invalid/", "does the name in url exist?"},
		{"another protocol", "http://" + speaks(t, 10, "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00"), "does a receiver of remote write listen there?"},
		{"reset in mid-body", "http://" + speaks(t, 400, ""), "does a receiver of remote write listen there?"},
		{"plain text behind https", strings.Replace(plain.URL, "http", "https", 1), "write http:// in url"},
		{"silent", "http://" + silent.Addr().String(), "raise timeout"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNode()
			c := config(tt.url)
			c.Timeout = plugin.Duration(2 * time.Second)
			out := start(t, c, n.metrics()...)
			for i := range 3 {
				began := time.Now()
				if err := out.Write(t.Context(), batch(i, n.sample)); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); took > time.Second { // an attempt may take 2 s
					t.Errorf("Write took %v", took)
				}
			}
			eventually(t, "the complaint", func() bool { return out.Ready() != nil })
			if err := out.Ready(); !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Ready: %v, want %s", err, tt.want)
			}
			if got := out.queue.Stats().Waiting.Points; got != 9 {
				t.Errorf("%d samples wait, want all 9", got)
			}
		})
	}
}
