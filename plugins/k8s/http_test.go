package k8s

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// Every kind of credentials arrives at the API server and at the kubelet, and so do
// the headers of the configuration, each once.
func TestCredentialsArrive(t *testing.T) {
	file := fileWith(t, "  hunter-file\n")
	tests := []struct {
		name, text string
		want       http.Header
	}{
		{"basic_auth", `basic_auth = { username = "me", password = "hunter2" }`,
			http.Header{"Authorization": {"Basic bWU6aHVudGVyMg=="}}},
		{"basic_auth with a file", fmt.Sprintf(`basic_auth = { username = "me", password_file = %q }`, file),
			http.Header{"Authorization": {"Basic bWU6aHVudGVyLWZpbGU="}}},
		{"authorization", `authorization = { type = "Token", credentials = "hunter2" }`,
			http.Header{"Authorization": {"Token hunter2"}}},
		{"authorization without a type", `authorization = { credentials = "hunter2" }`,
			http.Header{"Authorization": {"Bearer hunter2"}}},
		{"authorization with a file", fmt.Sprintf(`authorization = { credentials_file = %q }`, file),
			http.Header{"Authorization": {"Bearer hunter-file"}}},
		{"bearer_token_file", fmt.Sprintf(`bearer_token_file = %q`, file),
			http.Header{"Authorization": {"Bearer hunter-file"}}},
		{"http_headers as a list", `http_headers = { X-Scope = ["hunter1", "hunter2"] }`,
			http.Header{"X-Scope": {"hunter1", "hunter2"}}},
		{"http_headers as a table", fmt.Sprintf(`http_headers.X-Scope = { values = ["a"], secrets = ["hunter2"], files = [%q] }`, file),
			http.Header{"X-Scope": {"hunter2", "a", "hunter-file"}}},
	}
	for _, mode := range []string{modePoll, modeKubelet} {
		for _, tt := range tests {
			t.Run(mode+"/"+tt.name, func(t *testing.T) {
				s := newSpy(t, nil)
				if err := ask(t, serverAt(mode, s.URL)+tt.text); err != nil {
					t.Fatal(err)
				}
				got := s.last(t).Header
				for name, want := range tt.want {
					if diff := cmp.Diff(want, got[name]); diff != "" {
						t.Errorf("%s -want +got\n%s", name, diff)
					}
				}
				if agent := got.Get("User-Agent"); agent != "podjoule/1.2.3" {
					t.Errorf("User-Agent %q", agent)
				}
			})
		}
	}
}

// serverAt is the address of a server in a configuration.
func serverAt(mode, url string) string {
	key := "k8s_api_url"
	if mode == modeKubelet {
		key = "kubelet_url"
	}
	return fmt.Sprintf("pod_discovery = %q\n%s = %q\n", mode, key, url)
}

// Headers are sent once also where a request is sent twice, with a token that the
// first answer asked for.
func TestHeadersAreSentOnce(t *testing.T) {
	s := newSpy(t, nil)
	s.api.RequireTokens()
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	s.api.Allow(user, simnode.ListPods)
	s.api.AddToken("hunter2", user)
	if err := ask(t, serverAt(modePoll, s.URL)+fmt.Sprintf("token_retrieval = { file = %q }\nhttp_headers = { X-Scope = [\"a\"] }", fileWith(t, "hunter2"))); err != nil {
		t.Fatal(err)
	}
	for i, r := range s.asked() {
		if got := r.Header["X-Scope"]; len(got) != 1 {
			t.Errorf("request %d: X-Scope %q", i, got)
		}
	}
	if n := len(s.asked()); n != 2 {
		t.Errorf("%d requests, want one without a token and one with it", n)
	}
}

// A file that was rotated is read again, and a file that is gone is named.
func TestRotatedBearerTokenFile(t *testing.T) {
	s := newSpy(t, nil)
	file := fileWith(t, "hunter-1")
	l, err := openLister(t, serverAt(modePoll, s.URL)+fmt.Sprintf("bearer_token_file = %q", file))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"hunter-1", "hunter-2\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.list(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.last(t).Header.Get("Authorization"); got != "Bearer "+strings.TrimSpace(text) {
			t.Errorf("Authorization %q with %q in the file", got, text)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	_, err = l.list(t.Context())
	wantError(t, err, file, "is the file there")
}

// Credentials that the server refuses are told with their key and without their value.
func TestRefusedCredentials(t *testing.T) {
	for _, mode := range []string{modePoll, modeKubelet} {
		for key, value := range map[string]string{
			"basic_auth":        `{ username = "me", password = "hunter2" }`,
			"authorization":     `{ credentials = "hunter2" }`,
			"bearer_token_file": fmt.Sprintf("%q", fileWith(t, "hunter2")),
		} {
			t.Run(mode+"/"+key, func(t *testing.T) {
				s := newSpy(t, nil)
				s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusUnauthorized) })
				wantError(t, ask(t, serverAt(mode, s.URL)+key+" = "+value), "status 401", "check "+key)
			})
		}
	}
}

