package k8s

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// The HTTP client settings, under the names that Prometheus and Alloy have for
// them. The library that uses them has no toml tags, hence types of our own.

// BasicAuth is the table basic_auth.
type BasicAuth struct {
	Username     string `toml:"username"`
	Password     Secret `toml:"password"`
	PasswordFile string `toml:"password_file"`
}

// Authorization is the table authorization: a header of that name.
type Authorization struct {
	// Type is the first word of the header; empty is Bearer.
	Type            string `toml:"type"`
	Credentials     Secret `toml:"credentials"`
	CredentialsFile string `toml:"credentials_file"`
}

// bearer is the default of Authorization.Type.
const bearer = "Bearer"

func (a Authorization) set() bool {
	return a != Authorization{} && a != Authorization{Type: bearer}
}

// OAuth2 is the table oauth2: the token comes from a token endpoint, which gets the
// client's ID and secret.
type OAuth2 struct {
	ClientID         string   `toml:"client_id"`
	ClientSecret     Secret   `toml:"client_secret"`
	ClientSecretFile string   `toml:"client_secret_file"`
	TokenURL         string   `toml:"token_url"`
	Scopes           []string `toml:"scopes"`
	// EndpointParams are sent to the token endpoint besides.
	EndpointParams map[string]Secret `toml:"endpoint_params"`
	// How the token endpoint is reached; nothing of it is taken over from the
	// keys of the same names above.
	ProxyURL             Secret              `toml:"proxy_url"`
	NoProxy              string              `toml:"no_proxy"`
	ProxyFromEnvironment bool                `toml:"proxy_from_environment"`
	ProxyConnectHeader   map[string][]Secret `toml:"proxy_connect_header"`
	TLS                  TLSConfig           `toml:"tls_config"`
}

func (o *OAuth2) set() bool {
	return o.ClientID != "" || o.ClientSecret != "" || o.ClientSecretFile != "" || o.TokenURL != "" ||
		len(o.Scopes) > 0 || len(o.EndpointParams) > 0 || o.proxy().set() || o.TLS != TLSConfig{}
}

func (o *OAuth2) proxy() proxy {
	return proxy{string(o.ProxyURL), o.NoProxy, o.ProxyFromEnvironment, o.ProxyConnectHeader}
}

// TLSConfig is the table tls_config.
type TLSConfig struct {
	// Certificates and the key, as files or as text in PEM.
	CA       string `toml:"ca"`
	CAFile   string `toml:"ca_file"`
	Cert     string `toml:"cert"`
	CertFile string `toml:"cert_file"`
	Key      Secret `toml:"key"`
	KeyFile  string `toml:"key_file"`
	// Alloy's names for the same texts.
	CAPEM   string `toml:"ca_pem,omitempty"`
	CertPEM string `toml:"cert_pem,omitempty"`
	KeyPEM  Secret `toml:"key_pem,omitempty"`
	// ServerName is the name that the server's certificate has to have; empty is
	// the host of the URL.
	ServerName         string `toml:"server_name"`
	InsecureSkipVerify bool   `toml:"insecure_skip_verify"`
	// MinVersion is TLS10, TLS11, TLS12 or TLS13; empty is TLS12.
	MinVersion string `toml:"min_version"`
}

// verifies reports whether something is said about how the server is verified.
func (t *TLSConfig) verifies() bool {
	return t.CA != "" || t.CAPEM != "" || t.CAFile != "" || t.InsecureSkipVerify
}

// Header is the value of a header: a list of texts, as Alloy has it, or a table with
// the lists values, secrets and files, as Prometheus has it. A header is sent once
// for each of them.
type Header struct {
	Values []Secret
	Files  []string
}

// UnmarshalTOML takes a value as a TOML decoder hands it over. Its errors tell
// nothing of the value.
func (h *Header) UnmarshalTOML(v any) error {
	const want = `want a list of texts, or a table with the lists "values", "secrets" and "files"`
	var made Header
	switch v := v.(type) {
	case []any:
		values, err := texts(v)
		if err != nil {
			return err
		}
		made.Values = values
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list, ok := v[name].([]any)
			if !ok {
				return errors.New(want)
			}
			values, err := texts(list)
			if err != nil {
				return err
			}
			switch name {
			case "values", "secrets":
				made.Values = append(made.Values, values...)
			case "files":
				for _, file := range values {
					made.Files = append(made.Files, string(file))
				}
			default:
				return fmt.Errorf("unknown key %.20q; %s", name, want)
			}
		}
	default:
		return errors.New(want)
	}
	*h = made
	return nil
}

func texts(list []any) ([]Secret, error) {
	made := make([]Secret, len(list))
	for i, v := range list {
		text, ok := v.(string)
		if !ok {
			return nil, errors.New("want texts in quotes in the list")
		}
		made[i] = Secret(text)
	}
	return made, nil
}

// proxy is how a server is reached.
type proxy struct {
	url             string
	none            string // hosts that are reached without it
	fromEnvironment bool
	connectHeader   map[string][]Secret
}

func (p proxy) set() bool {
	return p.url != "" || p.none != "" || p.fromEnvironment || len(p.connectHeader) > 0
}

func (c *Config) proxy() proxy {
	return proxy{string(c.ProxyURL), c.NoProxy, c.ProxyFromEnvironment, c.ProxyConnectHeader}
}
