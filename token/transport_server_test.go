package token_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/token"
)

func TestTransportProxyNeedsNoToken(t *testing.T) {
	s := &server{}
	ts, tr := start(t, s, false, "/nonexistent")
	get(t, tr, ts.URL, 200, "welcome")
	wantHeaders(t, s.seen(), "")
	want := token.Stats{}
	if got := tr.Source.Stats(); got != want {
		t.Errorf("got %+v, want no retrieval", got)
	}
}

func TestTransportProxyAsks(t *testing.T) {
	s := &server{accepts: "secret"}
	ts, tr := start(t, s, false, write(t, filepath.Join(t.TempDir(), "token"), "secret"))
	get(t, tr, ts.URL, 200, "welcome")
	get(t, tr, ts.URL, 200, "welcome")
	wantHeaders(t, s.seen(), "", "Bearer secret", "Bearer secret") // from then on at once
}

// Without a token the 401 of the proxy stands; it is no error of the transport,
// and the reason can be asked for.
func TestTransportProxyAsksInVain(t *testing.T) {
	s := &server{accepts: "secret"}
	path := filepath.Join(t.TempDir(), "token")
	ts, tr := start(t, s, false, path)
	get(t, tr, ts.URL, 401, "who are you?")
	wantError(t, tr.Source.Err(), path, "no such file")
	wantHeaders(t, s.seen(), "")
}

// A proxy that asked for a token once, and a token that is gone later.
func TestTransportProxyTokenGone(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "first")
	s := &server{accepts: "first"}
	ts, tr := start(t, s, false, path)
	get(t, tr, ts.URL, 200, "welcome")
	s.mu.Lock()
	s.accepts = "second"
	s.mu.Unlock()
	write(t, path, "")
	get(t, tr, ts.URL, 401, "who are you?")
	get(t, tr, ts.URL, 401, "who are you?")
	wantHeaders(t, s.seen(), "", "Bearer first", "Bearer first", "")
}

func TestTransportPlainHTTP(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "secret")
	var headers []string
	tr := &token.Transport{
		Source: token.New(token.Config{Strategy: token.File, File: path}),
		Server: mustParse(t, "http://api.example:8080"),
		Base: roundTripper(func(req *http.Request) (*http.Response, error) {
			headers = append(headers, req.Header.Get("Authorization"))
			return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
		}),
	}
	sent := &body{Reader: strings.NewReader("list")}
	req, err := http.NewRequest("POST", "http://api.example:8080/api", sent)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tr.RoundTrip(req)
	wantError(t, err, "http://api.example:8080", "use https", "allow_insecure_token = true")
	if !sent.closed {
		t.Error("the body of a request that was not sent is open")
	}
	tr.AllowInsecure = true
	if _, err := tr.RoundTrip(req); err != nil {
		t.Error(err)
	}
	wantHeaders(t, headers, "Bearer secret")
}

// The token does not follow a redirect to another host, port or scheme, and
// does follow one on the same server.
func TestTransportRedirect(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "secret")
	for _, https := range []bool{true, false} {
		other := &server{}
		elsewhere, _ := start(t, other, https, path)
		api := &server{redirect: func(path string) string {
			if path == "/first" {
				return "/second"
			}
			return elsewhere.URL
		}}
		here, tr := start(t, api, true, path)
		get(t, tr, here.URL+"/first", 200, "welcome")
		wantHeaders(t, api.seen(), "Bearer secret", "Bearer secret")
		wantHeaders(t, other.seen(), "")
	}
}

// A server is a scheme, a host and a port; nothing else gets its token.
func TestTransportOneServer(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "secret")
	const with, without = "Bearer secret", ""
	tests := []struct {
		server, request, want string
	}{
		{"https://api.example", "https://api.example/api?watch=true", with},
		{"https://api.example", "https://API.EXAMPLE:443/api", with},
		{"https://api.example:443/prefix", "https://api.example/", with},
		{"https://[::1]:6443", "https://[::1]:6443/api", with},
		{"https://api.example", "https://api.example:6443/", without},
		{"https://api.example", "https://api.example.evil/", without},
		{"https://api.example", "https://evil/api.example", without},
		{"https://api.example", "https://api.example@evil/", without},
		{"https://api.example:8443", "http://api.example:8443/", without},
		{"http://api.example", "http://api.example:80/", with},
		{"http://api.example:443", "https://api.example/", without},
	}
	for _, tt := range tests {
		var got string
		tr := &token.Transport{
			Source:        token.New(token.Config{Strategy: token.File, File: path}),
			Server:        mustParse(t, tt.server),
			AllowInsecure: true,
			Base: roundTripper(func(req *http.Request) (*http.Response, error) {
				got = req.Header.Get("Authorization")
				return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
			}),
		}
		req, err := http.NewRequest("GET", tt.request, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.RoundTrip(req); err != nil || got != tt.want {
			t.Errorf("%s, request to %s: got %q and %v, want %q", tt.server, tt.request, got, err, tt.want)
		}
	}
}

// What another host refuses is not the token's fault.
func TestTransportRefusedElsewhere(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "secret")
	other := &server{accepts: "secret"}
	elsewhere, _ := start(t, other, true, path)
	here, tr := start(t, http.RedirectHandler(elsewhere.URL, http.StatusFound), true, path)
	get(t, tr, here.URL, 401, "who are you?")
	wantHeaders(t, other.seen(), "")
	want := token.Stats{Retrievals: 1}
	if got := tr.Source.Stats(); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
