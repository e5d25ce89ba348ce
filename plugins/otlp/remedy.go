package otlp

import "strings"

// Remedies, for the ends of errors.
const (
	wrongPort = "is an OTLP receiver listening there? port 4317 is gRPC, 4318 is HTTP"
	notOTLP   = "does this endpoint take OTLP metrics? port 4317 is gRPC, 4318 is HTTP"
	noAccess  = "the receiver wants credentials, or other ones: set headers, or cert_file and key_file"
	seeLog    = "the receiver's own log may say more"
	tooBig    = "raise the limits of the receiver, such as max_recv_msg_size_mib"
	tooSlow   = "the receiver is slow or unreachable: relieve it, or raise timeout"
	busy      = "the receiver is overloaded or not ready"
	untrusted = "set ca_file to the certificate of who signed the receiver's, or server_name to a name in it"
	noTLS     = "the receiver speaks plain text there: write http:// in endpoint"
	noName    = "does the name in endpoint exist? the node's DNS does not know it, or does not answer"
)

// unreachable says what can be done about a connection that did not come about. It goes by
// the text of the error, since that is all that gRPC keeps of it.
func unreachable(text, otherwise string) string {
	for _, cause := range []struct{ sign, remedy string }{
		{"tls: failed to verify certificate", untrusted},
		{"remote error: tls:", noAccess}, // an alert: it wants a certificate of the client
		{"first record does not look like a TLS handshake", noTLS},
		{"server gave HTTP response to HTTPS client", noTLS},
		{"no such host", noName},
		{"server misbehaving", noName},
		{"produced zero addresses", noName},
		{"name resolver error", noName},
		{"connection refused", wrongPort},
		{"deadline exceeded", tooSlow},
		{"i/o timeout", tooSlow},
		{"use of closed network connection", tooSlow}, // gRPC gives up a connection that is not greeted in time
		// What else gRPC says of connections; the rest are words of receivers.
		{"connection error", wrongPort},
		{"error reading from server", wrongPort},
		{"connection reset", wrongPort},
		{"broken pipe", wrongPort},
		{"transport", wrongPort},
		{"unexpected HTTP status", wrongPort},
	} {
		if strings.Contains(text, cause.sign) {
			return cause.remedy
		}
	}
	return otherwise
}
