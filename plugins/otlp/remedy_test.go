package otlp

import "testing"

// TestUnreachable reads what clients of both protocols say of connections that do not come
// about, and leaves the words of receivers alone.
func TestUnreachable(t *testing.T) {
	for text, want := range map[string]string{
		"tls: failed to verify certificate: x509: certificate signed by unknown authority":                                              untrusted,
		`connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate is`: untrusted,
		"remote error: tls: certificate required":                                                                                       noAccess,
		`connection error: desc = "transport: authentication handshake failed: tls: first record does not look like a TLS handshake"`:   noTLS,
		"http: server gave HTTP response to HTTPS client":                                                                               noTLS,
		"dial tcp: lookup collector: no such host":                                                                                      noName,
		"name resolver error: produced zero addresses":                                                                                  noName,
		"dial tcp: lookup collector on 10.0.0.10:53: server misbehaving":                                                                noName,
		"dial tcp 10.0.0.1:4317: i/o timeout":                                                                                           tooSlow,
		`connection error: desc = "error reading server preface: read tcp: use of closed network connection"`:                           tooSlow,
		`connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.1:4317: connect: connection refused"`:                wrongPort,
		`connection error: desc = "error reading server preface: EOF"`:                                                                  wrongPort,
		"error reading from server: read tcp: connection reset by peer":                                                                 wrongPort,
		"unexpected HTTP status code received from server: 404 (Not Found)":                                                             wrongPort,
		"data refused due to high memory usage":                                                                                         busy,
		"":                                                                                                                              busy,
	} {
		if got := unreachable(text, busy); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
