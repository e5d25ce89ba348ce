package k8s

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode"

	promconfig "github.com/prometheus/common/config"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/token"
)

// setting is a key that may be set.
type setting struct {
	key string
	set bool
}

// atMostOne returns an error about the second of the keys that are set.
func atMostOne(settings ...setting) error {
	first := ""
	for _, s := range settings {
		switch {
		case s.set && first != "":
			return plugin.Keyf(s.key, "contradicts %s: leave one of them out", first)
		case s.set:
			first = s.key
		}
	}
	return nil
}

// checkAccess checks how the servers are talked to.
func (c *Config) checkAccess() error {
	checks := []func() error{
		c.checkKubeconfig, c.checkCredentials, c.checkVerification,
		func() error { return c.TLS.check("tls_config.") },
		func() error { return c.proxy().check("") },
		c.checkProxiedServer, c.checkOAuth2, c.checkHeaders,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// The key that says who the agent is where none of the others does.
const keyToken = "token_retrieval"

// credentials are the keys that say who the agent is, besides token_retrieval and
// kubeconfig.
func (c *Config) credentials() []setting {
	return []setting{
		{"basic_auth", c.BasicAuth != BasicAuth{}},
		{"authorization", c.Authorization.set()},
		{"oauth2", c.OAuth2.set()},
		{"bearer_token_file", c.BearerTokenFile != ""},
	}
}

// credentialsKey returns the key that says who the agent is. A client certificate does
// where no token is asked for: then none is looked for in vain.
func (c *Config) credentialsKey() string {
	certificate := c.TLS.Cert != "" || c.TLS.CertPEM != "" || c.TLS.CertFile != ""
	all := append(c.credentials(), setting{"kubeconfig", c.Kubeconfig != ""},
		setting{"tls_config", certificate && c.Token.Strategy == token.Unset})
	if i := slices.IndexFunc(all, func(s setting) bool { return s.set }); i >= 0 {
		return all[i].key
	}
	return keyToken
}

// checkKubeconfig makes sure that nothing is said beside a kubeconfig that it says
// too.
func (c *Config) checkKubeconfig() error {
	if c.Kubeconfig == "" {
		if c.Context != "" {
			return plugin.Keyf("context", "needs kubeconfig, the file that has it")
		}
		return nil
	}
	beside := slices.Concat(
		[]setting{{keyToken, c.Token.Strategy != token.Unset}, {"k8s_api_url", c.APIURL != defaultAPIURL}},
		c.credentials(),
		[]setting{
			{"ca_file", c.CAFile != ""},
			{"insecure_skip_verify", c.InsecureSkipVerify},
			{"tls_config", c.TLS != TLSConfig{}},
			{"proxy_url", c.ProxyURL != ""},
			{"no_proxy", c.NoProxy != ""},
			{"proxy_from_environment", c.ProxyFromEnvironment},
			{"proxy_connect_header", len(c.ProxyConnectHeader) > 0},
			{"follow_redirects", !c.FollowRedirects},
			{"enable_http2", !c.EnableHTTP2},
			{"http_headers", len(c.HTTPHeaders) > 0},
		})
	for _, s := range beside {
		if s.set {
			return plugin.Keyf(s.key, "contradicts kubeconfig, which says who is talked to and how: leave one of them out")
		}
	}
	return nil
}

func (c *Config) checkCredentials() error {
	if err := atMostOne(append(c.credentials(), setting{keyToken, c.Token.Strategy != token.Unset})...); err != nil {
		return err
	}
	if err := atMostOne(
		setting{"basic_auth.password", c.BasicAuth.Password != ""},
		setting{"basic_auth.password_file", c.BasicAuth.PasswordFile != ""}); err != nil {
		return err
	}
	a := c.Authorization
	if err := atMostOne(
		setting{"authorization.credentials", a.Credentials != ""},
		setting{"authorization.credentials_file", a.CredentialsFile != ""}); err != nil {
		return err
	}
	switch {
	case !a.set():
	case strings.EqualFold(strings.TrimSpace(a.Type), "basic"):
		return plugin.Keyf("authorization.type", "may not be basic: use basic_auth instead")
	case a.Credentials == "" && a.CredentialsFile == "":
		return plugin.Keyf("authorization", "needs credentials or credentials_file")
	case !fitsHeader(a.Type) || !fitsHeader(string(a.Credentials)):
		return plugin.Keyf("authorization", "holds a control character, which no header may have")
	}
	return nil
}

// checkVerification makes sure that the server is verified in one way. The keys
// ca_file and insecure_skip_verify are short for those of tls_config.
func (c *Config) checkVerification() error {
	if err := atMostOne(setting{"ca_file", c.CAFile != ""}, setting{"insecure_skip_verify", c.InsecureSkipVerify}); err != nil {
		return err
	}
	for _, s := range []setting{{"ca_file", c.CAFile != ""}, {"insecure_skip_verify", c.InsecureSkipVerify}} {
		if s.set && c.TLS.verifies() {
			return plugin.Keyf(s.key, "contradicts tls_config, which says it too: leave one of them out")
		}
	}
	return nil
}

func (p proxy) check(prefix string) error {
	if err := atMostOne(setting{prefix + "proxy_url", p.url != ""}, setting{prefix + "proxy_from_environment", p.fromEnvironment}); err != nil {
		return err
	}
	if err := atMostOne(setting{prefix + "no_proxy", p.none != ""}, setting{prefix + "proxy_from_environment", p.fromEnvironment}); err != nil {
		return err
	}
	if p.none != "" && p.url == "" {
		return plugin.Keyf(prefix+"no_proxy", "needs proxy_url")
	}
	if len(p.connectHeader) > 0 && p.url == "" && !p.fromEnvironment {
		return plugin.Keyf(prefix+"proxy_connect_header", "needs proxy_url or proxy_from_environment")
	}
	if p.url != "" {
		u, err := url.Parse(p.url)
		if err != nil || u.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) {
			return plugin.Keyf(prefix+"proxy_url", "want a URL such as http://proxy:3128")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(p.connectHeader)) {
		if !isHeaderName(name) || slices.ContainsFunc(p.connectHeader[name], func(s Secret) bool { return !fitsHeader(string(s)) }) {
			return plugin.Keyf(prefix+"proxy_connect_header", "holds a name or a value that no header may have")
		}
	}
	return nil
}

// checkProxiedServer keeps credentials from going to a proxy on another machine in
// plain HTTP, which a server on this machine does not.
func (c *Config) checkProxiedServer() error {
	if c.Kubeconfig != "" {
		return nil // known at open
	}
	address := c.APIURL
	if c.Discovery == modeKubelet {
		address = c.KubeletURL
	}
	return c.checkProxied("proxy_url", c.proxy(), address)
}

func (c *Config) checkProxied(key string, p proxy, address string) error {
	server, err := url.Parse(address)
	if err != nil || !p.set() {
		return nil //nolint:nilerr // what is wrong with the address was said before
	}
	if err := checkPlain(server, p.to(server), c.AllowInsecureToken); err != nil {
		return &plugin.KeyError{Key: key, Err: err}
	}
	return nil
}

// checkPlain tells whether credentials may go to a server through a proxy, nil for
// none.
func checkPlain(server, proxy *url.URL, allow bool) error {
	if server.Scheme != "http" || proxy == nil || allow {
		return nil
	}
	if err := token.CheckServer(&url.URL{Scheme: "http", Host: proxy.Host}, false); err != nil {
		return fmt.Errorf("through the proxy, %w", err)
	}
	return nil
}

func (c *Config) checkOAuth2() error {
	o := &c.OAuth2
	if !o.set() {
		return nil
	}
	if err := atMostOne(
		setting{"oauth2.client_secret", o.ClientSecret != ""},
		setting{"oauth2.client_secret_file", o.ClientSecretFile != ""}); err != nil {
		return err
	}
	switch {
	case o.ClientID == "":
		return plugin.Keyf("oauth2", "needs client_id")
	case o.TokenURL == "":
		return plugin.Keyf("oauth2", "needs token_url")
	case o.ClientSecret == "" && o.ClientSecretFile == "":
		return plugin.Keyf("oauth2", "needs client_secret or client_secret_file")
	}
	if err := c.checkServer("oauth2.token_url", o.TokenURL, "https://login.example.com/token"); err != nil {
		return err
	}
	if err := o.TLS.check("oauth2.tls_config."); err != nil {
		return err
	}
	if err := o.proxy().check("oauth2."); err != nil {
		return err
	}
	return c.checkProxied("oauth2.proxy_url", o.proxy(), o.TokenURL)
}

func (c *Config) checkHeaders() error {
	for _, name := range slices.Sorted(maps.Keys(c.HTTPHeaders)) {
		header := c.HTTPHeaders[name]
		_, reserved := promconfig.ReservedHeaders[http.CanonicalHeaderKey(name)]
		switch {
		case !isHeaderName(name):
			return plugin.Keyf("http_headers", "holds a name that no header may have")
		case reserved:
			return plugin.Keyf("http_headers."+name, "is set by the agent itself; for credentials there are basic_auth and authorization")
		case slices.ContainsFunc(header.Values, func(s Secret) bool { return !fitsHeader(string(s)) }):
			return plugin.Keyf("http_headers."+name, "holds a control character, which no header may have")
		}
	}
	return nil
}

// isHeaderName tells whether a text is a token of RFC 9110, section 5.6.2.
func isHeaderName(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
		return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func fitsHeader(value string) bool { return !strings.ContainsFunc(value, unicode.IsControl) }
