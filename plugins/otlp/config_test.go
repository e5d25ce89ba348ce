package otlp

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// TestReadme reads the tables in the README as the host does: all must be
// valid, and the first, which is read without defaults, shows them.
func TestReadme(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := strings.Split(string(readme), "```toml\n")[1:]
	if len(examples) < 2 {
		t.Fatal("README.md lacks its examples")
	}
	for i, example := range examples {
		example, _, _ = strings.Cut(example, "```")
		var got struct{ Plugins struct{ OTLP Config } }
		if i > 0 {
			got.Plugins.OTLP = *Plugin().Config().(*Config)
		}
		meta, err := toml.Decode(example, &got)
		if err != nil {
			t.Errorf("%v in:\n%s", err, example)
		}
		if keys := meta.Undecoded(); len(keys) > 0 {
			t.Errorf("unknown keys %v in:\n%s", keys, example)
		}
		if err := got.Plugins.OTLP.Validate(); err != nil {
			t.Errorf("%v in:\n%s", err, example)
		}
		want := *Plugin().Config().(*Config)
		if diff := cmp.Diff(want, got.Plugins.OTLP); i == 0 && diff != "" {
			t.Errorf("table (-defaults +readme):\n%s", diff)
		}
	}
}

func TestValidate(t *testing.T) {
	if err := Plugin().Config().Validate(); err != nil {
		t.Errorf("the defaults are refused: %v", err)
	}
	for _, tt := range []struct {
		key, want string
		change    func(*Config)
	}{
		{"protocol", `have "http/json"`, func(c *Config) { c.Protocol = "http/json" }},
		{"temporality", `want one of ["delta" "cumulative"], have "sum"`, func(c *Config) { c.Temporality = "sum" }},
		{"compression", `want one of ["gzip" "none"], have "zstd"`, func(c *Config) { c.Compression = "zstd" }},
		{"cert_file", "a certificate needs a key", func(c *Config) { c.CertFile = "cert.pem" }},
		{"key_file", "a certificate needs a key", func(c *Config) { c.KeyFile = "key.pem" }},
		{"headers", `"a b" is no name of a header`, func(c *Config) { c.Headers = map[string]Secret{"a b": "x"} }},
		{"headers", `the header "Content-Type" is set by the protocol`, func(c *Config) { c.Headers = map[string]Secret{"Content-Type": "x"} }},
		{"headers", `the value of the header "a" has characters`, func(c *Config) { c.Headers = map[string]Secret{"a": "x\ny"} }},
		{"headers", `the header "a" is there twice`, func(c *Config) { c.Headers = map[string]Secret{"A": "x", "a": "x"} }},
		{"queue_bytes", "want at least 4194304", func(c *Config) { c.QueueBytes = 1000 }},
		{"queue_age", "want at least 1ms", func(c *Config) { c.QueueAge = 0 }},
		{"identity", `have "pod"`, func(c *Config) { c.Identity = "pod" }},
		{"timeout", "want at least 1ms", func(c *Config) { c.Timeout = 1 }},
		{"timeout", "want at least 1ms", func(c *Config) { c.Timeout = plugin.Duration(-time.Second) }},
		{"endpoint", "begins with http://", func(c *Config) { c.Endpoint = "localhost:4317" }},
	} {
		c := defaults()
		tt.change(c)
		err := c.Validate()
		var key *plugin.KeyError
		if !errors.As(err, &key) || key.Key != tt.key || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("got error %v, want one about %s with %q", err, tt.key, tt.want)
		}
	}
}

