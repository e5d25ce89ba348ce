package agent

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/exporter-toolkit/web"
	"sigs.k8s.io/yaml"

	"github.com/podjoule/podjoule/agent/plugin"
)

// checkWebConfig checks the file of exporter-toolkit that says how the listener serves,
// and the files that it names. "" is fine. The error names the file and, where it is about
// one, the key.
func checkWebConfig(file string) error {
	if file == "" {
		return nil
	}
	err := web.Validate(file)
	if err == nil {
		err = checkClientAuthorities(file)
	}
	if err == nil {
		return nil
	}
	key, remedy := "", "see github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md"
	for _, about := range []struct{ part, key, remedy string }{
		{"crypto/bcrypt", "basic_auth_users", "passwords are written as bcrypt makes them, for example by: htpasswd -nB USER"},
		{"Client Auth Policy", "tls_server_config.client_auth_type", `want "RequireAndVerifyClientCert" beside client_ca_file`},
		{"invalid ClientAuth", "tls_server_config.client_auth_type", `want "RequireAndVerifyClientCert", or leave it out`},
		{"X509KeyPair", "tls_server_config.cert_file", "the certificate and key_file must belong together, in PEM"},
	} {
		if strings.Contains(err.Error(), about.part) {
			key, remedy = about.key+": ", about.remedy
		}
	}
	return plugin.Keyf("web_config_file", "%s: %s%w; %s", file, key, err, remedy)
}

// checkClientAuthorities looks for what would refuse every client without a word.
func checkClientAuthorities(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var c struct {
		TLS struct {
			File string `json:"client_ca_file"`
			Text string `json:"client_ca"`
			Auth string `json:"client_auth_type"`
		} `json:"tls_server_config"`
	}
	if err := yaml.Unmarshal(text, &c); err != nil {
		return err
	}
	key, pem := "tls_server_config.client_ca", []byte(c.TLS.Text)
	switch {
	case c.TLS.File != "":
		key = "tls_server_config.client_ca_file"
		path := c.TLS.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(filepath.Dir(file), path)
		}
		if pem, err = os.ReadFile(path); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	case c.TLS.Text == "" && c.TLS.Auth == "RequireAndVerifyClientCert":
		return errors.New("tls_server_config.client_ca_file: is needed to verify certificates of clients")
	case c.TLS.Text == "":
		return nil
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: has no certificate in PEM", key)
	}
	return nil
}
