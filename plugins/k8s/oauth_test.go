package k8s

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// tokenEndpoint gives out tokens named after how many there were.
type tokenEndpoint struct {
	*httptest.Server
	mu     sync.Mutex
	forms  []url.Values
	secret string
}

func newTokenEndpoint(t *testing.T) *tokenEndpoint {
	t.Helper()
	e := &tokenEndpoint{secret: "hunter2"}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		if id, secret, _ := r.BasicAuth(); r.Method != http.MethodPost || id != "me" || secret != e.secret {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintf(w, `{"error": "invalid_client", "error_description": "%s is wrong"}`, secret)
			return
		}
		e.forms = append(e.forms, r.PostForm)
		fmt.Fprintf(w, `{"access_token": "hunter-%d", "token_type": "bearer", "expires_in": 3600}`, len(e.forms))
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *tokenEndpoint) settings(more string) string {
	return fmt.Sprintf("oauth2 = { client_id = \"me\", client_secret = \"hunter2\", token_url = %q%s }\n", e.URL, more)
}

func (e *tokenEndpoint) given() []url.Values {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.forms
}

// A token is got once for many requests, with what the endpoint is to know.
func TestOAuth2(t *testing.T) {
	for _, mode := range []string{modePoll, modeKubelet} {
		s, e := newSpy(t, nil), newTokenEndpoint(t)
		l, err := openLister(t, serverAt(mode, s.URL)+e.settings(`, scopes = ["pods", "nodes"], endpoint_params = { audience = "cluster" }`))
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if _, err := l.list(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := s.last(t).Header.Get("Authorization"); got != "Bearer hunter-1" {
				t.Errorf("Authorization %q", got)
			}
		}
		want := []url.Values{{"grant_type": {"client_credentials"}, "scope": {"pods nodes"}, "audience": {"cluster"}}}
		if diff := cmp.Diff(want, e.given()); diff != "" {
			t.Errorf("the endpoint was sent (-want +got)\n%s", diff)
		}
	}
}

// A secret that was rotated gets a new token, and one that is gone costs nothing while
// the token lasts.
func TestOAuth2RotatedSecret(t *testing.T) {
	s, e := newSpy(t, nil), newTokenEndpoint(t)
	file := fileWith(t, "hunter2\n")
	l, err := openLister(t, serverAt(modePoll, s.URL)+fmt.Sprintf("oauth2 = { client_id = \"me\", client_secret_file = %q, token_url = %q }", file, e.URL))
	if err != nil {
		t.Fatal(err)
	}
	list := func(want string) {
		t.Helper()
		if _, err := l.list(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.last(t).Header.Get("Authorization"); got != want {
			t.Errorf("Authorization %q, want %q", got, want)
		}
	}
	list("Bearer hunter-1")
	e.mu.Lock()
	e.secret = "hunter3"
	e.mu.Unlock()
	if err := os.WriteFile(file, []byte("hunter3"), 0o600); err != nil {
		t.Fatal(err)
	}
	list("Bearer hunter-2")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	list("Bearer hunter-2")
}

// A8: a token that the server refuses is replaced, but not at each request to a server
// that refuses all.
func TestOAuth2RefusedToken(t *testing.T) {
	s, e := newSpy(t, nil), newTokenEndpoint(t)
	s.api.RequireTokens()
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	s.api.Allow(user, simnode.ListPods)
	s.api.AddToken("hunter-2", user)
	l, err := openLister(t, serverAt(modePoll, s.URL)+e.settings(""))
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, err := l.list(t.Context())
		wantError(t, err, "status 401", "check oauth2")
	}
	if n := len(e.given()); n != 1 {
		t.Errorf("%d tokens for a server that refuses all, want 1", n)
	}
	o := l.(*server).http.Transport.(*gate).own.(*oauth)
	o.fetched = o.fetched.Add(-refusedPause)
	_, err = l.list(t.Context())
	wantError(t, err, "status 401")
	if _, err := l.list(t.Context()); err != nil {
		t.Errorf("with the new token: %v", err)
	}
}

// What the endpoint answers is told without secrets, be it a refusal, nonsense, silence
// or a redirect, which is not followed.
func TestOAuth2BadEndpoint(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the secret went on to %s", r.URL) }))
	defer other.Close()
	f := func(name string, answer http.HandlerFunc, want ...string) {
		t.Run(name, func(t *testing.T) {
			s := newSpy(t, nil)
			e := httptest.NewServer(answer)
			defer e.Close()
			err := ask(t, serverAt(modePoll, s.URL)+fmt.Sprintf("oauth2 = { client_id = \"me\", client_secret = \"hunter2\", token_url = \"%s/?key=hunter3\" }", e.URL))
			wantError(t, err, append(want, "get a token from oauth2.token_url", "check oauth2")...)
			if n := len(s.asked()); n != 0 {
				t.Errorf("%d requests without a token", n)
			}
		})
	}
	text := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			fmt.Fprint(w, text)
		}
	}
	f("refused", text(401, `{"error": "invalid_client", "error_description": "hunter2 is wrong"}`), "status 401: invalid_client")
	f("a code with a secret", text(401, `{"error": "hunter2"}`), "status 401")
	f("broken", text(500, "hunter2"), "status 500")
	f("nonsense", text(200, `"hunter2"`), "its answer holds no token")
	f("no token", text(200, `{}`), "access_token")
	f("redirect", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, other.URL, http.StatusTemporaryRedirect)
	}, "status 307")
	f("cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "EOF")
}

// An endpoint that does not answer holds nobody up for longer than they want to wait.
func TestOAuth2SilentEndpoint(t *testing.T) {
	s := newSpy(t, nil)
	asked := make(chan struct{}, 10)
	e := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then the server sees the client go
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer e.Close()
	l, err := openLister(t, serverAt(modePoll, s.URL)+fmt.Sprintf("oauth2 = { client_id = \"me\", client_secret = \"hunter2\", token_url = %q }", e.URL))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := l.list(ctx)
		done <- err
	}()
	<-asked
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	o := l.(*server).http.Transport.(*gate).own.(*oauth)
	o.endpoint.Timeout = 20 * time.Millisecond
	_, err = l.list(t.Context())
	wantError(t, err, "get a token", "check oauth2")
}
