package token_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/token"
)

// server is an API server that accepts one token and notes the Authorization
// header and the body of each request.
type server struct {
	mu       sync.Mutex
	accepts  string // "" = any request
	onRefuse func() // runs before a 401 is sent
	redirect func(path string) (target string)
	headers  []string
	bodies   []string
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	body, _ := io.ReadAll(r.Body)
	s.headers = append(s.headers, r.Header.Get("Authorization"))
	s.bodies = append(s.bodies, string(body))
	if s.accepts != "" && r.Header.Get("Authorization") != "Bearer "+s.accepts {
		if s.onRefuse != nil {
			s.onRefuse()
		}
		w.WriteHeader(http.StatusUnauthorized)
		io.WriteString(w, "who are you?")
		return
	}
	if s.redirect != nil {
		http.Redirect(w, r, s.redirect(r.URL.Path), http.StatusTemporaryRedirect)
		return
	}
	io.WriteString(w, "welcome")
}

func (s *server) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

func (s *server) seenBodies() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

// start serves over TLS, or over plain HTTP as kubectl proxy does, and returns
// a transport whose token is in the file at path.
func start(t *testing.T, h http.Handler, https bool, path string) (*httptest.Server, *token.Transport) {
	t.Helper()
	ts := httptest.NewUnstartedServer(h)
	ts.Config.ErrorLog = log.New(io.Discard, "", 0) // says when a client hangs up early
	if https {
		ts.StartTLS()
	} else {
		ts.Start()
	}
	t.Cleanup(ts.Close)
	return ts, &token.Transport{
		Base:   ts.Client().Transport,
		Source: token.New(token.Config{Strategy: token.File, File: path}),
		Server: mustParse(t, ts.URL),
	}
}

func mustParse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// get sends a GET request and wants the status and body of the answer.
func get(t *testing.T, tr http.RoundTripper, url string, status int, body string) {
	t.Helper()
	resp, err := (&http.Client{Transport: tr}).Get(url)
	if err != nil {
		t.Errorf("get %s: %v", url, err)
		return
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status || string(got) != body {
		t.Errorf("got %d %q and %v, want %d %q", resp.StatusCode, got, err, status, body)
	}
}

func wantHeaders(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Authorization headers (-want +got):\n%s", diff)
	}
}

func TestTransport(t *testing.T) {
	s := &server{accepts: "secret"}
	ts, tr := start(t, s, true, write(t, filepath.Join(t.TempDir(), "token"), "secret\n"))
	req, err := http.NewRequest("GET", ts.URL+"/api/v1/pods", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Errorf("status %d", resp.StatusCode)
	}
	if len(req.Header) > 0 || len(resp.Request.Header) > 0 {
		t.Errorf("the caller's request now has %v, the answer's %v", req.Header, resp.Request.Header)
	}
	req.Header = nil // as some callers make it
	if resp, err := tr.RoundTrip(req); err != nil {
		t.Error(err)
	} else {
		resp.Body.Close()
	}
	wantHeaders(t, s.seen(), "Bearer secret", "Bearer secret")
}

func TestTransportLeavesOtherCredentials(t *testing.T) {
	s := &server{accepts: "secret"}
	ts, tr := start(t, s, true, "/nonexistent")
	req, err := http.NewRequest("GET", ts.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Basic abc")
	resp, err := tr.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	wantHeaders(t, s.seen(), "Basic abc")
	if got := tr.Source.Stats().Retrievals; got != 0 {
		t.Errorf("%d retrievals", got)
	}
}

// The token was rotated since it was read: one repeat, and the caller sees
// nothing of it.
func TestTransportRotated(t *testing.T) {
	volume := kubelet{t, t.TempDir()}
	path := volume.rotate("..1", "old")
	s := &server{accepts: "new"}
	s.onRefuse = sync.OnceFunc(func() { volume.rotate("..2", "new") })
	ts, tr := start(t, s, true, path)
	get(t, tr, ts.URL, 200, "welcome")
	get(t, tr, ts.URL, 200, "welcome")
	wantHeaders(t, s.seen(), "Bearer old", "Bearer new", "Bearer new")
	want := token.Stats{Retrievals: 2, Renewals: 1}
	if got := tr.Source.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Many requests at once meet the rotation: each comes through.
func TestTransportRotatedUnderLoad(t *testing.T) {
	volume := kubelet{t, t.TempDir()}
	path := volume.rotate("..1", "old")
	s := &server{accepts: "new"}
	s.onRefuse = sync.OnceFunc(func() { volume.rotate("..2", "new") })
	ts, tr := start(t, s, true, path)
	var done sync.WaitGroup
	for range 50 {
		done.Go(func() { get(t, tr, ts.URL, 200, "welcome") })
	}
	done.Wait()
	if got := tr.Source.Stats().Renewals; got != 1 {
		t.Errorf("%d renewals, want 1", got)
	}
}

func TestTransportKubectlRenewed(t *testing.T) {
	dir := kubectl(t, counting)
	s := &server{accepts: "token-2"}
	ts, tr := start(t, s, true, "")
	tr.Source = token.New(token.Config{Strategy: token.Kubectl})
	get(t, tr, ts.URL, 200, "welcome")
	wantHeaders(t, s.seen(), "Bearer token-1", "Bearer token-2")
	wantRuns(t, dir, 2)
}

// There is one repeat, not more, and none with a token that was just refused.
func TestTransportRefused(t *testing.T) {
	t.Run("always another token", func(t *testing.T) {
		path := write(t, filepath.Join(t.TempDir(), "token"), "a")
		next := "a"
		s := &server{accepts: "none of these"}
		s.onRefuse = func() { next += "a"; write(t, path, next) }
		ts, tr := start(t, s, true, path)
		get(t, tr, ts.URL, 401, "who are you?")
		get(t, tr, ts.URL, 401, "who are you?")
		wantHeaders(t, s.seen(), "Bearer a", "Bearer aa", "Bearer aaa", "Bearer aaaa")
	})
	t.Run("the same token", func(t *testing.T) {
		s := &server{accepts: "new"}
		ts, tr := start(t, s, true, write(t, filepath.Join(t.TempDir(), "token"), "old"))
		get(t, tr, ts.URL, 401, "who are you?")
		get(t, tr, ts.URL, 401, "who are you?")
		wantHeaders(t, s.seen(), "Bearer old", "Bearer old")
	})
	t.Run("no token any more", func(t *testing.T) {
		path := write(t, filepath.Join(t.TempDir(), "token"), "old")
		s := &server{accepts: "new"}
		s.onRefuse = func() { write(t, path, "") }
		ts, tr := start(t, s, true, path)
		get(t, tr, ts.URL, 401, "who are you?")
		_, err := (&http.Client{Transport: tr}).Get(ts.URL)
		wantError(t, err, "read token file", path, "empty")
		wantHeaders(t, s.seen(), "Bearer old")
	})
}

func TestTransportNoToken(t *testing.T) {
	s := &server{}
	path := filepath.Join(t.TempDir(), "token")
	ts, tr := start(t, s, true, path)
	sent := &body{Reader: strings.NewReader("list")}
	req, err := http.NewRequest("POST", ts.URL, sent)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tr.RoundTrip(req)
	wantError(t, err, "read token file", path)
	if !sent.closed {
		t.Error("the body of a request that was not sent is open")
	}
	wantHeaders(t, s.seen()) // nothing was sent
}
