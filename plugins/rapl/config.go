// Package rapl measures the energy of CPU packages, their memory and the platform,
// as the CPU itself counts it (RAPL) and the kernel shows it: in files (powercap), or as
// events (perf).
//
// A machine without such counters is nothing unusual: the plugin says so, idles and
// looks again each minute.
package rapl

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Plugin declares the plugin.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name:    "rapl",
		Doc:     "energy of CPU packages, memory and platform, as the CPU counts it",
		Role:    plugin.RoleSource,
		Metrics: metrics(),
		Config: func() plugin.Config {
			return &Config{Interval: plugin.Duration(5 * time.Second), Source: sourceAuto}
		},
	}
}

// The values of Config.Source.
const (
	sourceAuto     = "auto"
	sourcePowercap = "powercap"
	sourcePerf     = "perf"
)

// Config is the table [plugins.rapl].
type Config struct {
	// Interval is how often energy is measured.
	Interval plugin.Duration `toml:"poll_interval"`
	// Source is what tells the energy: powercap, perf, or auto for powercap where it can
	// be read, and perf elsewhere.
	Source string `toml:"source"`
}

// Validate implements plugin.Config.
func (c *Config) Validate() error {
	if err := plugin.CheckInterval("poll_interval", c.Interval); err != nil {
		return err
	}
	known := []string{sourceAuto, sourcePowercap, sourcePerf}
	if !slices.Contains(known, c.Source) {
		return plugin.Keyf("source", "unknown source %q; known are %s", c.Source, strings.Join(known, ", "))
	}
	return nil
}

// PollInterval implements plugin.Poller.
func (c *Config) PollInterval() time.Duration { return time.Duration(c.Interval) }

// Metrics implements plugin.Poller.
func (c *Config) Metrics() []*measure.Metric { return metrics() }

// Open implements plugin.Config. Counters are first looked for in Poll, and a
// machine that has none is no error.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	s := newSource(waysOf(c.Source, host.SysfsRoot, host.ProcfsRoot))
	var err error
	if s.self, err = newInstruments(host.Meter, s); err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	return s, nil
}
