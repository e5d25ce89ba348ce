package k8s

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"testing"
)

// redirector sends those who ask somewhere else.
func redirector(t *testing.T, config *tls.Config, to func(*http.Request) string) *spy {
	t.Helper()
	s := newSpy(t, config)
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		http.Redirect(w, r, to(r), http.StatusTemporaryRedirect)
	})
	return s
}

// samePath leads to another server.
func samePath(base string) func(*http.Request) string {
	return func(r *http.Request) string { return base + r.URL.RequestURI() }
}

// A redirect to another server takes no credentials along, of whatever kind, no header
// of the configuration and no certificate. A kubeconfig's are tried in TestKubeconfigRedirect.
func TestRedirectToAnotherServer(t *testing.T) {
	client := newIdentity(t, "podjoule")
	file := fileWith(t, "hunter2")
	endpoint := newTokenEndpoint(t)
	for name, settings := range map[string]string{
		"token_retrieval":   fmt.Sprintf("token_retrieval = { file = %q }\n", file),
		"basic_auth":        "basic_auth = { username = \"me\", password = \"hunter2\" }\n",
		"authorization":     "authorization = { credentials = \"hunter2\" }\n",
		"bearer_token_file": fmt.Sprintf("bearer_token_file = %q\n", file),
		"oauth2":            endpoint.settings(""),
	} {
		for _, mode := range []string{modePoll, modeKubelet} {
			t.Run(mode+"/"+name, func(t *testing.T) {
				goal := newSpy(t, &tls.Config{ClientAuth: tls.RequestClientCert})
				first := redirector(t, &tls.Config{ClientAuth: tls.RequestClientCert}, samePath(goal.URL))
				err := ask(t, serverAt(mode, first.URL)+settings+fmt.Sprintf("http_headers = { X-Key = [\"hunter3\"] }\ntls_config = { ca = %q, cert = %q, key = %q }",
					string(certificateOf(goal.Server)), client.cert, client.key))
				if err != nil {
					t.Fatal(err)
				}
				if r := first.last(t); r.Header.Get("Authorization") == "" || r.Header.Get("X-Key") == "" || len(r.TLS.PeerCertificates) != 1 {
					t.Errorf("the server itself got %v and %d certificates", r.Header, len(r.TLS.PeerCertificates))
				}
				if r := goal.last(t); r.Header.Get("Authorization") != "" || r.Header.Get("X-Key") != "" || len(r.TLS.PeerCertificates) != 0 {
					t.Errorf("the other server got %v and %d certificates", r.Header, len(r.TLS.PeerCertificates))
				}
			})
		}
	}
}

// A redirect on the same server keeps the credentials, and one that leads back from
// another server has lost them.
func TestRedirectBack(t *testing.T) {
	s := newSpy(t, nil)
	away := redirector(t, nil, func(*http.Request) string { return s.URL + "/back" })
	plain := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Query().Get("here") == "" && r.URL.Path == "/api/v1/pods":
			s.mu.Lock()
			s.requests = append(s.requests, r)
			s.mu.Unlock()
			http.Redirect(w, r, r.URL.RequestURI()+"&here=1", http.StatusFound)
		case r.URL.Path == "/away/api/v1/pods":
			http.Redirect(w, r, away.URL, http.StatusFound)
		default:
			plain.ServeHTTP(w, r)
		}
	})
	if err := ask(t, serverAt(modePoll, s.URL)+`authorization = { credentials = "hunter2" }`); err != nil {
		t.Fatal(err)
	}
	if r := s.last(t); len(s.asked()) != 2 || r.Header.Get("Authorization") != "Bearer hunter2" {
		t.Errorf("%d requests, and after the redirect Authorization %q", len(s.asked()), r.Header.Get("Authorization"))
	}
	wantError(t, ask(t, serverAt(modePoll, s.URL+"/away")+`authorization = { credentials = "hunter2" }`), "status 404")
	if r := s.last(t); r.URL.Path != "/back" || r.Header.Get("Authorization") != "" {
		t.Errorf("led back to %s with Authorization %q", r.URL.Path, r.Header.Get("Authorization"))
	}
}

// With follow_redirects = false, no redirect is followed, not even on the same server.
func TestFollowRedirectsFalse(t *testing.T) {
	goal := newSpy(t, nil)
	s := redirector(t, nil, samePath(goal.URL))
	for mode, key := range map[string]string{modePoll: "k8s_api_url", modeKubelet: "kubelet_url"} {
		err := ask(t, serverAt(mode, s.URL)+"follow_redirects = false")
		wantError(t, err, "status 307", "set "+key+" to where, or follow_redirects = true")
	}
	if n := len(goal.asked()); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	here := redirector(t, nil, func(r *http.Request) string { return "/elsewhere" })
	wantError(t, ask(t, serverAt(modePoll, here.URL)+"follow_redirects = false"), "status 307")
	if n := len(here.asked()); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

// A redirect that leads round and round ends.
func TestRedirectLoop(t *testing.T) {
	s := redirector(t, nil, func(r *http.Request) string { return r.URL.RequestURI() })
	wantError(t, ask(t, serverAt(modePoll, s.URL)), "stopped after 10 redirects")
}
