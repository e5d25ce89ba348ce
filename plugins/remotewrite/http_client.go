package remotewrite

import (
	"errors"
	"fmt"
	"regexp"

	promconfig "github.com/prometheus/common/config"
	"go.yaml.in/yaml/v2"
)

// HTTPClient is the table http_client: the HTTP client settings of Prometheus, under
// its names, such as basic_auth, authorization, oauth2, tls_config, proxy_url and
// http_headers.
type HTTPClient map[string]any

// UnmarshalTOML takes the table and checks it.
func (h *HTTPClient) UnmarshalTOML(v any) error {
	table, ok := v.(map[string]any)
	if !ok {
		return errors.New("want a table, such as { basic_auth = { username = \"…\", password_file = \"…\" } }")
	}
	*h = table
	_, err := h.library()
	return err
}

// library returns the settings as the library knows them, which has no toml tags but
// reads YAML.
func (h HTTPClient) library() (promconfig.HTTPClientConfig, error) {
	config := promconfig.DefaultHTTPClientConfig
	text, err := yaml.Marshal(map[string]any(h))
	if err != nil {
		return config, errors.New("cannot be written as YAML")
	}
	if err := yaml.UnmarshalStrict(text, &config); err != nil {
		return config, fmt.Errorf("as Prometheus reads it: %s", withoutValues(err.Error()))
	}
	// A redirect may turn the POST into a GET, or carry data to a place that nobody
	// configured: it is followed where that is asked for only.
	config.FollowRedirects, _ = h["follow_redirects"].(bool)
	return config, nil
}

// withoutValues takes out of an error what was in the configuration, since it may be
// secret.
func withoutValues(text string) string {
	return regexp.MustCompile("(?s)`.*`").ReplaceAllString(text, "a value")
}
