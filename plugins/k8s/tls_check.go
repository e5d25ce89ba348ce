package k8s

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"maps"
	"slices"
	"strings"

	promconfig "github.com/prometheus/common/config"

	"github.com/podjoule/podjoule/agent/plugin"
)

// check checks a table tls_config; prefix is what stands before its keys.
func (t *TLSConfig) check(prefix string) error {
	at := func(key string, set bool) setting { return setting{prefix + key, set} }
	authority := []setting{at("ca", t.CA != ""), at("ca_pem", t.CAPEM != ""), at("ca_file", t.CAFile != "")}
	certificate := []setting{at("cert", t.Cert != ""), at("cert_pem", t.CertPEM != ""), at("cert_file", t.CertFile != "")}
	key := []setting{at("key", t.Key != ""), at("key_pem", t.KeyPEM != ""), at("key_file", t.KeyFile != "")}
	for _, same := range [][]setting{authority, certificate, key} {
		if err := atMostOne(same...); err != nil {
			return err
		}
	}
	isSet := func(s setting) bool { return s.set }
	switch c, k := slices.IndexFunc(certificate, isSet), slices.IndexFunc(key, isSet); {
	case c >= 0 && k < 0:
		return plugin.Keyf(certificate[c].key, "needs a key: set key_file or key")
	case k >= 0 && c < 0:
		return plugin.Keyf(key[k].key, "needs a certificate: set cert_file or cert")
	}
	if text := cmp.Or(t.CA, t.CAPEM); text != "" && !x509.NewCertPool().AppendCertsFromPEM([]byte(text)) {
		return plugin.Keyf(authority[slices.IndexFunc(authority, isSet)].key, "holds no certificate in PEM; for a file there is ca_file")
	}
	if certText, keyText := cmp.Or(t.Cert, t.CertPEM), cmp.Or(t.Key, t.KeyPEM); certText != "" && keyText != "" {
		if _, err := tls.X509KeyPair([]byte(certText), []byte(keyText)); err != nil {
			return &plugin.KeyError{Key: certificate[slices.IndexFunc(certificate, isSet)].key, Err: err}
		}
	}
	if _, known := promconfig.TLSVersions[t.MinVersion]; t.MinVersion != "" && !known {
		return plugin.Keyf(prefix+"min_version", "unknown version; known are %s",
			strings.Join(slices.Sorted(maps.Keys(promconfig.TLSVersions)), ", "))
	}
	return nil
}
