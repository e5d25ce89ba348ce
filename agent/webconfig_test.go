package agent

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// password is "correct".
const password = `$2a$04$5dZCwpUZ62fmwvWbpE2Et.DiPU/2eowm1Xi1ve/hJ9AxrbaVbsNym`

// writeCertificate writes a certificate for this machine that verifies itself, as
// NAME.crt and NAME.key.
func writeCertificate(t *testing.T, folder, name string, serial int64) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(ending, kind string, der []byte) {
		if err := os.WriteFile(filepath.Join(folder, name+ending), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(".crt", "CERTIFICATE", der)
	write(".key", "PRIVATE KEY", secret)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func writeText(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client trusts whatever certificate it is shown, and notes its serial number.
func client(serial *int64, certificates ...tls.Certificate) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, Certificates: certificates, // the test looks at the certificate itself
		VerifyConnection: func(s tls.ConnectionState) error { *serial = s.PeerCertificates[0].SerialNumber.Int64(); return nil },
	}}}
}

// answer returns the status, or 0 where there is none.
func answer(t *testing.T, c *http.Client, url, user, secret string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if user != "" {
		req.SetBasicAuth(user, secret)
	}
	res, err := c.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// The listener serves as its file says: over TLS, to clients that show a certificate, and
// to users that know their password. A certificate, and the users, may change at any time.
func TestWebConfig(t *testing.T) {
	folder := t.TempDir()
	writeCertificate(t, folder, "server", 1)
	known, stranger := writeCertificate(t, folder, "client", 7), writeCertificate(t, folder, "stranger", 8)
	file := filepath.Join(folder, "web.yml")
	const plain = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
	const mutual = plain + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: client.crt\n"
	writeText(t, file, plain)
	cfg := config(source("s", time.Hour, poll(idle)))
	cfg.Agent.WebConfigFile = file
	address, stop := start(t, cfg, RunOptions{})
	defer func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	}()
	url := strings.Replace(address, "http://", "https://", 1) + "/healthz"
	var serial int64
	check := func(what string, want int, c *http.Client, user, secret string) {
		t.Helper()
		if got := answer(t, c, url, user, secret); got != want {
			t.Errorf("%s: status %d, want %d", what, got, want)
		}
	}
	check("TLS", 200, client(&serial), "", "")
	if serial != 1 {
		t.Errorf("certificate %d, want 1", serial)
	}
	if got := answer(t, client(&serial), address+"/healthz", "", ""); got == 200 {
		t.Error("it serves without TLS too")
	}
	writeCertificate(t, folder, "server", 2)
	check("TLS with a new certificate", 200, client(&serial), "", "")
	if serial != 2 {
		t.Errorf("certificate %d, want 2, which replaced it", serial)
	}
	writeText(t, file, mutual)
	check("no client certificate", 0, client(&serial), "", "")
	check("a stranger's", 0, client(&serial, stranger), "", "")
	check("a known one", 200, client(&serial, known), "", "")
	writeText(t, file, mutual+"basic_auth_users:\n  ann: "+password+"\n")
	check("no user", 401, client(&serial, known), "", "")
	check("a wrong password", 401, client(&serial, known), "ann", "wrong")
	check("another user", 401, client(&serial, known), "bob", "correct")
	check("a user", 200, client(&serial, known), "ann", "correct")
	check("a user without a certificate", 0, client(&serial), "ann", "correct")
}

// What is wrong with the file is told at the start, with file and key.
func TestWrongWebConfig(t *testing.T) {
	folder := t.TempDir()
	writeCertificate(t, folder, "server", 1)
	writeCertificate(t, folder, "other", 2)
	writeText(t, filepath.Join(folder, "empty.crt"), "nothing")
	file := filepath.Join(folder, "web.yml")
	const cert = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
	for _, tc := range []struct{ name, text, want string }{
		{"no such file", "", "no such file or directory"},
		{"no YAML", "\t", "yaml"},
		{"unknown key", "tls_config: {}", "tls_config not found"},
		{"no certificate there", "tls_server_config: {cert_file: away.crt, key_file: server.key}", "cert_file ("},
		{"no key", "tls_server_config: {cert_file: server.crt}", "key_file"},
		{"another key", "tls_server_config: {cert_file: server.crt, key_file: other.key}", "tls_server_config.cert_file: "},
		{"unknown demand", cert + "  client_auth_type: Yes_Please\n", "tls_server_config.client_auth_type: "},
		{"authority without a demand", cert + "  client_ca_file: server.crt\n", "tls_server_config.client_auth_type: "},
		{"demand without an authority", cert + "  client_auth_type: RequireAndVerifyClientCert\n", "tls_server_config.client_ca_file: "},
		{"authority that is none", cert + "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: empty.crt\n", "tls_server_config.client_ca_file: has no certificate"},
		{"password in clear", "basic_auth_users:\n  ann: hunter2\n", "basic_auth_users: "},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.RemoveAll(file); err != nil {
				t.Fatal(err)
			}
			if tc.text != "" {
				writeText(t, file, tc.text)
			}
			_, err := Load("config.toml", []byte("[agent]\nweb_config_file = \""+file+"\"\n[plugins.k8s]\n"), testOptions())
			if err == nil {
				t.Fatal("want an error")
			}
			for _, part := range []string{"config.toml:2: agent.web_config_file: " + file, tc.want} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want %q in it", err, part)
				}
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the password is in the error")
			}
			cfg := config(source("s", time.Hour, poll(idle)))
			cfg.Agent.Listen, cfg.Agent.WebConfigFile = "127.0.0.1:0", file
			if err := Run(t.Context(), cfg, RunOptions{}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("run: got %v, want %q in it", err, tc.want)
			}
		})
	}
}

