package k8s

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/podjoule/podjoule/simnode"
	"github.com/podjoule/podjoule/token"
)

// bubble is an API server, which is also the node's kubelet, behind connections in memory:
// a real HTTP server and client inside a bubble of testing/synctest, where an hour is short.
type bubble struct {
	t       *testing.T
	api     *simnode.API
	user    string
	file    string // of the token
	secure  bool   // HTTPS
	ca      string // file
	signer  func(until time.Time) *tls.Certificate
	stopped func() // ends the server; nil while it is down

	mu          sync.Mutex
	listener    *pipes // nil while the server is down
	fault       simnode.Fault
	certificate *tls.Certificate
	muted       bool
	asked       []time.Time
	watches     int
}

const firstSecret = "first-secret-0123456789"

// newBubble makes a server that is up, and knows the token in its file.
func newBubble(t *testing.T, secure bool) *bubble {
	t.Helper()
	b := &bubble{t: t, api: simnode.NewAPI(), user: simnode.ServiceAccountUser("podjoule", "podjoule"), secure: secure}
	b.api.RequireTokens()
	b.api.Allow(b.user, simnode.ListPods, simnode.WatchPods)
	b.file = filepath.Join(t.TempDir(), "token")
	b.rotate(firstSecret)
	if secure {
		b.makeAuthority()
		b.certificate = b.signer(time.Now().Add(24 * time.Hour))
	}
	b.up()
	t.Cleanup(b.down)
	return b
}

// rotate puts another token in place.
func (b *bubble) rotate(secret string) {
	b.t.Helper()
	b.api.AddToken(secret, b.user)
	writeFile(b.t, secret+"\n", b.file)
}

// configure points the plugin to the server.
func (b *bubble) configure(mode string) func(*Config) {
	return func(c *Config) {
		c.APIURL, c.KubeletURL = "http://127.0.0.1:8080", "http://127.0.0.1:8080"
		if b.secure {
			c.APIURL, c.KubeletURL, c.CAFile = "https://node.example:6443", "https://node.example:6443", b.ca
		}
		c.Discovery, c.RefreshInterval, c.scan = mode, defaults().RefreshInterval, 20*time.Second
		c.Token = token.Config{Strategy: token.File, File: b.file}
	}
}

func (b *bubble) up() {
	listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: b, ErrorLog: log.New(io.Discard, "", 0)}
	serve := func() error { return server.Serve(listener) }
	if b.secure {
		server.TLSConfig = &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.certificate, nil
		}}
		serve = func() error { return server.ServeTLS(listener, "", "") }
	}
	served := make(chan error, 1)
	go func() { served <- serve() }()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listener = listener
	b.stopped = func() {
		if err := server.Close(); err != nil {
			b.t.Errorf("close the server: %v", err)
		}
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			b.t.Errorf("serve: %v", err)
		}
	}
}

func (b *bubble) down() {
	b.mu.Lock()
	stop := b.stopped
	b.listener, b.stopped = nil, nil
	b.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// restart cuts all connections.
func (b *bubble) restart() {
	b.down()
	b.up()
}

func (b *bubble) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

// dial connects to the server, or is refused while it is down.
func (b *bubble) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	b.mu.Lock()
	listener := b.listener
	if listener == nil || b.secure { // where the request does not come through
		b.asked = append(b.asked, time.Now())
	}
	b.mu.Unlock()
	refused := &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
	if listener == nil {
		return nil, refused
	}
	ours, theirs := net.Pipe()
	select {
	case listener.conns <- theirs:
		return ours, nil
	case <-listener.closed:
		return nil, refused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// ServeHTTP takes down when it is asked, and serves the kubelet's list from the API's.
func (b *bubble) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	watching := r.URL.Query().Has("watch")
	b.mu.Lock()
	fault := b.fault
	if !b.secure {
		b.asked = append(b.asked, time.Now())
	}
	if watching {
		b.watches++
	}
	b.mu.Unlock()
	if r.URL.Path == "/pods" {
		r.URL.Path = "/api/v1/pods"
	}
	if watching {
		w = &muteWriter{w, b, false}
	}
	if fault != nil {
		fault(w, r, b.api)
		return
	}
	b.api.ServeHTTP(w, r)
}

// requests returns when the server was asked, and how many of it were watches.
func (b *bubble) requests() (asked []time.Time, watches int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked, b.watches
}

// forgetRequests begins to count anew.
func (b *bubble) forgetRequests() { b.set(func() { b.asked, b.watches = nil, 0 }) }

// muteWriter loses what a watch says from the first loss on, as a connection does of which
// the other end has gone without a word.
type muteWriter struct {
	http.ResponseWriter
	b    *bubble
	lost bool
}

func (m *muteWriter) Write(text []byte) (int, error) {
	m.b.set(func() { m.lost = m.lost || m.b.muted })
	if m.lost {
		return len(text), nil
	}
	return m.ResponseWriter.Write(text)
}

func (m *muteWriter) Unwrap() http.ResponseWriter { return m.ResponseWriter }

// pipes is a listener without a network.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// makeAuthority makes an authority, and what signs the server's certificates.
func (b *bubble) makeAuthority() {
	b.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	text, err := x509.CreateCertificate(rand.Reader, authority, authority, key.Public(), key)
	if err != nil {
		b.t.Fatal(err)
	}
	b.ca = filepath.Join(b.t.TempDir(), "ca.crt")
	if err := os.WriteFile(b.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: text}), 0o600); err != nil {
		b.t.Fatal(err)
	}
	b.signer = func(until time.Time) *tls.Certificate {
		leaf := &x509.Certificate{
			SerialNumber: big.NewInt(2), NotBefore: until.Add(-48 * time.Hour), NotAfter: until, DNSNames: []string{"node.example"},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		}
		text, err := x509.CreateCertificate(rand.Reader, leaf, authority, key.Public(), key)
		if err != nil {
			b.t.Fatal(err)
		}
		return &tls.Certificate{Certificate: [][]byte{text}, PrivateKey: key}
	}
}
