package hwmon

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
	if p.Name != "hwmon" || p.Role != plugin.RoleSource {
		t.Errorf("name %q, role %v, want a source called hwmon", p.Name, p.Role)
	}
	want := &Config{Interval: plugin.Duration(5 * time.Second), Sample: plugin.Duration(100 * time.Millisecond), Meters: []Meter{}}
	if diff := cmp.Diff(want, p.Config()); diff != "" {
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
	meters := func(list ...string) string { return "meters = [ " + strings.Join(list, ", ") + " ]" }
	f(``, "", "")
	f("poll_interval = \"1s\"\nsample_interval = \"10ms\"", "", "")
	f(`poll_interval = "0s"`, "poll_interval", "want at least")
	f(`sample_interval = "0s"`, "sample_interval", "want at least")
	f(`sample_interval = "2m"`, "sample_interval", "at most 1m")
	f(meters(`{ chip = "power_meter", domain = "machine" }`, `{ chip = "ina3221", device = "1-0040", label = "VDD_CPU_CV", domain = "package" }`), "", "")
	f(meters(`{ chip = "a", domain = "package" }`, `{ chip = "a", label = "b", domain = "package", socket = 1 }`), "", "")
	f(meters(`{ domain = "machine" }`), "meters", "chip is missing")
	f(meters(`{ chip = "a" }`), "meters", `chip "a", label "": domain is missing`)
	f(meters(`{ chip = "a", domain = "machine", socket = 0 }`), "meters", "leave socket out")
	f(meters(`{ chip = "a ", domain = "machine" }`), "meters", "space")
	f(meters(`{ chip = "a", domain = "ma\nchine" }`), "meters", "cannot be shown")
	// Two meters of one domain would be one series of a pod.
	f(meters(`{ chip = "a", domain = "package" }`, `{ chip = "b", domain = "package", socket = 0 }`), "meters", `by chip "a"`)
	f(meters(`{ chip = "a", domain = "rail" }`, `{ chip = "b", domain = "rail" }`), "meters", "domain of its own")
}

func TestPlaceOfMeters(t *testing.T) {
	f := func(domain string, socket int, want string) {
		t.Helper()
		m := Meter{Domain: domain}
		if socket >= 0 {
			n := uint16(socket)
			m.Socket = &n
		}
		p := m.place()
		if got := strings.TrimSpace(p.resource.Kind + " " + p.resource.ID); got != want || p.domain != domain {
			t.Errorf("%s of socket %d: %s of %s, want of %s", domain, socket, p.domain, got, want)
		}
	}
	f("machine", -1, "local_machine")
	f("rail", -1, "local_machine")
	f("rail", 1, "cpu_package 1")
	f("package", -1, "cpu_package 0")
	f("package", 3, "cpu_package 3")
	f("core", 1, "cpu_package 1")
	f("dram", -1, "dram 0")
	f("dram", 1, "dram 1")
}