// Profiles are served when they are asked for, and on a loopback address alone.
func TestProfiles(t *testing.T) {
	for _, tc := range []struct {
		name   string
		listen string
		wanted bool
		code   int
		body   string
	}{
		{"loopback", "127.0.0.1:0", true, 200, "goroutine profile: total"},
		{"all addresses", ":0", true, 403, `set listen = "127.0.0.1:9464" in the table [agent]`},
		{"not wanted", "127.0.0.1:0", false, 404, "not found"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			srv, err := listen(t.Context(), Settings{Listen: tc.listen})
			if err != nil {
				t.Fatal(err)
			}
			srv.own(profilePages(tc.wanted, srv.listener)...)
			srv.show(srv.newPages(nil))
			if err := srv.serve(testLog(io.Discard)); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := srv.shutdown(); err != nil {
					t.Error(err)
				}
			}()
			_, port, err := net.SplitHostPort(srv.listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			code, body := get(t, "http://127.0.0.1:"+port+"/debug/pprof/goroutine?debug=1")
			if code != tc.code || !strings.Contains(body, tc.body) {
				t.Errorf("got %d %.200q, want %d and %q", code, body, tc.code, tc.body)
			}
			if code, _ := get(t, "http://127.0.0.1:"+port+"/debug/pprof/"); code != tc.code {
				t.Errorf("index: got %d, want %d", code, tc.code)
			}
		})
	}
}

// A person sees which plugin fails, and why, and when the last tick was.
func TestLandingPage(t *testing.T) {
	ticked := make(chan struct{}, 1)
	bad := func(context.Context, *measure.Batch) error { signal(ticked); return &htmlError{} }
	address, stop := start(t, config(source("s", time.Millisecond, poll(idle)), output("o", write(bad))), RunOptions{Version: "v9"})
	<-ticked
	<-ticked
	<-ticked // two are done
	_, body := get(t, address+"/")
	for _, part := range []string{"podjoule v9", "degraded", " ago", `class="failing"`, "&lt;b&gt;disk&lt;/b&gt; is full", `href="/readyz"`} {
		if !strings.Contains(body, part) {
			t.Errorf("there is no %q in\n%s", part, body)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

type htmlError struct{}

func (*htmlError) Error() string { return "<b>disk</b> is full" }

// POST /-/reload answers when all is done, and with what is wrong.
func TestReloadPage(t *testing.T) {
	for _, on := range []bool{true, false} {
		cfg := config(source("s", time.Hour, poll(idle)))
		cfg.Agent.WebReload = on
		next := cfg
		address, stop := start(t, cfg, RunOptions{Load: func() (*Config, error) {
			if next == nil {
				return nil, errBroken
			}
			return next, nil
		}})
		post := func(method, site string) (int, string) {
			req, err := http.NewRequestWithContext(t.Context(), method, address+"/-/reload", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Sec-Fetch-Site", site)
			res, err := http.DefaultClient.Do(req)
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
		check := func(method, site string, want int, part string) {
			t.Helper()
			if code, body := post(method, site); code != want || !strings.Contains(body, part) {
				t.Errorf("%v, %s from %s: %d %q, want %d %q", on, method, site, code, body, want, part)
			}
		}
		if !on {
			check(http.MethodPost, "same-origin", 404, "not found")
		} else {
			check(http.MethodPost, "same-origin", 200, "ok")
			check(http.MethodGet, "same-origin", 405, "POST")
			check(http.MethodPost, "cross-site", 403, "cross-origin")
			next = nil
			check(http.MethodPost, "none", 400, "broken")
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	}
}
