// Package estimate tells roughly what energy a node takes that has no meter, as most
// virtual machines: from the time that its CPUs are busy, and from what servers of their
// kind took in the published results of SPECpower_ssj2008.
//
// Its watts are those of the whole server at the wall, for each hardware thread, and not
// those of the CPU package. An estimate is no measurement, and every series says so.
package estimate

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Plugin declares the plugin.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name:    "estimate",
		Doc:     "roughly what energy a node without a meter takes, from the published results of servers of its kind",
		Role:    plugin.RoleSource,
		Metrics: append(slices.Clone(energyMetrics[:]), difference),
		Config:  func() plugin.Config { return &Config{Interval: plugin.Duration(5 * time.Second)} },
	}
}

// Config is the table [plugins.estimate].
type Config struct {
	// Interval is how often the estimate is made.
	Interval plugin.Duration `toml:"poll_interval"`
	// Model is a family of the table; empty is that of the node's CPU.
	Model string `toml:"model"`
	// IdleWatts and FullWatts are what one hardware thread's share of the server takes
	// idle and busy, in W, instead of the table's; both 0 is the table.
	IdleWatts float64 `toml:"idle_watts_per_thread"`
	FullWatts float64 `toml:"full_watts_per_thread"`
	// Compare estimates beside a meter too, and publishes the difference.
	Compare bool `toml:"compare"`
}

// mostWatts is the most that one thread may take, in W. No server is near it; it keeps
// every product within 128 bits.
const mostWatts = 100

// Validate implements plugin.Config.
func (c *Config) Validate() error {
	if err := plugin.CheckInterval("poll_interval", c.Interval); err != nil {
		return err
	}
	if _, known := rowNamed(c.Model); c.Model != "" && !known {
		return plugin.Keyf("model", "unknown model %q; known are %s", c.Model, strings.Join(modelNames(), ", "))
	}
	if c.IdleWatts == 0 && c.FullWatts == 0 {
		return nil
	}
	if c.Model != "" {
		return plugin.Keyf("model", "idle_watts_per_thread and full_watts_per_thread take its place: leave out either")
	}
	// Also false for what is no number.
	if !(c.IdleWatts >= 0 && c.IdleWatts <= mostWatts) {
		return plugin.Keyf("idle_watts_per_thread", "want 0 to %d W, have %v", mostWatts, c.IdleWatts)
	}
	if !(c.FullWatts > c.IdleWatts && c.FullWatts <= mostWatts) {
		return plugin.Keyf("full_watts_per_thread", "want more than idle_watts_per_thread, which is %v, and at most %d W; have %v",
			c.IdleWatts, mostWatts, c.FullWatts)
	}
	return nil
}

// PollInterval implements plugin.Poller.
func (c *Config) PollInterval() time.Duration { return time.Duration(c.Interval) }

// Metrics implements plugin.Poller.
func (c *Config) Metrics() []*measure.Metric {
	made := energyMetrics[:]
	if c.configured() {
		made = energyMetrics[:1] // nobody knows how far off these watts may be
	}
	made = slices.Clone(made)
	if c.Compare {
		made = append(made, difference)
	}
	return made
}

// configured tells whether the watts stand in the configuration.
func (c *Config) configured() bool { return c.FullWatts > 0 }

// Open implements plugin.Config. What it returns is a plugin.Source, a plugin.Readier and
// an io.Closer. It reads what the CPU is; nothing that is missing keeps it from opening.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	chosen, doubt := c.choose(host.ProcfsRoot)
	self, err := newInstruments(host.Meter, chosen)
	if err != nil {
		return nil, err
	}
	return &source{
		model:   chosen,
		doubt:   doubt,
		compare: c.Compare,
		stat:    statFile{path: filepath.Join(host.ProcfsRoot, "stat")},
		meter:   meter{sysfs: host.SysfsRoot},
		self:    self,
	}, nil
}

// choose returns the model, and what there is to say where it is a guess.
func (c *Config) choose(procfs string) (model, error) {
	if c.configured() {
		micro := func(watts float64) uint64 { return uint64(math.Round(watts * 1e6)) }
		return configuredModel(micro(c.IdleWatts), micro(c.FullWatts)), nil
	}
	if r, known := rowNamed(c.Model); known {
		return r.model(), nil
	}
	path := filepath.Join(procfs, "cpuinfo")
	text, err := readStart(path)
	if err != nil {
		return unknownModel(), doubt("it cannot be read: %w", err)
	}
	found := parseCPUInfo(text)
	if r, known := rowNamed(familyOf(found)); known {
		return r.model(), nil
	}
	return unknownModel(), doubt("%s tells %s, which is not in the table of servers", path, found)
}

// readStart reads the beginning of a file: /proc/cpuinfo says the same of every thread,
// and of the first one first.
func readStart(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	buf := make([]byte, 16<<10)
	n, err := f.ReadAt(buf, 0)
	if n == 0 && err != nil {
		return nil, err
	}
	return buf[:n], nil
}
