package main

import (
	"context"
	"fmt"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/simnode"
)

const comparisonName = "comparison"

// comparison is an output that holds what the agent measures against the truth.
type comparison struct {
	first func() []simnode.Truth // the truth when the agent has read for the first time, which takes it a moment
	truth func() []simnode.Truth // and when a tick begins
	show  func(comparisonTable)

	began, shown time.Time
	base         map[string]simnode.Truth // of each pod at the agent's first reading
	pods         map[string]*measuredPod
	energy       split
	energyShown  uint64 // of what the meter counted, when last shown
}

// measuredPod is what the agent measured of a pod, since its first reading.
type measuredPod struct {
	used, shown measuredUse // and of it when last shown
	memory      uint64
	known       bool // whether the memory is known
	metered     bool // whether the energy is
}

// measuredUse is what adds up.
type measuredUse struct {
	cpu    time.Duration
	energy uint64 // µJ
}

// comparisonTable is what is shown at a time.
type comparisonTable struct {
	rows    []comparisonRow
	energy  split
	watts   float64 // of the machine, over the time since the last table
	elapsed time.Duration
	last    bool
}

// comparisonRow is one pod. What is measured of it and what is true count from the
// same moment: the agent's first reading, or the pod's birth.
type comparisonRow struct {
	namespace, name  string
	alive, seen      bool
	percent, watts   float64 // of one core, over the time since the last rows
	measured, actual time.Duration
	memory           uint64
	memoryKnown      bool
	joules, cost     uint64 // measured and actual energy, in µJ
	metered          bool   // whether the energy was measured
	truth            simnode.Truth
}

func newComparison(first, truth func() []simnode.Truth, show func(comparisonTable)) *comparison {
	return &comparison{first: first, truth: truth, show: show, base: make(map[string]simnode.Truth), pods: make(map[string]*measuredPod)}
}

// plugin makes a plugin of it.
func (c *comparison) plugin() plugin.Plugin {
	return plugin.Plugin{
		Name: comparisonName, Doc: "what is measured beside what is true", Role: plugin.RoleOutput,
		Config: func() plugin.Config { return &comparisonConfig{c} },
	}
}

// comparisonConfig has no keys.
type comparisonConfig struct{ c *comparison }

// Validate implements plugin.Config.
func (*comparisonConfig) Validate() error { return nil }

// Open implements plugin.Config.
func (c *comparisonConfig) Open(context.Context, *plugin.Host) (any, error) { return c.c, nil }

// Write implements plugin.Output.
func (c *comparison) Write(_ context.Context, b *measure.Batch) error {
	if c.began.IsZero() {
		c.began, c.shown = b.End, b.End
		for _, t := range c.first() {
			c.base[t.UID] = t
		}
	}
	for i := range b.Samples {
		s := &b.Samples[i]
		n, counted := s.Uint()
		if !counted {
			continue
		}
		c.energy.add(s.Series.Metric, n)
		if uid, ok := s.Series.Attribute("uid"); ok {
			c.take(uid, s.Series, n)
		}
	}
	// The last table is made with the last batch: the pods go on until the agent
	// has ended.
	if passed := b.End.Sub(c.shown); passed >= time.Second || b.Last {
		c.show(comparisonTable{
			rows: c.rows(passed), energy: c.energy, watts: wattsOf(c.energy.measured-c.energyShown, passed),
			elapsed: b.End.Sub(c.began), last: b.Last,
		})
		c.shown, c.energyShown = b.End, c.energy.measured
	}
	return nil
}

// take takes what was measured of a pod.
func (c *comparison) take(uid string, series *measure.Series, n uint64) {
	p := c.pods[uid]
	if p == nil {
		p = new(measuredPod)
		c.pods[uid] = p
	}
	kind, _ := series.Attribute("kind")
	switch name := series.Metric.Name; {
	case name == "cpu_time_delta" && kind == "total":
		p.used.cpu += time.Duration(n)
	case name == podEnergy:
		p.used.energy += n
		p.metered = true
	case name == "memory_usage":
		p.memory, p.known = n, true
	}
}

// rows returns what is to be shown, in the order of the truth.
func (c *comparison) rows(passed time.Duration) []comparisonRow {
	var rows []comparisonRow
	for _, t := range c.truth() {
		base := c.base[t.UID]
		row := comparisonRow{
			namespace: t.Namespace, name: t.Name, alive: t.Alive, truth: t,
			actual: t.CPU - base.CPU, cost: t.Energy - base.Energy,
		}
		if p := c.pods[t.UID]; p != nil {
			row.seen, row.measured, row.memory, row.memoryKnown = true, p.used.cpu, p.memory, p.known
			row.joules, row.metered = p.used.energy, p.metered
			row.percent = 100 * float64(p.used.cpu-p.shown.cpu) / float64(max(passed, 1))
			row.watts = wattsOf(p.used.energy-p.shown.energy, passed)
			p.shown = p.used
		}
		rows = append(rows, row)
	}
	return rows
}

// verdict sums up how near the measured CPU time came to the truth.
func verdict(rows []comparisonRow) string {
	var measured, actual time.Duration
	for _, r := range rows {
		measured += r.measured
		actual += r.actual
	}
	if actual <= 0 {
		return "The pods used no CPU time."
	}
	return fmt.Sprintf("Measured %.3f s of CPU time in %d pods; the truth is %.3f s: %.2f %% apart.",
		measured.Seconds(), len(rows), actual.Seconds(), 100*(measured-actual).Abs().Seconds()/actual.Seconds())
}
