package simnode

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

// server is the listener of an API server.
type server struct {
	mu      sync.Mutex
	address string // taken at the first Listen and kept
	running *http.Server
	served  chan error
	tls     *tls.Config
	ca      []byte
}

// Listen serves plain HTTP on a free port of 127.0.0.1 and returns the base URL.
// After Close, it serves at the same address again.
func (a *API) Listen() (string, error) { return a.server.listen(a, nil) }

// ListenTLS is like Listen, but serves HTTPS with a certificate for 127.0.0.1
// and localhost from an authority of its own (see CA).
func (a *API) ListenTLS() (string, error) {
	if err := a.server.makeCertificate(); err != nil {
		return "", fmt.Errorf("make the certificate of the API server: %w", err)
	}
	return a.server.listen(a, a.server.tls)
}

// CA returns the certificate, in PEM, of the authority by which an API server
// with ListenTLS can be verified; nil before.
func (a *API) CA() []byte {
	a.server.mu.Lock()
	defer a.server.mu.Unlock()
	return a.server.ca
}

// Close stops listening and cuts all connections. Pods, tokens and the log stay.
// A server that does not listen is left as it is.
func (a *API) Close() error { return a.server.close() }

func (s *server) makeCertificate() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tls != nil {
		return nil
	}
	ca, certificate, err := newCertificate()
	if err != nil {
		return err
	}
	s.ca, s.tls = ca, &tls.Config{Certificates: []tls.Certificate{certificate}}
	return nil
}

func (s *server) listen(handler http.Handler, config *tls.Config) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return "", errors.New("the API server listens already")
	}
	address := s.address
	if address == "" {
		address = "127.0.0.1:0"
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("listen for the API server: %w", err)
	}
	s.address = listener.Addr().String()
	running := &http.Server{
		Handler: handler, TLSConfig: config, ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), // clients that refuse the certificate are no news here
	}
	served := make(chan error, 1)
	scheme := "http"
	serve := func() error { return running.Serve(listener) }
	if config != nil {
		scheme = "https"
		serve = func() error { return running.ServeTLS(listener, "", "") }
	}
	go func() { served <- serve() }()
	s.running, s.served = running, served
	return scheme + "://" + s.address, nil
}

func (s *server) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil
	}
	err := s.running.Close()
	if end := <-s.served; !errors.Is(end, http.ErrServerClosed) {
		err = errors.Join(err, end)
	}
	s.running, s.served = nil, nil
	if err != nil {
		return fmt.Errorf("close the API server: %w", err)
	}
	return nil
}
