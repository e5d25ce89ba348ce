package rapl

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/plugin"
)

func TestPlugin(t *testing.T) {
	p := Plugin()
	if p.Name != "rapl" || p.Role != plugin.RoleSource {
		t.Errorf("name %q, role %v, want a source called rapl", p.Name, p.Role)
	}
	if diff := cmp.Diff(&Config{Interval: plugin.Duration(5 * time.Second), Source: "auto"}, p.Config()); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
}

func TestConfig(t *testing.T) {
	f := func(text, key, says string) {
		t.Helper()
		c := Plugin().Config()
		if meta, err := toml.Decode(text, c); err != nil || len(meta.Undecoded()) > 0 {
			t.Fatalf("%s: %v, unknown keys %v", text, err, meta.Undecoded())
		}
		err := c.Validate()
		if key == "" {
			if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			return
		}
		var wrong *plugin.KeyError
		if !errors.As(err, &wrong) || wrong.Key != key || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error %v, want one about %s that says %q", text, err, key, says)
		}
	}
	f(``, "", "")
	f(`source = "powercap"`, "", "")
	f("source = \"auto\"\npoll_interval = \"1s\"", "", "")
	f(`poll_interval = "0s"`, "poll_interval", "want at least")
	f(`source = "perf"`, "", "")
	f(`source = "msr"`, "source", `unknown source "msr"; known are auto, powercap, perf`)
	f(`source = ""`, "source", "unknown source")
}
