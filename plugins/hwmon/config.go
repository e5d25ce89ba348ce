// Package hwmon measures energy with the meters that the kernel shows under
// class/hwmon: energy counters, and power that is integrated over time.
//
// Nothing there says what a sensor measures: a chip may be a CPU, a network card or a
// disk. So only meters are taken that are known, or that the configuration names.
package hwmon

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Plugin declares the plugin.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name:    "hwmon",
		Doc:     "energy of the machine, its sockets and modules, by meters of hwmon that are known or named",
		Role:    plugin.RoleSource,
		Metrics: metrics(),
		Config: func() plugin.Config {
			return &Config{
				Interval: plugin.Duration(5 * time.Second),
				Sample:   plugin.Duration(100 * time.Millisecond),
				Meters:   []Meter{},
			}
		},
	}
}

// Config is the table [plugins.hwmon].
type Config struct {
	// Interval is how often energy is told.
	Interval plugin.Duration `toml:"poll_interval"`
	// Sample is how often power is read in between.
	Sample plugin.Duration `toml:"sample_interval"`
	// Meters are those that are used; none is all that are known.
	Meters []Meter `toml:"meters"`
}

// Meter says which sensor is used, and what it measures.
type Meter struct {
	// Chip is the name of the chip, as in "ina3221".
	Chip string `toml:"chip"`
	// Device is the last part of its device's path, as in "1-0040"; empty is any.
	Device string `toml:"device"`
	// Label is the sensor's label, or its channel where it has none, as in "power1";
	// empty is the only sensor of the chip.
	Label string `toml:"label"`
	// Domain is what it measures, as in "package".
	Domain string `toml:"domain"`
	// Socket is the CPU package that it belongs to. Without it, package, core, uncore
	// and dram belong to the first one and everything else to the machine.
	Socket *uint16 `toml:"socket"`
}

// longestSample keeps power from being guessed.
const longestSample = time.Minute

// Validate implements plugin.Config.
func (c *Config) Validate() error {
	if err := plugin.CheckInterval("poll_interval", c.Interval); err != nil {
		return err
	}
	if err := plugin.CheckInterval("sample_interval", c.Sample); err != nil {
		return err
	}
	if time.Duration(c.Sample) > longestSample {
		return plugin.Keyf("sample_interval", "want at most %v, have %v", longestSample, time.Duration(c.Sample))
	}
	for i := range c.Meters {
		if err := c.check(i); err != nil {
			return plugin.Keyf("meters", "the meter of chip %q, label %q: %w", c.Meters[i].Chip, c.Meters[i].Label, err)
		}
	}
	return nil
}

func (c *Config) check(i int) error {
	m := &c.Meters[i]
	switch {
	case m.Chip == "":
		return fmt.Errorf("chip is missing: it is what the file name of its folder in class/hwmon says")
	case m.Domain == "":
		return fmt.Errorf("domain is missing: it says what is measured, as \"machine\" or \"package\"")
	case m.Domain == domainMachine && m.Socket != nil:
		return fmt.Errorf("the machine belongs to no socket: leave socket out")
	}
	for _, text := range []string{m.Chip, m.Device, m.Label, m.Domain} {
		if strings.TrimSpace(text) != text || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			return fmt.Errorf("%q begins or ends with a space, or has a character that cannot be shown", text)
		}
	}
	for j := range c.Meters[:i] {
		other := &c.Meters[j]
		if m.place() == other.place() {
			return fmt.Errorf("domain %q of the same resource is measured by chip %q, label %q too; give each a domain of its own, "+
				"as domains are divided among pods one by one", m.Domain, other.Chip, other.Label)
		}
	}
	return nil
}

// place returns what the meter measures.
func (m *Meter) place() place {
	p := place{resource: measure.Resource{Kind: measure.LocalMachine}, domain: m.Domain}
	var socket uint64
	if m.Socket != nil {
		socket = uint64(*m.Socket)
	}
	switch m.Domain {
	case domainPackage, domainCore, domainUncore:
		p.resource = resourceOf(kindPackage, socket)
	case domainDRAM:
		p.resource = resourceOf(kindDRAM, socket)
	default:
		if m.Socket != nil {
			p.resource = resourceOf(kindPackage, socket)
		}
	}
	return p
}

// PollInterval implements plugin.Poller.
func (c *Config) PollInterval() time.Duration { return time.Duration(c.Interval) }

// Metrics implements plugin.Poller.
func (c *Config) Metrics() []*measure.Metric { return metrics() }

// Open implements plugin.Config. What it returns is a plugin.Source, a plugin.Runner, a
// plugin.Readier and an io.Closer. Meters are first looked for in Poll, and a machine that
// has none is no error.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	s := &source{
		sysfs: host.SysfsRoot, wanted: c.Meters, sample: time.Duration(c.Sample),
		pread: unix.Pread, buf: make([]byte, 64), wake: make(chan struct{}, 1),
	}
	s.state.Store(&state{status: statusOK})
	var err error
	if s.self, err = newInstruments(host.Meter, s); err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	return s, nil
}
