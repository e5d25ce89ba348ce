package docs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	utilnet "k8s.io/apimachinery/pkg/util/net"
)

// wire is the network before one server: connections in memory, so that time can be
// simulated, on which every byte is counted. It is a net.Listener.
type wire struct {
	toServer, fromServer atomic.Int64
	requests             atomic.Int64

	away atomic.Bool // refuses connections

	calls  chan net.Conn
	closed chan struct{}
	once   sync.Once

	mu    sync.Mutex
	conns map[*counted]bool
}

func newWire() *wire {
	return &wire{calls: make(chan net.Conn), closed: make(chan struct{}), conns: make(map[*counted]bool)}
}

// cut cuts all connections.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		_ = c.Conn.Close() // net.Pipe's never fails
	}
}

// dial connects a client.
func (w *wire) dial(ctx context.Context) (net.Conn, error) {
	if w.away.Load() {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: w.Addr(), Err: syscall.ECONNREFUSED}
	}
	client, server := net.Pipe()
	select {
	case w.calls <- server:
		c := &counted{Conn: client, wire: w}
		w.keep(c, true)
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// keep notes a connection that is made or closed.
func (w *wire) keep(c *counted, open bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if open {
		w.conns[c] = true
	} else {
		delete(w.conns, c)
	}
}

// open is how many connections there are.
func (w *wire) open() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.conns))
}

// Accept implements net.Listener.
func (w *wire) Accept() (net.Conn, error) {
	select {
	case conn := <-w.calls:
		return conn, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (w *wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// Addr implements net.Listener.
func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// counted is the client's end of a connection.
type counted struct {
	net.Conn
	wire *wire
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.wire.toServer.Add(int64(n))
	return n, err
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.wire.fromServer.Add(int64(n))
	return n, err
}

func (c *counted) Close() error {
	c.wire.keep(c, false)
	return c.Conn.Close()
}

// cost is what one client costs a server: requests, and bytes of both directions, of
// TLS too.
type cost struct {
	requests             int64
	toServer, fromServer int64
}

func (c cost) bytes() int64 { return c.toServer + c.fromServer }

// cost is what was counted so far.
func (w *wire) cost() cost {
	return cost{w.requests.Load(), w.toServer.Load(), w.fromServer.Load()}
}

func (c cost) plus(other cost) cost {
	return cost{c.requests + other.requests, c.toServer + other.toServer, c.fromServer + other.fromServer}
}

func (c cost) less(other cost) cost {
	return cost{c.requests - other.requests, c.toServer - other.toServer, c.fromServer - other.fromServer}
}

// times is the cost of n of them.
func (c cost) times(n int64) cost { return cost{n * c.requests, n * c.toServer, n * c.fromServer} }

// by is the n-th part. Requests that cannot be parted show that not all of the n cost
// the same, and that there is no such figure.
func (c cost) by(t *testing.T, n int64) cost {
	t.Helper()
	if c.requests%n != 0 {
		t.Errorf("%d requests of %d", c.requests, n)
	}
	return cost{c.requests / n, c.toServer / n, c.fromServer / n}
}

// serve serves a handler on a wire, with TLS and HTTP/2 as an API server does, until
// the test ends.
func (w *wire) serve(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.requests.Add(1)
		handler.ServeHTTP(rw, r)
	}))
	if err := server.Listener.Close(); err != nil {
		t.Fatal(err)
	}
	server.Listener, server.EnableHTTP2 = w, true
	server.StartTLS()
	t.Cleanup(server.Close)
	return server
}

// network leads connections to the wires of their ports.
type network map[string]*wire

func (n network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if n[port] == nil {
		return nil, fmt.Errorf("dial %s: there is no such server", address)
	}
	return n[port].dial(ctx)
}

// transport is that which the client library makes for itself, but for where it
// connects to.
func (n network) transport(authority *x509.Certificate) *http.Transport {
	roots := x509.NewCertPool()
	roots.AddCert(authority)
	return utilnet.SetTransportDefaults(&http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext:     n.dial,
	})
}
