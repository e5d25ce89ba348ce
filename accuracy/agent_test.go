package accuracy_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/attribution"
	"github.com/podjoule/podjoule/plugins/rapl"
)

// window is how often the agent measures.
const window = time.Second

// variant is one way to run the transform, beside others of which it knows nothing.
type variant struct {
	name    string // for people; empty for the defaults
	keys    string // of its configuration, besides the policies
	sockets bool   // the source tells the CPU time of each socket
	memory  bool   // it differs in memory alone
}

const (
	bySocket  = "CPU time by socket"
	idleGiven = "`idle_watts` given"
)

// variants are the ways to configure the transform, beside its policies, that make a
// difference in a scenario.
func variants(s *scenario) []variant {
	all := []variant{{}}
	if len(s.sockets) > 1 {
		all = append(all, variant{name: bySocket, sockets: true})
	}
	if s.restless && len(s.sockets) == 1 {
		x := s.sockets[0]
		all = append(all, variant{name: idleGiven, keys: fmt.Sprintf("idle_watts = { package = %v, dram = %v }\n", float64(x.idle)/1000, float64(x.memoryIdle)/1000)})
	}
	return append(all, variant{name: "memory by resident bytes", keys: "dram_by = \"memory\"\n", memory: true})
}

// policies are those that the transform says it has.
func policies(t testing.TB) []string {
	t.Helper()
	c := attribution.Plugin().Config()
	if _, err := toml.Decode("policies = [\"\"]\n", c); err != nil {
		t.Fatal(err)
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("a policy without a name is taken")
	}
	_, known, ok := strings.Cut(err.Error(), "known are ")
	if all := strings.Split(known, ", "); ok && len(all) > 0 && all[0] == separate {
		return all
	}
	t.Fatalf("the transform does not say which policies it has: %v", err)
	return nil
}

// separate is the policy that keeps idle energy apart, which is what the truth does.
const separate = "separate"

// transform is one transform on the node, and what came of it.
type transform struct {
	variant
	apply    plugin.Transform
	policies []string
	batch    measure.Batch
	told     map[string]*account // by policy
	known    map[string]*pod     // by UID
	t        testing.TB
}

func newTransform(n *node, v variant, metrics []*measure.Metric) *transform {
	n.t.Helper()
	x := &transform{variant: v, policies: policies(n.t), told: make(map[string]*account), known: make(map[string]*pod), t: n.t}
	c := attribution.Plugin().Config()
	var names []string
	for _, p := range x.policies {
		x.told[p] = newAccount()
		names = append(names, fmt.Sprintf("%q", p))
	}
	for _, p := range n.pods {
		x.known[p.uid] = p
	}
	if _, err := toml.Decode(fmt.Sprintf("policies = [%s]\n%s", strings.Join(names, ", "), v.keys), c); err != nil {
		n.t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		n.t.Fatal(err)
	}
	if d, ok := c.(plugin.Deriver); ok {
		metrics = append(slices.Clone(metrics), d.Derive(metrics)...)
	}
	host := plugintest.NewHost(n.t, metrics...)
	host.SysfsRoot, host.ProcfsRoot = n.sysfs, n.procfs
	opened, err := c.Open(n.t.Context(), host.Host)
	if err != nil {
		n.t.Fatal(err)
	}
	x.apply = opened.(plugin.Transform)
	closeAtEnd(n.t, opened)
	return x
}

// title is the name of its row.
func (v variant) title(policy string) string {
	title := "podjoule, `" + policy + "`"
	if v.name != "" {
		title += ", " + v.name
	}
	return title
}

func closeAtEnd(t testing.TB, opened any) {
	if c, ok := opened.(io.Closer); ok {
		t.Cleanup(func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// window divides what was measured, and fails unless all of it is there.
func (x *transform) window(ctx context.Context, measured *measure.Batch, counts bool) {
	x.t.Helper()
	x.batch.Reset(measured.Interval, measured.Start, measured.End)
	for i := range measured.Samples {
		if s := measured.Samples[i]; x.sockets || s.Series.Metric.Name != "cpu_package_time_delta" {
			x.batch.Samples = append(x.batch.Samples, s)
		}
	}
	x.batch.Retire(measured.Ended...)
	if err := x.apply.Apply(ctx, &x.batch); err != nil {
		x.t.Errorf("Apply: %v", err)
	}
	if err := conserved(&x.batch, x.policies); err != nil {
		x.t.Fatalf("%s until %v: %v", cmp.Or(x.name, "plain"), x.batch.End, err)
	}
	if !counts {
		return
	}
	var whole float64
	given := make(map[string]float64)
	for i := range x.batch.Samples {
		s := &x.batch.Samples[i]
		n, _ := s.Uint()
		policy, ok := s.Series.Attribute("policy")
		if ok {
			x.told[policy].add(s.Series, n, x.known)
		}
		switch s.Series.Metric.Name {
		case "rapl_consumed_energy":
			whole += float64(n)
		case "pod_energy":
			given[policy] += float64(n)
		}
	}
	for policy, a := range x.told {
		a.closeWindow(given[policy], whole)
	}
}

// conserved holds what was told of a window against what was measured: for every policy
// and meter the same, to the microjoule.
func conserved(b *measure.Batch, policies []string) error {
	type place struct {
		resource measure.Resource
		policy   string
	}
	left := make(map[place]int64)
	for i := range b.Samples {
		s := &b.Samples[i]
		n, whole := s.Uint()
		if s.Series.Metric.Name == "rapl_consumed_energy" {
			for _, policy := range policies {
				left[place{s.Series.Resource, policy}] += int64(n)
			}
		} else if policy, ok := s.Series.Attribute("policy"); ok {
			if !whole {
				return fmt.Errorf("%s is no integer", s.Series.Metric.Name)
			}
			left[place{s.Series.Resource, policy}] -= int64(n)
		}
	}
	var faults []error
	for at, n := range left {
		if n != 0 {
			faults = append(faults, fmt.Errorf("%s of %v: %d µJ more were measured than told", at.policy, at.resource, n))
		}
	}
	return errors.Join(faults...)
}

// openRAPL opens the real source of energy on the node's counters.
func openRAPL(n *node) plugin.Source {
	n.t.Helper()
	host := plugintest.NewHost(n.t)
	host.SysfsRoot = n.sysfs
	opened, err := rapl.Plugin().Config().Open(n.t.Context(), host.Host)
	if err != nil {
		n.t.Fatal(err)
	}
	closeAtEnd(n.t, opened)
	return opened.(plugin.Source)
}

func energyMetrics() []*measure.Metric { return rapl.Plugin().Metrics }
