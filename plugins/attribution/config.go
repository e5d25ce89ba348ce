// Package attribution divides the energy that meters of the node counted among its pods,
// the rest of the system, and idle, so that nothing is lost and nothing counts twice:
// for every domain of a meter and every window, what was measured is what all of them
// have together, to the microjoule.
package attribution

import (
	"context"
	"errors"
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
	separate  = "separate"   // nobody: it is told apart
	byUsage   = "by_usage"   // who worked, in proportion
	byRequest = "by_request" // who reserved; what nobody did is told apart
)

func policies() []string { return []string{separate, byUsage, byRequest} }

// dramBases are what the energy of memory may be divided by.
func dramBases() []string { return []string{byCPUTime.String(), byMemory.String()} }

// Config is the table [plugins.attribution].
type Config struct {
	// Policies are the ways of division, each of which is told under its name.
	Policies []string `toml:"policies"`
	// DRAMBy is what the energy of memory is divided by.
	DRAMBy string `toml:"dram_by"`
	// IdleWatts is the idle power of domains, by their names, where it is known and
	// not to be learned.
	IdleWatts map[string]float64 `toml:"idle_watts"`

	made *metrics // see Derive
}

func defaults() *Config {
	return &Config{Policies: []string{separate}, DRAMBy: byCPUTime.String(), IdleWatts: map[string]float64{}}
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
	if !slices.Contains(dramBases(), c.DRAMBy) {
		return plugin.Keyf("dram_by", "want %s, have %q", strings.Join(dramBases(), " or "), c.DRAMBy)
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
	if cpu := named(all, cpuTime); cpu != nil {
		keys = slices.DeleteFunc(slices.Clone(cpu.Attributes), func(key string) bool { return key == keyKind })
	}
	c.made = newMetrics(keys)
	return c.made.all()
}

// Names of the metrics of pods by which energy is divided.
const (
	cpuTime       = "cpu_time_delta"
	socketTime    = "cpu_package_time_delta"
	memoryUsage   = "memory_usage"
	cpuRequest    = "cpu_request"
	memoryRequest = "memory_request"
)

// named returns the metric of a name, or nil.
func named(all []*measure.Metric, name string) *measure.Metric {
	for _, m := range all {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// Open implements plugin.Config.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	a := &attribution{
		config: c, quantities: make(map[*measure.Metric]int),
		pods: make(map[string]*pod), known: make(map[*measure.Series]*followed),
	}
	if err := c.choose(a, host.Metrics); err != nil {
		return nil, err
	}
	if c.made == nil {
		c.Derive(host.Metrics)
	}
	a.metrics = c.made
	if err := a.files.open(host, a.needs(ofMemory)); err != nil {
		return nil, fmt.Errorf("%w; set procfs_root of [agent] to where the host's /proc is mounted", err)
	}
	sockets := 0
	if a.needs(ofSockets) {
		sockets, a.lasting = a.files.tellSockets(host.SysfsRoot)
	}
	if sockets == 0 {
		a.unplaced = a.needs(ofSockets)
		maps.DeleteFunc(a.quantities, func(_ *measure.Metric, q int) bool { return q == ofSockets })
	}
	a.now, a.before = newMoment(sockets), newMoment(sockets)
	a.states = make(columns, ofSockets)
	for q := range a.now.counts {
		a.every = append(a.every, q)
	}
	if err := a.open(host.Meter); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// choose notes which metrics are needed. It fails when one is not measured.
func (c *Config) choose(a *attribution, all []*measure.Metric) error {
	requests := slices.Contains(c.Policies, byRequest)
	for _, x := range []struct {
		name     string
		quantity int
		wanted   bool
		missing  string // what to say without it; "" when it may be away
	}{
		{cpuTime, ofCPU, true, `energy is divided by CPU time, which no plugin measures: enable [plugins.k8s] with the metrics "cpu"`},
		{cpuRequest, ofCPURequest, requests, `the policy by_request needs what pods reserved, which no plugin tells: set metrics = ["cpu", "memory", "requests"] of [plugins.k8s]`},
		{memoryRequest, ofMemoryRequest, requests, ""},
		{memoryUsage, ofMemory, c.DRAMBy == byMemory.String(), `dram_by = "memory" needs the memory of pods, which no plugin measures: set metrics = ["cpu", "memory"] of [plugins.k8s]`},
		{socketTime, ofSockets, true, ""},
	} {
		if !x.wanted {
			continue
		}
		if m := named(all, x.name); m != nil {
			a.quantities[m] = x.quantity
		} else if x.missing != "" {
			return errors.New(x.missing)
		}
	}
	return nil
}

// idleOf returns what is known of a domain's idle power at the beginning.
func (c *Config) idleOf(domain string) idle {
	watts, ok := c.IdleWatts[domain]
	return idle{fixed: ok, power: uint64(math.Round(watts * 1e6))}
}