func TestParseEndpoint(t *testing.T) {
	for _, tt := range []struct{ protocol, raw, want string }{
		{GRPC, "", "http://localhost:4317"},
		{HTTP, "", "http://localhost:4318/v1/metrics"},
		{GRPC, "http://collector.monitoring:4317/", "http://collector.monitoring:4317"},
		{GRPC, "https://otlp.example.com", "https://otlp.example.com:443"},
		{GRPC, "http://[::1]:4317", "http://[::1]:4317"},
		{HTTP, "http://collector:4318", "http://collector:4318/v1/metrics"},
		{HTTP, "http://collector", "http://collector:80/v1/metrics"},
		{HTTP, "http://proxy/a%2Fb/", "http://proxy:80/a%2Fb/v1/metrics"},
		{HTTP, "http://prometheus:9090/api/v1/otlp", "http://prometheus:9090/api/v1/otlp/v1/metrics"},
		{HTTP, "http://prometheus:9090/api/v1/otlp/v1/metrics", "http://prometheus:9090/api/v1/otlp/v1/metrics"},
		{HTTP, "HTTPS://collector:4318/v1/metrics/", "https://collector:4318/v1/metrics"},
	} {
		got, err := parseEndpoint(tt.protocol, tt.raw)
		if err != nil || got.String() != tt.want {
			t.Errorf("parseEndpoint(%q, %q) = %q, %v, want %q", tt.protocol, tt.raw, got, err, tt.want)
		}
	}
	for _, tt := range []struct{ protocol, raw, want string }{
		{GRPC, "localhost:4317", "begins with http://"},
		{GRPC, "localhost", "begins with http://"},
		{GRPC, "unix:///run/otlp.sock", "begins with http://"},
		{GRPC, "http://:4317", "begins with http://"},
		{GRPC, "http://collector:4317/v1/metrics", "gRPC has no path"},
		{GRPC, "http://collector:0", "port from 1 to 65535"},
		{HTTP, "http://collector:70000", "port from 1 to 65535"},
		{GRPC, "http://[fe80::1%25eth0]:4317", "a host name or an IP address"},
		{GRPC, "http://<collector>:4317", "a host name or an IP address"},
		{HTTP, "http://user:s3cret@collector", "without user and password"},
		{HTTP, "http://user:s3#cret@collector", "begins with http://"},
		{HTTP, "http://collector?key=s3cret", "without a query"},
		{HTTP, "http://collector#s3cret", "without a query"},
	} {
		_, err := parseEndpoint(tt.protocol, tt.raw)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("parseEndpoint(%q, %q): got error %v, want one with %q", tt.protocol, tt.raw, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "s3") {
			t.Errorf("parseEndpoint(%q, %q): the error tells the secret: %v", tt.protocol, tt.raw, err)
		}
	}
}

func FuzzParseEndpoint(f *testing.F) {
	for _, raw := range []string{"", "http://localhost:4317", "https://[::1]/a/v1/metrics", "http://a%zz", "http://u:p@h", "://", "http://[fe80::1%25lo]:1"} {
		f.Add(GRPC, raw)
		f.Add(HTTP, raw)
	}
	f.Fuzz(func(t *testing.T, protocol, raw string) {
		to, err := parseEndpoint(protocol, raw)
		if err != nil {
			return
		}
		again, err := parseEndpoint(protocol, to.String())
		if err != nil || again != to {
			t.Errorf("%q becomes %q, which becomes %q, %v", raw, to, again, err)
		}
	})
}

// TestOpen opens both protocols with nobody listening, and finds colliding
// renames.
func TestOpen(t *testing.T) {
	for _, protocol := range []string{GRPC, HTTP} {
		c := defaults()
		c.Protocol, c.Endpoint = protocol, "http://127.0.0.1:1"
		opened, err := c.Open(t.Context(), plugintest.NewHost(t, allMetrics...).Host)
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		o, ok := opened.(interface {
			plugin.Output
			plugin.Runner
			plugin.Readier
			Close() error
		})
		if !ok {
			t.Fatalf("%s: a %T lacks some of its powers", protocol, opened)
		}
		if err := o.Ready(); err != nil {
			t.Errorf("%s: not ready before anything was sent: %v", protocol, err)
		}
		if err := o.Close(); err != nil {
			t.Errorf("%s: %v", protocol, err)
		}
	}
	for _, renames := range []plugin.Renames{{"uid": "name"}, {"name": "consumer_id"}, {"node": ""}} {
		c := defaults()
		c.RenameAttributes = renames
		_, err := c.Open(t.Context(), plugintest.NewHost(t, allMetrics...).Host)
		var key *plugin.KeyError
		if !errors.As(err, &key) || key.Key != "rename_attributes" {
			t.Errorf("%v: got error %v, want one about rename_attributes", renames, err)
		}
	}
}
