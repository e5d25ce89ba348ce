package remotewrite

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// TestCertificates writes to a receiver that wants a certificate of its clients, and is
// verified itself: nothing is sent, and nothing lost, where one of the two is not right.
func TestCertificates(t *testing.T) {
	ca, other := plugintest.NewAuthority(t), plugintest.NewAuthority(t)
	mine, strangers := ca.Issue(t, "node"), other.Issue(t, "node")
	tlsConfig := func(ca, name string, c plugintest.Certificate) map[string]any {
		return map[string]any{"ca_file": ca, "server_name": name, "cert_file": c.File, "key_file": c.KeyFile}
	}
	for _, tt := range []struct {
		name string
		tls  map[string]any
		want string // empty: it is taken
	}{
		{"all", tlsConfig(ca.File, "receiver.example", mine), ""},
		{"unverified", map[string]any{"insecure_skip_verify": true, "cert_file": mine.File, "key_file": mine.KeyFile}, ""},
		{"nobody's authority", map[string]any{"server_name": "receiver.example"}, "unknown authority: set ca_file"},
		{"another authority", tlsConfig(other.File, "receiver.example", mine), "unknown authority .*: set ca_file"},
		{"another name", tlsConfig(ca.File, "", mine), "127.0.0.1.*: set ca_file .* or server_name"},
		// The last are what is seen where the alert comes too late.
		{"no certificate", map[string]any{"ca_file": ca.File, "server_name": "receiver.example"}, "certificate required: .* set cert_file|broken pipe|reset by peer|EOF"},
		{"a stranger's certificate", tlsConfig(ca.File, "receiver.example", strangers), "(unknown certificate authority|bad certificate): .* set cert_file|broken pipe|reset by peer|EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newHandler(t)
			server := httptest.NewUnstartedServer(http.HandlerFunc(r.serve))
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.TLS = &tls.Config{
				Certificates: []tls.Certificate{ca.Issue(t, "receiver.example").Pair},
				ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(),
			}
			server.StartTLS()
			defer server.Close()
			n := newNode()
			c := config(server.URL)
			c.HTTPClient = HTTPClient{"tls_config": tt.tls}
			out := start(t, c, n.metrics()...)
			if err := out.Write(t.Context(), batch(0, n.sample)); err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				eventually(t, "the samples", func() bool { return len(r.all()) == 3 })
				return
			}
			eventually(t, "the complaint", func() bool { return out.Ready() != nil })
			if err := out.Ready(); !regexp.MustCompile(tt.want).MatchString(err.Error()) {
				t.Errorf("Ready: %v, want %s", err, tt.want)
			}
			if got := out.queue.Stats().Waiting.Points; got != 3 || r.tries() != 0 {
				t.Errorf("%d samples wait, and %d requests arrived, want all to wait", got, r.tries())
			}
		})
	}
}

// Files of certificates that are no good are refused at the start, with their key; a file
// that vanishes later is told.
func TestFilesOfCertificates(t *testing.T) {
	ca := plugintest.NewAuthority(t)
	mine := ca.Issue(t, "node")
	for _, table := range []map[string]any{
		{"ca_file": "/nowhere/ca.pem"},
		{"ca_file": mine.KeyFile},
		{"cert_file": mine.File},
		{"cert_file": mine.File, "key_file": ca.Issue(t, "other").KeyFile},
	} {
		c := config("https://127.0.0.1:1/")
		c.HTTPClient = HTTPClient{"tls_config": table}
		err := c.Validate()
		if err == nil {
			_, err = c.Open(t.Context(), plugintest.NewHost(t, newNode().metrics()...).Host)
		}
		var key *plugin.KeyError
		if !errors.As(err, &key) || key.Key != "http_client" {
			t.Errorf("%v: error %v, want one about http_client", table, err)
		}
	}
	n := newNode()
	r := newReceiver(t)
	c := config(r.server.URL)
	c.HTTPClient = HTTPClient{"basic_auth": map[string]any{"username": "me", "password_file": "/nowhere/password"}}
	out := start(t, c, n.metrics()...)
	if err := out.Write(t.Context(), batch(0, n.sample)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the complaint", func() bool {
		err := out.Ready()
		return err != nil && strings.Contains(err.Error(), "/nowhere/password") && strings.Contains(err.Error(), "check the files in http_client")
	})
}
