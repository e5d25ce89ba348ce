package otlp

import (
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Compressions of requests.
const (
	Gzip = "gzip"
	None = "none"
)

// settings are the configuration together with the environment, without gaps.
type settings struct {
	Config
	to       endpoint
	headers  map[string]string // by names in lower case
	resource []measure.Attribute
	// certificates are where the three files of certificates were named.
	certificates [3]origin
}

// settings fills the gaps of the configuration: first from the environment, then with
// what is usual. Every error names the key or the variable.
func (c *Config) settings(env environment) (*settings, error) {
	s := &settings{Config: *c}
	var where origin
	choose := func(have, key, suffix, usual string, allowed ...string) (string, error) {
		value, where := env.text(have, key, suffix, usual)
		if !slices.Contains(allowed, value) {
			return "", where.fault(fmt.Errorf("want one of %q, have %q", allowed, value))
		}
		return value, nil
	}
	var err error
	if s.Protocol, err = choose(c.Protocol, "protocol", "PROTOCOL", GRPC, GRPC, HTTP); err != nil {
		return nil, err
	}
	if s.Compression, err = choose(c.Compression, "compression", "COMPRESSION", Gzip, Gzip, None); err != nil {
		return nil, err
	}
	if s.Temporality == "" {
		if s.Temporality, err = env.temporality(); err != nil {
			return nil, err
		}
	} else if !slices.Contains([]string{Delta, Cumulative}, s.Temporality) {
		return nil, plugin.Keyf("temporality", "want one of %q, have %q", []string{Delta, Cumulative}, s.Temporality)
	}
	if s.Endpoint != "" {
		s.to, err = parseEndpoint(s.Protocol, s.Endpoint)
		err = origin{key: "endpoint"}.fault(err)
	} else {
		s.to, err = env.endpoint(s.Protocol)
	}
	if err != nil {
		return nil, err
	}
	if err := s.fillTimeout(env); err != nil {
		return nil, err
	}
	if err := s.fillHeaders(env); err != nil {
		return nil, err
	}
	s.CAFile, s.certificates[0] = env.text(c.CAFile, "ca_file", "CERTIFICATE", "")
	s.CertFile, s.certificates[1] = env.text(c.CertFile, "cert_file", "CLIENT_CERTIFICATE", "")
	s.KeyFile, s.certificates[2] = env.text(c.KeyFile, "key_file", "CLIENT_KEY", "")
	switch {
	case s.CertFile != "" && s.KeyFile == "":
		where = s.certificates[1]
	case s.CertFile == "" && s.KeyFile != "":
		where = s.certificates[2]
	}
	if where != (origin{}) {
		return nil, where.fault(errHalf)
	}
	s.resource, err = env.attributes()
	return s, err
}

func (s *settings) fillTimeout(env environment) error {
	if s.Timeout != 0 {
		return plugin.CheckInterval("timeout", s.Timeout)
	}
	s.Timeout = plugin.Duration(10 * time.Second)
	if variable, value := env.get("TIMEOUT"); variable != "" {
		ms, err := strconv.ParseUint(value, 10, 31)
		if err != nil || ms == 0 {
			return origin{variable: variable}.fault(fmt.Errorf("want a number of milliseconds above 0, have %q", value))
		}
		s.Timeout = plugin.Duration(time.Duration(ms) * time.Millisecond)
	}
	return nil
}

func (s *settings) fillHeaders(env environment) (err error) {
	where := origin{key: "headers"}
	var all []measure.Attribute
	if len(s.Headers) > 0 {
		for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
			all = append(all, measure.Attribute{Key: name, Value: string(s.Headers[name])})
		}
	} else {
		var list string
		if where.variable, list = env.get("HEADERS"); list != "" {
			if all, err = pairs(list); err != nil {
				return where.fault(err)
			}
		}
	}
	s.headers, err = headers(s.Protocol, all)
	return where.fault(err)
}

// tls reads the certificates. The one of the client is read again for each connection,
// so that it may be renewed.
func (s *settings) tls() (*tls.Config, error) {
	load := func(c promconfig.TLSConfig) (*tls.Config, error) {
		c.MinVersion = promconfig.TLSVersions["TLS12"]
		return promconfig.NewTLSConfig(&c)
	}
	if _, err := load(promconfig.TLSConfig{CAFile: s.CAFile}); err != nil {
		return nil, s.certificates[0].fault(err)
	}
	made, err := load(promconfig.TLSConfig{
		CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile,
		ServerName: s.ServerName, InsecureSkipVerify: s.InsecureSkipVerify,
	})
	return made, s.certificates[1].fault(err)
}

// link is what a client needs to know of its way to the receiver.
type link struct {
	to      endpoint
	version string // of the agent
	headers map[string]string
	plain   bool        // requests are not compressed
	tls     *tls.Config // nil: as usual
	// dial connects; nil is as usual.
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// config returns the settings of TLS.
func (l link) config() *tls.Config {
	if l.tls != nil {
		return l.tls
	}
	return &tls.Config{MinVersion: tls.VersionTLS12}
}
