package prometheus

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
)

// pipes is a listener whose connections are in memory.
type pipes struct {
	accepted chan net.Conn
	closed   chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.accepted:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { close(p.closed); return nil }
func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// ask sends a request over a connection of its own and reads all of the answer.
func (p *pipes) ask(t *testing.T) (int, string) {
	t.Helper()
	ours, theirs := net.Pipe()
	defer ours.Close()
	p.accepted <- theirs
	if _, err := io.WriteString(ours, "GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n"); err != nil {
		t.Error(err)
		return 0, ""
	}
	answer, err := http.ReadResponse(bufio.NewReader(ours), nil)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return answer.StatusCode, string(body)
}

// A callback of a plugin hangs: every scraper is told so in time by a real server, the flood is
// refused, and all is well when the callback is back.
func TestWrittenScrapeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := openInstrumented(t, nil)
		hang := make(chan struct{})
		_, err := p.host.Meter.Int64ObservableGauge("hangs", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			<-hang
			o.Observe(1)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		l := &pipes{accepted: make(chan net.Conn), closed: make(chan struct{})}
		server := &http.Server{Handler: p.host.Mux}
		over := make(chan struct{})
		go func() {
			defer close(over)
			_ = server.Serve(l)
		}()
		begun := time.Now()
		var scrapes sync.WaitGroup
		for range maxScrapes {
			scrapes.Go(func() {
				code, body := l.ask(t)
				if code != http.StatusServiceUnavailable || body != "Exceeded configured timeout of 10s.\n" {
					t.Errorf("a scrape that hangs: status %d, %q", code, body)
				}
			})
		}
		scrapes.Wait()
		if took := time.Since(begun); took != scrapeTimeout {
			t.Errorf("given up after %v, want %v", took, scrapeTimeout)
		}
		if code, body := l.ask(t); code != http.StatusServiceUnavailable || !strings.Contains(body, "Limit of concurrent requests reached (16)") {
			t.Errorf("one scrape too many: status %d, %q", code, body)
		}
		close(hang)
		synctest.Wait()
		for range 2 * maxScrapes { // every place is free again
			if code, body := l.ask(t); code != http.StatusOK || !strings.Contains(body, "\nhangs 1\n") {
				t.Errorf("when the callback is back: status %d, %q", code, body)
			}
		}
		_ = server.Close()
		<-over
	})
}

// A place is given back whatever a scrape comes to: written, gathered, and a panic.
func TestPlacesAreGivenBack(t *testing.T) {
	m := newMetrics()
	p, _ := openInstrumented(t, nil, m.all()...)
	panics := false
	_, err := p.host.Meter.Int64ObservableGauge("panics", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		if panics {
			panic("a defect")
		}
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	scrape := func(target, accept string) (code int) {
		defer func() { _ = recover() }() // as a server does
		return get(t, p.host.Mux, target, http.Header{"Accept": {accept}}).Code
	}
	for range 2 * maxScrapes {
		panics = false
		for _, target := range []string{"/metrics", "/metrics?name[]=podjoule_x"} {
			if code := scrape(target, openMetrics); code != http.StatusOK {
				t.Fatalf("%s: status %d", target, code)
			}
		}
		panics = true
		if code := scrape("/metrics", text); code == http.StatusOK {
			t.Fatal("no panic")
		}
	}
}

func TestNegotiationIsRemembered(t *testing.T) {
	p := openDefault(t, &measure.Metric{Name: "m"})
	for _, accept := range accepts() {
		p.sameAsReference(t, "/metrics", accept, accept, "", accept)
	}
}

// A handler that is back late adds nothing to the answer that was given in its stead.
func TestLateScrapeIsAnsweredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := openInstrumented(t, nil)
		_, err := p.host.Meter.Int64ObservableGauge("slow", metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			time.Sleep(2 * scrapeTimeout)
			o.Observe(1)
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		w := get(t, p.host.Mux, "/metrics", nil)
		if w.Code != http.StatusServiceUnavailable || w.Body.String() != tooLate() || !w.Flushed {
			t.Errorf("status %d, flushed %v, %q", w.Code, w.Flushed, w.Body)
		}
	})
}