// A7: the server is verified by what tls_config says, and shown the certificate in it.
func TestTLSConfig(t *testing.T) {
	client, stranger := newIdentity(t, "podjoule"), newIdentity(t, "stranger")
	s := newSpy(t, mutual(t, client))
	ca := string(certificateOf(s.Server))
	caFile, certFile, keyFile := fileWith(t, ca), fileWith(t, client.cert), fileWith(t, client.key)
	shown := fmt.Sprintf("cert_file = %q, key_file = %q", certFile, keyFile)
	f := func(name, settings string, want ...string) {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []string{modePoll, modeKubelet} {
				before := len(s.asked())
				err := ask(t, serverAt(mode, s.URL)+"tls_config = { "+settings+" }")
				if len(want) == 0 && err != nil {
					t.Error(err)
				}
				wantError(t, err, want...)
				if reached := len(s.asked()) > before; reached != (len(want) == 0) {
					t.Errorf("%s: the request reached the server: %t", mode, reached)
				}
			}
		})
	}
	f("files", fmt.Sprintf("ca_file = %q, %s", caFile, shown))
	f("texts", fmt.Sprintf("ca = %q, cert = %q, key = %q", ca, client.cert, client.key))
	f("Alloy's names", fmt.Sprintf("ca_pem = %q, cert_pem = %q, key_pem = %q", ca, client.cert, client.key))
	f("unverified", "insecure_skip_verify = true, "+shown)
	f("the name in the certificate", fmt.Sprintf("ca_file = %q, server_name = \"example.com\", %s", caFile, shown))
	if got := s.last(t).TLS.ServerName; got != "example.com" {
		t.Errorf("the server was called %q", got)
	}
	f("TLS 1.3", fmt.Sprintf("ca_file = %q, min_version = \"TLS13\", %s", caFile, shown))
	f("another name", fmt.Sprintf("ca_file = %q, server_name = \"other.example\", %s", caFile, shown), "other.example", "set tls_config.ca_file")
	f("no authority", shown, "set tls_config.ca_file")
	f("no certificate", fmt.Sprintf("ca_file = %q }\nauthorization = { credentials = \"hunter2\"", caFile), "the pods of node")
	f("another's certificate", fmt.Sprintf("ca_file = %q, cert = %q, key = %q", caFile, stranger.cert, stranger.key), "the pods of node")
	f("no such file", fmt.Sprintf("ca_file = %q", "/nonexistent/ca.crt"), "/nonexistent/ca.crt")
	f("no certificate in the file", fmt.Sprintf("ca_file = %q", keyFile), keyFile)
}

// A server that speaks an old version only is refused.
func TestMinVersion(t *testing.T) {
	s := newSpy(t, &tls.Config{MaxVersion: tls.VersionTLS12})
	ca := fileWith(t, string(certificateOf(s.Server)))
	at := func(version string) error {
		return ask(t, serverAt(modePoll, s.URL)+fmt.Sprintf("authorization.credentials = \"hunter2\"\ntls_config = { ca_file = %q, min_version = %q }", ca, version))
	}
	wantError(t, at("TLS13"), "protocol version")
	if err := at("TLS12"); err != nil {
		t.Error(err)
	}
}

// A certificate that was rotated is shown to the server at the next connection.
func TestRotatedClientCertificate(t *testing.T) {
	first, second := newIdentity(t, "first"), newIdentity(t, "second")
	s := newSpy(t, mutual(t, first, second))
	certFile, keyFile := fileWith(t, first.cert), fileWith(t, first.key)
	l, err := openLister(t, serverAt(modePoll, s.URL)+fmt.Sprintf("tls_config = { ca = %q, cert_file = %q, key_file = %q }",
		certificateOf(s.Server), certFile, keyFile))
	if err != nil {
		t.Fatal(err)
	}
	for name, i := range map[string]identity{"first": first, "second": second} {
		for path, text := range map[string]string{certFile: i.cert, keyFile: i.key} {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := l.list(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := s.last(t).TLS.PeerCertificates[0].Subject.CommonName; got != name {
			t.Errorf("the certificate of %q, want that of %q", got, name)
		}
	}
}

// The pods are watched over both versions of HTTP.
func TestEnableHTTP2(t *testing.T) {
	for _, enabled := range []bool{true, false} {
		s := newSpy(t, &tls.Config{})
		watched(t, serverAt(modeWatch, s.URL)+fmt.Sprintf("enable_http2 = %t\nauthorization.credentials = \"hunter2\"\ntls_config = { ca = %q }", enabled, certificateOf(s.Server)), s)
		if got := s.last(t).ProtoMajor == 2; got != enabled {
			t.Errorf("enable_http2 = %t: %s", enabled, s.last(t).Proto)
		}
	}
}

// watched starts the discovery and waits for a pod that the server tells of later.
func watched(t *testing.T, text string, s *spy) {
	t.Helper()
	l, err := openLister(t, text)
	if err != nil {
		t.Fatal(err)
	}
	d := newDiscovery(modeWatch, l, 20*time.Millisecond)
	d.server = l.(*server)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- d.run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	eventually(t, "the first answer", func() bool { return !d.current.Load().asked.IsZero() })
	if err := d.current.Load().err; err != nil {
		t.Fatal(err)
	}
	later := simnode.NewPod(template("shop", "later"))
	s.api.Put(later)
	eventually(t, "the pod that came later", func() bool { return d.current.Load().find(string(later.UID)) != nil })
	if n := s.api.Count(simnode.Request.Watch); n != 1 {
		t.Errorf("%d watches, want 1", n)
	}
}
