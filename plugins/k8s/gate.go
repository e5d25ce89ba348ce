package k8s

import (
	"net/http"
	"net/url"

	"github.com/podjoule/podjoule/token"
)

// gate keeps what is meant for one server to it. Requests that a redirect leads to
// another one go there without credentials, certificate and headers of the
// configuration; and so do those that are led back from there, as what leads them
// may not choose what is asked in the agent's name.
type gate struct {
	server     *url.URL
	own, other http.RoundTripper
	userAgent  string
}

// RoundTrip implements http.RoundTripper. It hands on a copy of the request: those
// behind it set headers, not all of them in copies of their own.
func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	way := g.own
	if g.left(r) {
		way = g.other
	}
	sent := r.Clone(r.Context())
	sent.Header.Set("User-Agent", g.userAgent)
	resp, err := way.RoundTrip(sent)
	if err == nil {
		resp.Request = r // whoever prints it must not see the credentials
	}
	return resp, err
}

// left reports whether a request is to another server, or was led to one on its way.
func (g *gate) left(r *http.Request) bool {
	for {
		if !token.SameServer(r.URL, g.server) {
			return true
		}
		if r.Response == nil || r.Response.Request == nil {
			return false
		}
		r = r.Response.Request
	}
}
