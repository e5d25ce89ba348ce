package k8s

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"

	promconfig "github.com/prometheus/common/config"
	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/token"
)

// clientName is how the library calls our clients in its own metrics.
const clientName = "podjoule_k8s"

// access is how a server that knows the pods is talked to.
type access struct {
	http *http.Client
	url  string
	// For errors: the key that has the URL, that of the credentials and that of
	// the authority, the proxy's host, and where tokens come from.
	urlKey, credentials, authority, proxy string
	tokens                                *token.Source
}

// newAccess makes a client of a server. With a kubeconfig the API server's address
// is in there. Nobody is asked yet; an error is about the configuration or its files.
func newAccess(c *Config, address string, tokens *token.Source, host *plugin.Host) (*access, error) {
	requests, err := host.Meter.Int64Counter("podjoule.k8s.api.requests",
		metric.WithDescription("Requests for pods by status code, or \"none\" where no answer came"))
	if err != nil {
		return nil, err
	}
	limited := func(next http.RoundTripper) http.RoundTripper {
		return transport{compressed{next}, requests, requestTimeout}
	}
	if c.Kubeconfig != "" {
		return newKubeconfigAccess(c, limited, userAgent(host))
	}
	return newHTTPAccess(c, address, tokens, limited, host)
}

func userAgent(host *plugin.Host) string { return "podjoule/" + host.Version }

func newHTTPAccess(c *Config, address string, tokens *token.Source, limited func(http.RoundTripper) http.RoundTripper, host *plugin.Host) (*access, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	var options []promconfig.HTTPClientOption
	if host.Dial != nil {
		options = append(options, promconfig.WithDialContextFunc(host.Dial))
	}
	client, err := promconfig.NewClientFromConfig(c.httpConfig(), clientName, options...)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", address, err)
	}
	bare, err := promconfig.NewRoundTripperFromConfig(c.bareConfig(), clientName, options...)
	if err != nil {
		return nil, fmt.Errorf("make a client of %s: %w", address, err)
	}
	a := &access{http: client, url: address, urlKey: "k8s_api_url", credentials: c.credentialsKey(), authority: "ca_file", tokens: tokens}
	if c.Discovery == modeKubelet {
		a.urlKey = "kubelet_url"
	}
	if (c.TLS != TLSConfig{}) {
		a.authority = "tls_config.ca_file"
	}
	if through := c.proxy().to(base); through != nil {
		a.proxy = through.Host
	}
	own := limited(client.Transport)
	switch a.credentials {
	case keyToken:
		own = &token.Transport{Base: own, Source: tokens, Server: base, AllowInsecure: c.AllowInsecureToken}
	case "oauth2":
		if own, err = newOAuth(&c.OAuth2, own, userAgent(host)); err != nil {
			return nil, err
		}
	}
	client.Transport = &gate{server: base, own: own, other: limited(bare), userAgent: userAgent(host)}
	return a, nil
}

// place names the server, and the proxy before it, in errors.
func (a *access) place() string {
	if a.proxy != "" {
		return a.url + " through the proxy " + a.proxy
	}
	return a.url
}

// credentialError says that there are no credentials to show to the server.
type credentialError struct{ error }

// Unwrap returns the cause.
func (e *credentialError) Unwrap() error { return e.error }

// withoutURL leaves out the URL of a request, which says no more than what is said
// anyway, and is another one each time.
func withoutURL(err error) error {
	if request := new(url.Error); errors.As(err, &request) {
		return request.Err
	}
	return err
}

// remedy says what can be done where there was no answer; away is for a server
// that is not there.
func (a *access) remedy(err error, away string) string {
	var network *net.OpError
	switch {
	case errors.As(err, new(*credentialError)):
		return "check " + a.credentials
	case errors.Is(err, errNoAnswer):
		return fmt.Sprintf("it was given %v; it is asked again", requestTimeout)
	case errors.Is(err, errMute), errors.Is(err, errCut):
		return "does a proxy or a load balancer stand between? pod_discovery = \"poll\" does without a watch"
	case isExpiredCertificate(err):
		return "its certificate has to be renewed, or a clock is wrong"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, errUnreadable):
		return remedyUnreadable
	case errors.As(err, new(*tls.CertificateVerificationError)):
		return "set " + a.authority + " to the certificate of its authority"
	case errors.As(err, new(*fs.PathError)) && a.credentials != keyToken: // whose errors have their own
		return "is the file there, and may podjoule read it?"
	case errors.As(err, &network) && network.Op == "proxyconnect":
		return "is the proxy running there?"
	case errors.As(err, &network) && network.Op == "dial":
		return "is it running there? " + away
	}
	return ""
}

// remedyOfStatus says what can be done about an answer's status.
func (a *access) remedyOfStatus(status int) string {
	switch {
	case status == http.StatusUnauthorized && a.credentials != keyToken:
		return "the credentials were refused: check " + a.credentials
	case status == http.StatusUnauthorized:
		if err := a.tokens.Err(); err != nil {
			return "no token could be had: " + err.Error()
		}
		return "the token was refused: check " + keyToken
	case status >= 300 && status < 400:
		return "it leads elsewhere: set " + a.urlKey + " to where, or follow_redirects = true"
	case status == http.StatusTooManyRequests:
		return "it has too much to do; it is asked again when it wants"
	case status == http.StatusGone:
		return "it has forgotten the version asked for; the pods are listed anew"
	}
	return "its own log says more; it is asked again"
}
