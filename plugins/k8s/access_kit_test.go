package k8s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// spy is an API server that remembers what it was asked.
type spy struct {
	*httptest.Server
	api *simnode.API

	mu       sync.Mutex
	requests []*http.Request
}

// newSpy serves an API with one pod, in plain HTTP or, with a TLS configuration, in
// HTTPS.
func newSpy(t *testing.T, config *tls.Config) *spy {
	t.Helper()
	s := &spy{api: simnode.NewAPI()}
	s.api.Put(simnode.NewPod(template("shop", "web")))
	s.Server = httptest.NewUnstartedServer(s)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if config != nil {
		s.TLS, s.EnableHTTP2 = config, true
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s
}

// ServeHTTP implements http.Handler.
func (s *spy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	if r.URL.Path == "/pods" {
		_, _ = io.WriteString(w, `{"kind": "PodList", "items": []}`) // as a kubelet
		return
	}
	s.api.ServeHTTP(w, r)
}

// asked returns the requests so far.
func (s *spy) asked() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

func (s *spy) last(t *testing.T) *http.Request {
	t.Helper()
	all := s.asked()
	if len(all) == 0 {
		t.Fatal("the server was not asked")
	}
	return all[len(all)-1]
}

// parse reads a table [plugins.k8s] as the host does, but for unknown keys.
func parse(t *testing.T, text string) *Config {
	t.Helper()
	c := defaults()
	meta, err := toml.Decode(text, c)
	if err != nil {
		t.Fatal(err)
	}
	if strange := meta.Undecoded(); len(strange) > 0 {
		t.Fatalf("unknown keys %v in\n%s", strange, text)
	}
	return c
}

// openLister makes what asks for the pods under a configuration.
func openLister(t *testing.T, text string) (lister, error) {
	t.Helper()
	c := parse(t, text)
	if err := c.Validate(); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	host := plugintest.NewHost(t).Host
	host.Version = "1.2.3"
	d, err := openDiscovery(c, node, token.New(c.Token), host)
	if err != nil {
		return nil, err
	}
	return d.lister, nil
}

// ask lists the pods under a configuration.
func ask(t *testing.T, text string) error {
	t.Helper()
	l, err := openLister(t, text)
	if err != nil {
		return err
	}
	_, err = l.list(t.Context())
	return err
}

// wantError checks what an error says, and that it tells no secret: those of the tests
// have "hunter" in them.
func wantError(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, w := range want {
		if err == nil || !strings.Contains(err.Error(), w) {
			t.Errorf("error %v, want %q in it", err, w)
		}
	}
	if err != nil && strings.Contains(err.Error(), "hunter") {
		t.Errorf("the error tells a secret: %v", err)
	}
}

func fileWith(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// identity is a client's certificate, which is its own authority.
type identity struct{ cert, key string } // in PEM

func newIdentity(t *testing.T, name string) identity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, made, made, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return identity{
		cert: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		key:  string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
	}
}

// mutual has a server demand one of some certificates.
func mutual(t *testing.T, known ...identity) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	for _, i := range known {
		if !pool.AppendCertsFromPEM([]byte(i.cert)) {
			t.Fatal("no certificate")
		}
	}
	return &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
}

// connectProxy is a proxy for HTTPS that leads everybody to one server.
type connectProxy struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

func newConnectProxy(t *testing.T, to *httptest.Server) *connectProxy {
	t.Helper()
	p := &connectProxy{}
	address := to.Listener.Addr().String()
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.seen = append(p.seen, r)
		p.mu.Unlock()
		if r.Method != http.MethodConnect {
			http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
			return
		}
		if r.Header.Get("X-Refuse") != "" {
			http.Error(w, "no", http.StatusProxyAuthRequired)
			return
		}
		there, err := net.Dial("tcp", address)
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		_, _ = io.WriteString(here, "HTTP/1.1 200 Connection established\r\n\r\n")
		var both sync.WaitGroup
		both.Go(func() { _, _ = io.Copy(there, here); _ = there.(*net.TCPConn).CloseWrite() })
		both.Go(func() { _, _ = io.Copy(here, there); _ = here.(*net.TCPConn).CloseWrite() })
		both.Wait()
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *connectProxy) asked() []*http.Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*http.Request(nil), p.seen...)
}
