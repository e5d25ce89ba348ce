package token

import (
	"io"
	"net/http"
	"net/url"
	"sync/atomic"
)

// Transport is an http.RoundTripper that shows the token to one server.
//
// Requests to other servers, where redirects may lead, go without a token, and
// requests that have an Authorization header already go as they are. If the
// answer is 401, the token is replaced and the request repeated once, provided
// that its body can be repeated.
//
// A server on this machine that speaks plain HTTP is most likely "kubectl
// proxy", which needs no token. It gets one only after it has answered 401, and
// if none can be had then, that answer stands; Source.Err tells the reason.
//
// The fields may not change after the first request.
type Transport struct {
	// Base sends the requests; nil is http.DefaultTransport.
	Base http.RoundTripper
	// Source has the token.
	Source *Source
	// Server is the URL of the one server that gets the token. Its path does
	// not matter.
	Server *url.URL
	// AllowInsecure sends the token over plain HTTP to other machines too.
	// Without it, a request to such a server fails: see CheckServer.
	AllowInsecure bool

	asked atomic.Bool // the proxy on this machine wants a token
}

// RoundTrip sends a request. It never changes it, and no error holds the token.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := CheckServer(t.Server, t.AllowInsecure); err != nil {
		closeBody(req)
		return nil, err
	}
	if !SameServer(req.URL, t.Server) || req.Header.Get("Authorization") != "" {
		return t.base().RoundTrip(req)
	}
	local := t.Server.Scheme == "http" && isLoopback(t.Server)
	var token string
	if !local || t.asked.Load() {
		var err error
		if token, err = t.Source.Token(req.Context()); err != nil && !local {
			closeBody(req)
			return nil, err
		}
	}
	resp, err := t.send(req, token)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	t.Source.Refuse(token)
	fresh, err := t.Source.Token(req.Context())
	if err != nil || fresh == token {
		return resp, nil // nothing better to offer: the 401 stands
	}
	t.asked.Store(true)
	again, ok := repeat(req)
	if !ok {
		return resp, nil
	}
	// An answer that was read to its end leaves its connection to the next request.
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
	resp.Body.Close()
	resp, err = t.send(again, fresh)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		t.Source.Refuse(fresh)
	}
	return resp, err
}

// CloseIdleConnections closes the connections that Base keeps, if it can.
func (t *Transport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *Transport) base() http.RoundTripper {
	if t.Base == nil {
		return http.DefaultTransport
	}
	return t.Base
}

// send sends a copy of the request that carries the token.
func (t *Transport) send(req *http.Request, token string) (*http.Response, error) {
	if token == "" {
		return t.base().RoundTrip(req)
	}
	carrier := req.Clone(req.Context())
	if carrier.Header == nil {
		carrier.Header = make(http.Header)
	}
	carrier.Header.Set("Authorization", "Bearer "+token)
	resp, err := t.base().RoundTrip(carrier)
	if err == nil {
		resp.Request = req // whoever prints the answer's request must not see the token
	}
	return resp, err
}

// repeat returns a request with a body to read from the start, if it can have one.
func repeat(req *http.Request) (*http.Request, bool) {
	if req.Body == nil || req.Body == http.NoBody {
		return req, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again := req.Clone(req.Context())
	again.Body = body
	return again, true
}

// closeBody keeps the promise of every RoundTripper to close the request's body,
// for a request that was not sent.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
