package agent

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// start runs an agent with a listener on the loopback and returns its address
// and what ends it.
func start(t *testing.T, cfg *Config, opts RunOptions) (address string, stop func() error) {
	t.Helper()
	cfg.Agent.Listen = "127.0.0.1:0"
	ctx, cancel := context.WithCancel(t.Context())
	listening, ended := make(chan net.Addr, 1), make(chan error, 1)
	opts.Listening = func(a net.Addr) { listening <- a }
	go func() { ended <- Run(ctx, cfg, opts) }()
	t.Cleanup(cancel)
	select {
	case a := <-listening:
		return "http://" + a.String(), func() error { cancel(); return <-ended }
	case err := <-ended:
		t.Fatalf("run: %v", err)
		return "", nil
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func TestPages(t *testing.T) {
	polls := make(chan struct{}, 100)
	src := func(context.Context, *measure.Batch) error { polls <- struct{}{}; return nil }
	paged := output("pages", nil)
	paged.Config = &stub{open: func(_ context.Context, h *plugin.Host) (any, error) {
		answer := func(text string) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
		}
		for _, p := range []plugin.Page{
			{Path: "/metrics", Doc: "what was measured", Handler: answer("numbers")},
			{Path: "/a/b", Doc: "more", Handler: answer("more")},
		} {
			if err := h.Handle(p); err != nil {
				return nil, err
			}
		}
		return write(idle), nil
	}}
	address, stop := start(t, config(source("s", time.Hour, poll(src)), paged), RunOptions{Version: "v1.2.3"})
	<-polls // the first tick
	for _, tc := range []struct {
		path string
		code int
		body string
	}{
		{"/metrics", 200, "numbers"},
		{"/a/b", 200, "more"},
		{"/healthz", 200, "ok\n"},
		{"/metrics/", 404, "404 page not found\n"},
		{"/a", 404, "404 page not found\n"},
		{"/nothing", 404, "404 page not found\n"},
		{"/..", 404, "404 page not found\n"},
	} {
		if code, body := get(t, address+tc.path); code != tc.code || body != tc.body {
			t.Errorf("GET %s: got %d %q, want %d %q", tc.path, code, body, tc.code, tc.body)
		}
	}
	code, landing := get(t, address+"/")
	if code != 200 {
		t.Errorf("GET /: got %d", code)
	}
	for _, part := range []string{"v1.2.3", `href="/metrics"`, "what was measured", `href="/a/b"`, `href="/healthz"`, `href="/readyz"`} {
		if !strings.Contains(landing, part) {
			t.Errorf("landing page has no %q:\n%s", part, landing)
		}
	}
	if strings.Contains(landing, "debug/pprof") {
		t.Error("landing page links to profiles, which are not served")
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if n := len(polls); n != 1 {
		t.Errorf("polled %d times besides the first tick, want the last tick only: pages never measure", n)
	}
	if c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://")); err == nil {
		c.Close()
		t.Error("the listener still answers after the end")
	}
}

func TestHandleRefuses(t *testing.T) {
	ok := http.NotFoundHandler()
	for _, tc := range []struct {
		name string
		page plugin.Page
		want string
	}{
		{"landing page", plugin.Page{Path: "/", Handler: ok}, "the path / is taken by the agent"},
		{"healthz", plugin.Page{Path: "/healthz", Handler: ok}, "the path /healthz is taken by the agent"},
		{"readyz", plugin.Page{Path: "/readyz", Handler: ok}, "the path /readyz is taken by the agent"},
		{"twice", plugin.Page{Path: "/metrics", Handler: ok}, "the path /metrics is taken by prometheus"},
		{"relative", plugin.Page{Path: "metrics", Handler: ok}, "want a plain absolute path"},
		{"empty", plugin.Page{Handler: ok}, "want a plain absolute path"},
		{"not clean", plugin.Page{Path: "/a/../b", Handler: ok}, "want a plain absolute path"},
		{"slash at the end", plugin.Page{Path: "/a/", Handler: ok}, "want a plain absolute path"},
		{"query", plugin.Page{Path: "/a?b", Handler: ok}, "want a plain absolute path"},
		{"markup", plugin.Page{Path: "/<b>", Handler: ok}, "want a plain absolute path"},
		{"no handler", plugin.Page{Path: "/x"}, "the page /x has no handler"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s, err := listen(t.Context(), Settings{Listen: "127.0.0.1:0"})
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.release(); err != nil {
					t.Error(err)
				}
			}()
			s.own(new(probes).pages()...)
			pages := s.newPages(nil)
			if err := pages.add("prometheus", plugin.Page{Path: "/metrics", Handler: ok}); err != nil {
				t.Fatal(err)
			}
			if err := pages.add("p", tc.page); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestHandleTooLateOrWithoutListener(t *testing.T) {
	page := plugin.Page{Path: "/metrics", Handler: http.NotFoundHandler()}
	var handle func(plugin.Page) error
	keeps := output("o", nil)
	keeps.Config = &stub{open: func(_ context.Context, h *plugin.Host) (any, error) {
		handle = h.Handle
		return write(idle), nil
	}}
	_, stop := start(t, config(source("s", time.Hour, poll(idle)), keeps), RunOptions{})
	if err := handle(page); err == nil || !strings.Contains(err.Error(), "too late") {
		t.Errorf("page after opening: got %v, want that it is too late", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	keeps.Config = &stub{open: func(_ context.Context, h *plugin.Host) (any, error) { return nil, h.Handle(page) }}
	err := Run(t.Context(), config(source("s", time.Hour, poll(idle)), keeps), RunOptions{})
	want := `open o: there is no listener for the page /metrics: set listen in the table [agent], for example to ":9464"`
	if err == nil || err.Error() != want {
		t.Errorf("page without a listener: got %v, want %s", err, want)
	}
}

func TestAddressTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cfg := config(source("s", time.Hour, poll(idle)))
	cfg.Plugins[0].Config = &stub{interval: time.Hour, open: func(context.Context, *plugin.Host) (any, error) {
		t.Error("a plugin was opened before the address was taken")
		return poll(idle), nil
	}}
	cfg.Agent.Listen = l.Addr().String()
	err = Run(t.Context(), cfg, RunOptions{})
	if err == nil {
		t.Fatal("want an error")
	}
	for _, part := range []string{"agent.listen", l.Addr().String(), "address already in use", `choose another address for listen in the table [agent], or "" for none`} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestRequestsUnderWayAreFinished(t *testing.T) {
	entered, ending := make(chan struct{}), make(chan struct{})
	var address string
	done := false
	slow := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-ending
		for { // until the listener is closed, which comes before the wait for requests
			c, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
			if err != nil {
				break
			}
			c.Close()
		}
		_, _ = io.WriteString(w, "the end")
		done = true
	})
	out := output("o", nil)
	out.Config = &stub{open: func(_ context.Context, h *plugin.Host) (any, error) {
		run := func(ctx context.Context) error { <-ctx.Done(); close(ending); return nil }
		return &full{Output: write(idle), run: run}, h.Handle(plugin.Page{Path: "/slow", Handler: slow})
	}}
	var log lockedBuffer
	address, stop := start(t, config(source("s", time.Hour, poll(idle)), out), RunOptions{Log: testLog(&log)})
	body := make(chan string)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		res, err := client.Get(address + "/slow")
		if err != nil {
			body <- err.Error()
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		body <- string(text)
	}()
	<-entered
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := <-body; got != "the end" {
		t.Errorf("got %q", got)
	}
	if !done {
		t.Error("the agent ended before the request")
	}
	if log.count("listener ended") != 0 {
		t.Error("the listener was torn down and not shut down")
	}
}

// TestNothingIsLeftOver looks for goroutines after the end. The tests in
// bubbles do so, too: a bubble fails when a goroutine is left.
func TestNothingIsLeftOver(t *testing.T) {
	f := &full{Output: write(idle), run: untilEnd}
	address, stop := start(t, config(source("s", time.Millisecond, poll(idle)), output("o", f)), RunOptions{})
	get(t, address+"/")
	if err := stop(); err != nil {
		t.Error(err)
	}
	// A goroutine that has said that it ends takes a moment to be gone.
	for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
		left := goroutinesOfOurs(t)
		if left == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("goroutines are left:\n%s", left)
		}
	}
}

func goroutinesOfOurs(t *testing.T) string {
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	var ours []string
	for _, stack := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(stack, "podjoule/agent.") && !strings.Contains(stack, t.Name()) {
			ours = append(ours, stack)
		}
	}
	return strings.Join(ours, "\n\n")
}
