package otlp

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// metricsPath is where an OTLP receiver takes metrics over HTTP.
const metricsPath = "/v1/metrics"

// endpoint is where requests go: a checked URL with a port and without
// anything that could be secret.
type endpoint struct {
	tls  bool
	host string // host:port
	path string // as written in a URL; empty for gRPC
}

// String returns the endpoint as a URL, for errors.
func (e endpoint) String() string {
	scheme := "http://"
	if e.tls {
		scheme = "https://"
	}
	return scheme + e.host + e.path
}

// parseEndpoint reads the key "endpoint". Its errors never repeat the value,
// which may hold a password that does not belong there.
func parseEndpoint(protocol, raw string) (endpoint, error) {
	return readEndpoint(protocol, raw, false)
}

// readEndpoint reads an endpoint; one that is exact has its path already.
func readEndpoint(protocol, raw string, exact bool) (endpoint, error) {
	usual := "http://localhost:4317"
	if protocol == HTTP {
		usual = "http://localhost:4318"
	}
	if raw == "" {
		raw = usual
	}
	u, err := url.Parse(raw)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" {
		return endpoint{}, errors.New("want a URL that begins with http:// or https://, such as " + usual)
	}
	if u.User != nil {
		return endpoint{}, errors.New("want a URL without user and password")
	}
	if u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return endpoint{}, errors.New("want a URL without a query (?) and a fragment (#)")
	}
	if strings.ContainsFunc(u.Hostname(), notOfHost) {
		return endpoint{}, errors.New("want a host name or an IP address between :// and the port")
	}
	to := endpoint{tls: u.Scheme == "https"}
	port := u.Port()
	switch {
	case port != "":
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return endpoint{}, errors.New("want a port from 1 to 65535")
		}
	case to.tls:
		port = "443"
	default:
		port = "80"
	}
	to.host = net.JoinHostPort(u.Hostname(), port)
	to.path = strings.TrimRight(u.EscapedPath(), "/")
	if protocol == GRPC {
		if to.path != "" {
			return endpoint{}, errors.New(`gRPC has no path: want a URL such as ` + usual + `, or protocol = "` + HTTP + `"`)
		}
		return to, nil
	}
	switch {
	case exact && to.path == "":
		to.path = "/"
	case exact:
		to.path = u.EscapedPath()
	case !strings.HasSuffix(to.path, metricsPath):
		to.path += metricsPath
	}
	return to, nil
}

// notOfHost tells characters that neither names nor addresses have.
func notOfHost(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("-._:", r)
}
