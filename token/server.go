package token

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// CheckServer tells whether a token may be sent to a server: over https always,
// over plain http only to this machine, or where allowInsecure says so. The
// error names the host and the remedy, and nothing else of the URL.
func CheckServer(server *url.URL, allowInsecure bool) error {
	switch {
	case server == nil || server.Hostname() == "":
		return errors.New("the server's URL names no host: want https://host:port")
	case server.Scheme == "https", server.Scheme == "http" && (allowInsecure || isLoopback(server)):
		return nil
	case server.Scheme == "http":
		return fmt.Errorf("no token is sent to http://%s, where anyone on the way could read it: "+
			"use https, or set allow_insecure_token = true", server.Host)
	}
	return fmt.Errorf("the URL of server %s is neither https nor http", server.Host)
}

// isLoopback tells whether a URL leads to this machine: 127.0.0.0/8, ::1 or
// localhost.
func isLoopback(u *url.URL) bool {
	host := strings.TrimSuffix(u.Hostname(), ".")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// SameServer tells whether two URLs have the same scheme, host and port.
func SameServer(a, b *url.URL) bool {
	return a.Scheme == b.Scheme && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
