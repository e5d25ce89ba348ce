package k8s

import (
	"cmp"
	"net/http"
	"net/url"
	"os"
	"path/filepath"

	promconfig "github.com/prometheus/common/config"

	"github.com/podjoule/podjoule/token"
)

// httpConfig puts the settings into the words of the library. OAuth2 is not among
// them: see oauth.
func (c *Config) httpConfig() promconfig.HTTPClientConfig {
	config := c.bareConfig()
	tls := c.TLS.library()
	tls.CAFile, tls.InsecureSkipVerify = config.TLSConfig.CAFile, config.TLSConfig.InsecureSkipVerify
	config.TLSConfig = tls
	if len(c.HTTPHeaders) > 0 {
		config.HTTPHeaders = &promconfig.Headers{Headers: make(map[string]promconfig.Header)}
		for name, header := range c.HTTPHeaders {
			config.HTTPHeaders.Headers[name] = promconfig.Header{Secrets: secrets(header.Values), Files: header.Files}
		}
	}
	switch c.credentialsKey() {
	case "basic_auth":
		config.BasicAuth = &promconfig.BasicAuth{
			Username: c.BasicAuth.Username, Password: promconfig.Secret(c.BasicAuth.Password), PasswordFile: c.BasicAuth.PasswordFile,
		}
	case "authorization":
		config.Authorization = &promconfig.Authorization{
			Type: cmp.Or(c.Authorization.Type, bearer), Credentials: promconfig.Secret(c.Authorization.Credentials),
			CredentialsFile: c.Authorization.CredentialsFile,
		}
	case "bearer_token_file":
		config.Authorization = &promconfig.Authorization{Type: bearer, CredentialsFile: c.BearerTokenFile}
	}
	return config
}

// bareConfig are the settings without what is meant for one server alone:
// credentials, the client's certificate and headers.
func (c *Config) bareConfig() promconfig.HTTPClientConfig {
	tls := c.TLS.library()
	return promconfig.HTTPClientConfig{
		TLSConfig: promconfig.TLSConfig{
			CA: tls.CA, CAFile: cmp.Or(tls.CAFile, caFile(c)), MinVersion: tls.MinVersion,
			InsecureSkipVerify: tls.InsecureSkipVerify || c.InsecureSkipVerify,
		},
		FollowRedirects: c.FollowRedirects,
		EnableHTTP2:     c.EnableHTTP2,
		ProxyConfig:     c.proxy().library(),
	}
}

// caFile returns the file that verifies the server where tls_config does not say it,
// or "" for the system's certificates.
func caFile(c *Config) string {
	if c.CAFile != "" || c.InsecureSkipVerify || c.TLS.verifies() {
		return c.CAFile
	}
	inPod := filepath.Join(filepath.Dir(token.DefaultFile), "ca.crt")
	if _, err := os.Stat(inPod); err == nil {
		return inPod
	}
	return ""
}

func (t *TLSConfig) library() promconfig.TLSConfig {
	return promconfig.TLSConfig{
		CA: cmp.Or(t.CA, t.CAPEM), CAFile: t.CAFile,
		Cert: cmp.Or(t.Cert, t.CertPEM), CertFile: t.CertFile,
		Key: promconfig.Secret(cmp.Or(t.Key, t.KeyPEM)), KeyFile: t.KeyFile,
		ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify,
		MinVersion: promconfig.TLSVersions[t.MinVersion],
	}
}

// library returns the settings of a proxy whose URL was checked.
func (p proxy) library() promconfig.ProxyConfig {
	config := promconfig.ProxyConfig{NoProxy: p.none, ProxyFromEnvironment: p.fromEnvironment}
	if u, err := url.Parse(p.url); err == nil && p.url != "" {
		config.ProxyURL = promconfig.URL{URL: u}
	}
	if len(p.connectHeader) > 0 {
		config.ProxyConnectHeader = make(promconfig.ProxyHeader)
		for name, values := range p.connectHeader {
			config.ProxyConnectHeader[http.CanonicalHeaderKey(name)] = secrets(values)
		}
	}
	return config
}

// to returns the proxy through which a server is reached, or nil.
func (p proxy) to(server *url.URL) *url.URL {
	config := p.library()
	choose := config.Proxy()
	if choose == nil {
		return nil
	}
	through, err := choose(&http.Request{URL: server})
	if err != nil {
		return nil
	}
	return through
}

func secrets(values []Secret) []promconfig.Secret {
	made := make([]promconfig.Secret, len(values))
	for i, v := range values {
		made[i] = promconfig.Secret(v)
	}
	return made
}
