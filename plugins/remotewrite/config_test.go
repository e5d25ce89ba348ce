package remotewrite

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

func TestDefaults(t *testing.T) {
	p := Plugin()
	if p.Name != "remotewrite" || p.Role != plugin.RoleOutput {
		t.Errorf("name %q, role %v", p.Name, p.Role)
	}
	if err := p.Config().Validate(); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
}

func TestValidateNamesTheKey(t *testing.T) {
	for key, changes := range map[string][]func(*Config){
		"url": {
			func(c *Config) { c.URL = "" }, func(c *Config) { c.URL = "localhost:9090" }, func(c *Config) { c.URL = "ftp://a/b" },
			func(c *Config) { c.URL = "http://u:p4ss@a/b" }, func(c *Config) { c.URL = "http://p4ss:%zz" },
		},
		"protocol_version": {func(c *Config) { c.ProtocolVersion = "2" }, func(c *Config) { c.ProtocolVersion = "" }},
		"timeout":          {func(c *Config) { c.Timeout = 0 }},
		"queue_bytes":      {func(c *Config) { c.QueueBytes = minQueue - 1 }, func(c *Config) { c.QueueBytes = -1 }},
		"queue_age":        {func(c *Config) { c.QueueAge = -1 }},
		"labels": {
			func(c *Config) { c.Labels = map[string]string{"a-b": "c"} }, func(c *Config) { c.Labels = map[string]string{"__name__": "c"} },
			func(c *Config) { c.Labels = map[string]string{"": "c"} },
		},
		"rename_attributes": {func(c *Config) { c.RenameAttributes = plugin.Renames{"name": "a-b"} }},
		"http_client": {
			func(c *Config) { c.HTTPClient = HTTPClient{"basic_aut": map[string]any{"username": "p4ss"}} },
			func(c *Config) { c.HTTPClient = HTTPClient{"tls_config": "p4ss"} },
			func(c *Config) {
				c.HTTPClient = HTTPClient{"basic_auth": map[string]any{"username": "u", "password": "p4ss", "password_file": "f"}}
			},
		},
	} {
		for i, change := range changes {
			c := Plugin().Config().(*Config)
			change(c)
			var got *plugin.KeyError
			err := c.Validate()
			if !errors.As(err, &got) || got.Key != key {
				t.Errorf("%s, %d: error %v, want one about that key", key, i, err)
			}
			if err != nil && strings.Contains(err.Error(), "p4ss") {
				t.Errorf("%s, %d: the error tells a secret: %v", key, i, err)
			}
		}
	}
}

func TestLabelsThatSeriesHave(t *testing.T) {
	n := newNode()
	c := config("http://localhost:1/")
	c.Labels["uid"] = "x"
	_, err := c.Open(t.Context(), plugintest.NewHost(t, n.metrics()...).Host)
	var got *plugin.KeyError
	if !errors.As(err, &got) || got.Key != "labels" {
		t.Errorf("error %v, want one about labels", err)
	}
}

// The settings arrive, as TOML writes them.
func TestHTTPClientSettings(t *testing.T) {
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	n := newNode()
	r := newReceiver(t)
	c := config("")
	meta, err := toml.Decode(`
url = "`+r.server.URL+`"
[http_client]
enable_http2 = false
[http_client.basic_auth]
username = "me"
password_file = "`+password+`"
[http_client.http_headers.X-Scope-OrgID]
values = ["tenant"]
`, c)
	if err != nil {
		t.Fatal(err)
	}
	if left := meta.Undecoded(); len(left) > 0 {
		t.Errorf("unknown keys %v", left)
	}
	out := start(t, c, n.metrics()...)
	if err := out.Write(t.Context(), batch(0, n.sample)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the samples", func() bool { return len(r.all()) == 3 })
	req := http.Request{Header: r.headers[0]}
	if user, pass, _ := req.BasicAuth(); user != "me" || pass != "hunter2" || r.headers[0].Get("X-Scope-OrgID") != "tenant" {
		t.Errorf("user %q, password %q, header %q", user, pass, r.headers[0].Get("X-Scope-OrgID"))
	}
	if err := out.stop(); err != nil {
		t.Error(err)
	}
}
