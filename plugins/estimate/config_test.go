package estimate

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/agent/plugin"
)

func TestConfig(t *testing.T) {
	const good = ""
	f := func(table, key, want string) {
		t.Helper()
		c := defaults()
		if _, err := toml.Decode(table, c); err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		err := c.Validate()
		if key == good {
			if err != nil {
				t.Errorf("%s: %v", table, err)
			}
			return
		}
		var of *plugin.KeyError
		if !errors.As(err, &of) || of.Key != key || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one of %s with %q", table, err, key, want)
		}
	}
	f(``, good, "")
	f(`model = "intel-icelake"`, good, "")
	f(`model = "unknown"`, good, "")
	f("idle_watts_per_thread = 0.5\nfull_watts_per_thread = 2.0", good, "")
	f("idle_watts_per_thread = 1\nfull_watts_per_thread = 2", good, "")
	f(`full_watts_per_thread = 100.0`, good, "")
	f("idle_watts_per_thread = 0.0\nfull_watts_per_thread = 0.0\nmodel = \"intel-icelake\"", good, "")
	f(`compare = true`, good, "")

	f(`poll_interval = "0s"`, "poll_interval", "at least")
	f(`model = "icelake"`, "model", `unknown model "icelake"; known are amd-epyc-gen1, `)
	f("model = \"intel-icelake\"\nfull_watts_per_thread = 2.0", "model", "leave out either")
	f(`idle_watts_per_thread = 0.5`, "full_watts_per_thread", "want more than idle_watts_per_thread, which is 0.5")
	f("idle_watts_per_thread = 2.0\nfull_watts_per_thread = 2.0", "full_watts_per_thread", "want more")
	f("idle_watts_per_thread = -1.0\nfull_watts_per_thread = 2.0", "idle_watts_per_thread", "have -1")
	f("idle_watts_per_thread = nan\nfull_watts_per_thread = 2.0", "idle_watts_per_thread", "have NaN")
	f("idle_watts_per_thread = 101.0", "idle_watts_per_thread", "have 101")
	f(`full_watts_per_thread = nan`, "full_watts_per_thread", "have NaN")
	f(`full_watts_per_thread = inf`, "full_watts_per_thread", "have +Inf")
	f(`full_watts_per_thread = -2.0`, "full_watts_per_thread", "have -2")
	f(`full_watts_per_thread = 100.1`, "full_watts_per_thread", "have 100.1")
}

// The metrics of a configuration are those that it makes.
func TestConfigMetrics(t *testing.T) {
	f := func(c *Config, want ...string) {
		t.Helper()
		var got []string
		for _, m := range c.Metrics() {
			got = append(got, m.Name)
		}
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%+v: %v, want %v", c, got, want)
		}
	}
	band := []string{"estimated_energy", "estimated_energy_low", "estimated_energy_high"}
	f(defaults(), band...)
	f(&Config{Compare: true}, append(band, "estimated_energy_difference")...)
	f(&Config{FullWatts: 1}, "estimated_energy")
	f(&Config{FullWatts: 1, Compare: true}, "estimated_energy", "estimated_energy_difference")
	if all := Plugin().Metrics; len(all) != 4 || defaults().PollInterval() != 5*time.Second {
		t.Errorf("%d metrics, every %v", len(all), defaults().PollInterval())
	}
}

// The watts of a configuration are kept to the µW, and no product leaves 128 bits.
func TestConfiguredPower(t *testing.T) {
	m, err := (&Config{IdleWatts: 0.1234567, FullWatts: mostWatts}).choose("")
	if err != nil || m.power[levelMiddle] != [parts]uint64{123457, 99_876_543} || m.levels != 1 {
		t.Errorf("%+v, %v", m, err)
	}
	x := term{power: mostWatts * 1e6, rest: second - 1}
	if got := x.take(math.MaxUint64); got == 0 {
		t.Error("nothing")
	}
}
