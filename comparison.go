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
	truth func() []simnode.Truth
	show  func(rows []comparisonRow, elapsed time.Duration, last bool)

	began, shown time.Time
	base         map[string]time.Duration // true CPU time of a pod at the agent's first reading
	pods         map[string]*measuredPod
}

// measuredPod is what the agent measured of a pod.
type measuredPod struct {
	cpu, shown time.Duration // since the first reading, and of it when last shown
	memory     uint64
	known      bool // whether the memory is known
}

// comparisonRow is one pod. Its measured and its true CPU time count from the
// same moment: the agent's first reading, or the pod's birth.
type comparisonRow struct {
	namespace, name  string
	alive, seen      bool
	percent          float64 // of one core, over the time since the last rows
	measured, actual time.Duration
	memory           uint64
	memoryKnown      bool
	truth            simnode.Truth
}

func newComparison(truth func() []simnode.Truth, show func([]comparisonRow, time.Duration, bool)) *comparison {
	return &comparison{truth: truth, show: show, base: make(map[string]time.Duration), pods: make(map[string]*measuredPod)}
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
		for _, t := range c.truth() {
			c.base[t.UID] = t.CPU
		}
	}
	for i := range b.Samples {
		s := &b.Samples[i]
		uid, _ := s.Series.Attribute("uid")
		p := c.pods[uid]
		if p == nil {
			p = new(measuredPod)
			c.pods[uid] = p
		}
		kind, _ := s.Series.Attribute("kind")
		n, counted := s.Uint()
		switch {
		case !counted:
		case s.Series.Metric.Name == "cpu_time_delta" && kind == "total":
			p.cpu += time.Duration(n)
		case s.Series.Metric.Name == "memory_usage":
			p.memory, p.known = n, true
		}
	}
	// The last rows are made with the last batch: the pods go on until the agent
	// has ended, and so does the truth.
	if passed := b.End.Sub(c.shown); passed >= time.Second || b.Last {
		c.show(c.rows(passed), b.End.Sub(c.began), b.Last)
		c.shown = b.End
	}
	return nil
}

// rows returns what is to be shown, in the order of the truth.
func (c *comparison) rows(passed time.Duration) []comparisonRow {
	var rows []comparisonRow
	for _, t := range c.truth() {
		row := comparisonRow{namespace: t.Namespace, name: t.Name, alive: t.Alive, actual: t.CPU - c.base[t.UID], truth: t}
		if p := c.pods[t.UID]; p != nil {
			row.seen, row.measured, row.memory, row.memoryKnown = true, p.cpu, p.memory, p.known
			row.percent = 100 * float64(p.cpu-p.shown) / float64(max(passed, 1))
			p.shown = p.cpu
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
