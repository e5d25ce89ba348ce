package plugintest

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// Wire leads to one server in memory, so that real clients and servers can talk in the
// time of a test: Dial is for the client, and the server listens on the wire itself. It is
// made in the bubble in which it is used.
type Wire struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	sent   atomic.Int64

	mu   sync.Mutex
	take func(net.Conn) error
	ends map[net.Conn]struct{} // of the server, of connections that are open
}

// NewWire returns a wire whose server is there once it accepts.
func NewWire() *Wire {
	return &Wire{conns: make(chan net.Conn), closed: make(chan struct{}), ends: make(map[net.Conn]struct{})}
}

// Spoil hands the server's end of each connection that is made from now on to a function
// in place of the server; its error is that of the dial. Nil is as it was at first. The
// connections that there are, are cut.
func (w *Wire) Spoil(take func(end net.Conn) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.take = take
	for c := range w.ends {
		_ = c.Close() // a pipe's never fails
	}
	clear(w.ends)
}

// Away is for Spoil: nobody listens.
func Away(net.Conn) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

// Silent is for Spoil: somebody listens, and never answers.
func Silent(end net.Conn) error {
	go func() { _, _ = io.Copy(io.Discard, end) }()
	return nil
}

// CutAfter is for Spoil: connections reach the server and are cut after so many bytes of
// the client.
func (w *Wire) CutAfter(bytes int64) func(end net.Conn) error {
	return func(end net.Conn) error {
		near, far := net.Pipe()
		if err := w.To(far); err != nil {
			return err
		}
		go func() { _, _ = io.Copy(end, near) }()
		go func() {
			_, _ = io.CopyN(near, end, bytes)
			_ = end.Close()
			_ = near.Close()
		}()
		return nil
	}
}

// Sent returns how many bytes clients have sent.
func (w *Wire) Sent() int64 { return w.sent.Load() }

// To is for Spoil of another wire: connections lead to this one's server.
func (w *Wire) To(end net.Conn) error { return w.pass(context.Background(), end) }

// Dial connects to the server, whatever the address is. It is for plugin.Host.
func (w *Wire) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	w.mu.Lock()
	take := w.take
	w.mu.Unlock()
	if take == nil {
		take = func(end net.Conn) error { return w.pass(ctx, end) }
	}
	if err := take(far); err != nil {
		_ = near.Close()
		_ = far.Close()
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ends[far] = struct{}{}
	return &client{Conn: near, end: far, wire: w}, nil
}

// client is a client's end. Its errors are those of a real connection.
type client struct {
	net.Conn
	end    net.Conn
	wire   *Wire
	closed atomic.Bool
}

// Read implements net.Conn.
func (c *client) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.real("read", err)
}

// Write implements net.Conn.
func (c *client) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.wire.sent.Add(int64(n))
	return n, c.real("write", err)
}

func (c *client) real(op string, err error) error {
	switch {
	case !errors.Is(err, io.ErrClosedPipe):
		return err
	case c.closed.Load():
		return &net.OpError{Op: op, Net: "tcp", Err: net.ErrClosed}
	}
	return &net.OpError{Op: op, Net: "tcp", Err: syscall.EPIPE}
}

// Close implements net.Conn.
func (c *client) Close() error {
	c.closed.Store(true)
	c.wire.mu.Lock()
	delete(c.wire.ends, c.end)
	c.wire.mu.Unlock()
	return c.Conn.Close()
}

// pass hands a connection to the server.
func (w *Wire) pass(ctx context.Context, end net.Conn) error {
	select {
	case w.conns <- end:
		return nil
	case <-w.closed:
		return Away(end)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Accept implements net.Listener.
func (w *Wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It may be called again.
func (w *Wire) Close() error {
	w.once.Do(func() { close(w.closed) })
	return nil
}

// Addr implements net.Listener.
func (w *Wire) Addr() net.Addr { return &net.UnixAddr{Name: "wire", Net: "unix"} }
