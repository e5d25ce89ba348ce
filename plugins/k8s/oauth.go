package k8s

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	promconfig "github.com/prometheus/common/config"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// oauth shows a server tokens that a token endpoint gives out.
//
// The library's own transport for this follows redirects of the token endpoint with
// the secret in hand, waits for its answer for ever, and keeps a token that the
// server refuses; so the library only makes the client of the endpoint.
type oauth struct {
	next     http.RoundTripper
	settings *OAuth2
	endpoint *http.Client

	turn    chan struct{}            // holds an element while somebody uses what follows
	config  clientcredentials.Config // it remembers how the endpoint wants the secret
	token   *oauth2.Token            // got with the secret in config
	fetched time.Time
}

// refusedPause is how long a new token is kept though the server refuses it, so that
// the endpoint is not asked at each request to a server that refuses all.
const refusedPause = 10 * time.Second

// newOAuth returns a transport; an error is about the files of oauth2.tls_config.
func newOAuth(settings *OAuth2, next http.RoundTripper, userAgent string) (*oauth, error) {
	endpoint, err := promconfig.NewClientFromConfig(promconfig.HTTPClientConfig{
		TLSConfig: settings.TLS.library(), ProxyConfig: settings.proxy().library(), EnableHTTP2: true,
	}, clientName, promconfig.WithUserAgent(userAgent))
	if err != nil {
		return nil, fmt.Errorf("oauth2: %w", err)
	}
	endpoint.Timeout = requestTimeout
	params := make(url.Values)
	for name, value := range settings.EndpointParams {
		params.Set(name, string(value))
	}
	return &oauth{
		next: next, settings: settings, endpoint: endpoint, turn: make(chan struct{}, 1),
		config: clientcredentials.Config{
			ClientID: settings.ClientID, TokenURL: settings.TokenURL, Scopes: settings.Scopes, EndpointParams: params,
		},
	}, nil
}

// RoundTrip implements http.RoundTripper.
func (o *oauth) RoundTrip(r *http.Request) (*http.Response, error) {
	shown, err := o.get(r.Context())
	if err != nil {
		return nil, &credentialError{err}
	}
	carrier := r.Clone(r.Context())
	shown.SetAuthHeader(carrier)
	resp, err := o.next.RoundTrip(carrier)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		o.refuse(shown)
	}
	return resp, err
}

// get returns a token, from the endpoint where there is none or it is about to end.
func (o *oauth) get(ctx context.Context) (*oauth2.Token, error) {
	select {
	case o.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a token: %w", ctx.Err())
	}
	defer func() { <-o.turn }()
	secret := string(o.settings.ClientSecret)
	if file := o.settings.ClientSecretFile; file != "" {
		var err error
		if secret, err = promconfig.NewFileSecret(file).Fetch(ctx); err != nil {
			if o.token.Valid() {
				return o.token, nil
			}
			return nil, fmt.Errorf("oauth2.client_secret_file: %w", err)
		}
	}
	if o.token.Valid() && o.config.ClientSecret == secret {
		return o.token, nil
	}
	o.token, o.config.ClientSecret = nil, secret
	fresh, err := o.config.Token(context.WithValue(ctx, oauth2.HTTPClient, o.endpoint))
	if err != nil {
		return nil, fmt.Errorf("get a token from oauth2.token_url: %w", plainOAuth(err))
	}
	o.token, o.fetched = fresh, time.Now()
	return fresh, nil
}

// refuse takes note that the server does not take a token.
func (o *oauth) refuse(refused *oauth2.Token) {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	if o.token == refused && time.Since(o.fetched) >= refusedPause {
		o.token = nil
	}
}

// plainOAuth leaves out of an error what the endpoint answered, since it may hold
// anything, and the URL, whose query may hold a secret.
func plainOAuth(err error) error {
	if refused := new(oauth2.RetrieveError); errors.As(err, &refused) {
		code := refused.ErrorCode
		if len(code) > 40 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz_") != "" {
			code = ""
		}
		if code != "" {
			code = ": " + code
		}
		return fmt.Errorf("status %d%s", refused.Response.StatusCode, code)
	}
	if strings.HasPrefix(err.Error(), "oauth2: cannot parse") {
		return errors.New("its answer holds no token")
	}
	return withoutURL(err)
}
