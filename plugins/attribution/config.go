// Package attribution divides the energy that meters of the node counted among its pods,
// the rest of the system, and idle, so that nothing is lost and nothing counts twice:
// for every domain of a meter and every window, what was measured is what all of them
// have together, to the microjoule.
package attribution

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Plugin declares the transform.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name:    "attribution",
		Doc:     "divides the joules of the node among its pods, the system and idle",
		Role:    plugin.RoleTransform,
		Metrics: newMetrics(podKeys()).all(),
		Config:  func() plugin.Config { return defaults() },
	}
}

// The policies: who has the idle part.
const (
	separate = "separate" // nobody: it is told apart
	byUsage  = "by_usage" // who worked, in proportion
)

func policies() []string { return []string{separate, byUsage} }

// Config is the table [plugins.attribution].
type Config struct {
	// Policies are the ways of division, each of which is told under its name.
	Policies []string `toml:"policies"`
	// IdleWatts is the idle power of domains, by their names, where it is known and
	// not to be learned.
	IdleWatts map[string]float64 `toml:"idle_watts"`

	made *metrics // see Derive
}

func defaults() *Config {
	return &Config{Policies: []string{separate}, IdleWatts: map[string]float64{}}
}

// Validate implements plugin.Config.
func (c *Config) Validate() error {
	if len(c.Policies) == 0 {
		return plugin.Keyf("policies", "is empty; known are %s", strings.Join(policies(), ", "))
	}
	for i, p := range c.Policies {
		if !slices.Contains(policies(), p) {
			return plugin.Keyf("policies", "unknown policy %q; known are %s", p, strings.Join(policies(), ", "))
		}
		if slices.Contains(c.Policies[:i], p) {
			return plugin.Keyf("policies", "%q is there twice", p)
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(c.IdleWatts)) {
		if w := c.IdleWatts[domain]; !(w >= 0) || w > maxWatts {
			return plugin.Keyf("idle_watts", "%s: want watts from 0 to %d, have %v", domain, maxWatts, w)
		}
	}
	return nil
}

// maxWatts is more than any machine draws.
const maxWatts = 1_000_000

// Derive implements plugin.Deriver: energy carries the attributes that CPU time does.
func (c *Config) Derive(all []*measure.Metric) []*measure.Metric {
	keys := podKeys()
	if cpu := cpuTime(all); cpu != nil {
		keys = slices.DeleteFunc(slices.Clone(cpu.Attributes), func(key string) bool { return key == keyKind })
	}
	c.made = newMetrics(keys)
	return c.made.all()
}

// cpuTime returns the metric of the pods' CPU time.
func cpuTime(all []*measure.Metric) *measure.Metric {
	for _, m := range all {
		if m.Name == "cpu_time_delta" {
			return m
		}
	}
	return nil
}

// Open implements plugin.Config.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	cpu := cpuTime(host.Metrics)
	if cpu == nil {
		return nil, fmt.Errorf("energy is divided by CPU time, which no plugin measures: enable [plugins.k8s] with the metrics \"cpu\"")
	}
	if c.made == nil {
		c.Derive(host.Metrics)
	}
	stat, err := openStat(host.ProcfsRoot)
	if err != nil {
		return nil, fmt.Errorf("%w; set procfs_root of [agent] to where the host's /proc is mounted", err)
	}
	a := &attribution{
		config: c, metrics: c.made, cpu: cpu, stat: stat,
		pods: make(map[*measure.Series]*pod), domains: make(map[*measure.Series]*domain),
	}
	if err := a.open(host.Meter); err != nil {
		return nil, err
	}
	return a, nil
}

// idleOf returns what is known of a domain's idle power at the beginning.
func (c *Config) idleOf(domain string) idle {
	watts, ok := c.IdleWatts[domain]
	return idle{fixed: ok, power: uint64(math.Round(watts * 1e6))}
}
