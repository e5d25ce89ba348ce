package remotewrite

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"net/http"
)

// unreachable says what can be done about a request that nobody answered.
func unreachable(err error) string {
	var (
		name      *net.DNSError
		file      *fs.PathError
		untrusted *tls.CertificateVerificationError
		noTLS     tls.RecordHeaderError
		op        *net.OpError
	)
	switch {
	case errors.As(err, &name):
		return "does the name in url exist? the node's DNS does not know it, or does not answer"
	case errors.As(err, &file):
		return "check the files in http_client"
	case errors.As(err, &untrusted):
		return "set ca_file in http_client.tls_config to the certificate of who signed the receiver's, or server_name to a name in it"
	case errors.Is(err, http.ErrSchemeMismatch), errors.As(err, &noTLS):
		return "the receiver speaks plain text there: write http:// in url"
	case errors.As(err, &op) && op.Op == "remote error": // an alert of TLS
		return "the receiver wants a certificate, or another one: set cert_file and key_file in http_client.tls_config"
	}
	return "does a receiver of remote write listen there?"
}

const speak1 = `does it take remote write 2.0? if not, set protocol_version = "1.0"`

// remedy says what can be done about an answer that is final.
func remedy(code int) string {
	switch {
	case code == http.StatusUnauthorized, code == http.StatusForbidden:
		return "check the credentials in http_client"
	case code == http.StatusNotFound, code == http.StatusMethodNotAllowed:
		return "does this path take remote write? Prometheus does with --web.enable-remote-write-receiver, at /api/v1/write"
	case code == http.StatusUnsupportedMediaType:
		return speak1
	case code == http.StatusRequestEntityTooLarge:
		return "raise the limits of the receiver"
	case code/100 == 3:
		return "redirects are not followed: set url to where it leads"
	}
	return "the receiver's own log may say more"
}
