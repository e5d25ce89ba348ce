package k8s

import (
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
)

// Through a proxy the pods are listed and watched, over both versions of HTTP. The
// name of the server is one that only the proxy knows.
func TestProxy(t *testing.T) {
	s := newSpy(t, &tls.Config{})
	const address = "https://api.invalid:6443"
	shown := fmt.Sprintf("authorization.credentials = \"hunter2\"\ntls_config = { ca = %q, server_name = \"example.com\" }\n", certificateOf(s.Server))

	for _, http2 := range []bool{true, false} {
		t.Run(fmt.Sprintf("HTTP/2 %t", http2), func(t *testing.T) {
			s := newSpy(t, &tls.Config{})
			p := newConnectProxy(t, s.Server)
			watched(t, serverAt(modeWatch, address)+fmt.Sprintf("authorization.credentials = \"hunter2\"\ntls_config = { ca = %q, server_name = \"example.com\" }\n"+
				"enable_http2 = %t\nproxy_url = %q\nproxy_connect_header = { X-Pass = [\"hunter3\"] }", certificateOf(s.Server), http2, withUser(p.URL)), s)
			for _, r := range p.asked() {
				if r.Host != "api.invalid:6443" || r.Header.Get("X-Pass") != "hunter3" || r.Header.Get("Proxy-Authorization") != "Basic bWU6aHVudGVyNA==" {
					t.Errorf("the proxy was asked for %s with %v", r.Host, r.Header)
				}
				if r.Header.Get("Authorization") != "" {
					t.Error("the proxy got the credentials of the server")
				}
			}
			if r := s.last(t); (r.ProtoMajor == 2) != http2 || r.Header.Get("X-Pass") != "" || r.Header.Get("Authorization") != "Bearer hunter2" {
				t.Errorf("the server was asked over %s with %v", r.Proto, r.Header)
			}
		})
	}
	f := func(name, settings string, through bool, want ...string) {
		t.Run(name, func(t *testing.T) {
			p := newConnectProxy(t, s.Server)
			settings := strings.ReplaceAll(settings, "PROXY", p.URL)
			t.Setenv("HTTPS_PROXY", withUser(p.URL))
			t.Setenv("NO_PROXY", "other.invalid")
			err := ask(t, serverAt(modePoll, address)+shown+settings)
			if len(want) == 0 && err != nil {
				t.Error(err)
			}
			wantError(t, err, want...)
			if got := len(p.asked()) > 0; got != through {
				t.Errorf("through the proxy: %t, want %t", got, through)
			}
		})
	}
	f("no_proxy of another", "proxy_url = \"PROXY\"\nno_proxy = \"other.invalid\"", true)
	f("no_proxy", "proxy_url = \"PROXY\"\nno_proxy = \".invalid\"", false, "dial tcp")
	f("from the environment", "proxy_from_environment = true\nproxy_connect_header = { X-Pass = [\"hunter2\"] }", true)
	f("the environment alone", "", false, "dial tcp")
	f("refused", "proxy_url = \"PROXY\"\nproxy_connect_header = { X-Refuse = [\"hunter2\"] }", true, address+" through the proxy 127.0.0.1:", "Proxy Authentication Required")
	f("down", "proxy_url = \"http://me:hunter2@127.0.0.1:1\"", false, "through the proxy 127.0.0.1:1", "is the proxy running there?")
}

// withUser puts a user and a password into a URL.
func withUser(address string) string {
	return strings.Replace(address, "http://", "http://me:hunter4@", 1)
}

// A proxy that the environment excludes is not used.
func TestNoProxyOfTheEnvironment(t *testing.T) {
	s := newSpy(t, &tls.Config{})
	p := newConnectProxy(t, s.Server)
	t.Setenv("https_proxy", p.URL)
	t.Setenv("NO_PROXY", "api.invalid")
	err := ask(t, serverAt(modePoll, "https://api.invalid:6443")+"proxy_from_environment = true\nauthorization.credentials = \"hunter2\"")
	wantError(t, err, "dial tcp")
	if n := len(p.asked()); n != 0 {
		t.Errorf("%d requests through the proxy", n)
	}
}
