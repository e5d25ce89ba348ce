package remotewrite

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// shownPoints are points as short texts: the metric, the labels' values, the value.
func shownPoints(points []point) []string {
	var list []string
	for _, p := range points {
		value := strconv.FormatFloat(math.Float64frombits(p.bits), 'g', -1, 64)
		if p.bits == stale {
			value = "stale"
		}
		name := strings.TrimPrefix(p.line.family.Name, "podjoule_")
		list = append(list, name+" "+strings.Join(p.line.set.Values, ",")+" "+value)
	}
	slices.Sort(list)
	return list
}

// Metrics come, go, and change their labels while the output works: what waits stays,
// counters of metrics that stay go on, and what is seen under other names is ended.
func TestAdapt(t *testing.T) {
	n := newNode()
	c := config("http://127.0.0.1:1/")
	c.ProtocolVersion = Version1
	opened, err := c.Open(t.Context(), plugintest.NewHost(t, n.metrics()...).Host)
	if err != nil {
		t.Fatal(err)
	}
	out := opened.(*output)
	t.Cleanup(func() { _ = out.Close() })
	ticks := 0
	check := func(what string, fill func(*measure.Batch), want ...string) {
		t.Helper()
		points, err := out.state.take(batch(ticks, fill))
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		ticks++
		if diff := cmp.Diff(want, shownPoints(points)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	adapt := func(metrics ...*measure.Metric) {
		t.Helper()
		change, ok := out.Adapt(metrics)
		if !ok {
			t.Fatal("the metrics are not taken")
		}
		change()
	}
	if err := out.Write(t.Context(), batch(ticks, n.sample)); err != nil {
		t.Fatal(err)
	}
	ticks++
	waiting := out.queue.Stats().Waiting

	// One is declared anew with another text, one goes, and one more comes.
	energy, more := *n.energy, &measure.Metric{Name: "more"}
	energy.Help = "Energy, said in other words"
	adapt(n.cpu, &energy, more)
	joules := *n.joules
	joules.Metric = &energy
	check("declared anew", func(b *measure.Batch) {
		b.Retire(n.joules, n.resident)
		b.Uint(n.used, 1_500_000_000)
		b.Uint(&joules, 2_000_001)
		b.Uint(&measure.Series{Metric: more, Resource: measure.Resource{Kind: measure.LocalMachine}}, 7)
	}, "cpu_time_seconds_total web,u1 3", "memory_usage_bytes ,u1 stale", "more  7", "rapl_consumed_energy_joules_total package,0,cpu_package 4.000002")

	// A label gets another name, and its values stay: the old series ends, and the new one begins.
	cpu := *n.cpu
	cpu.Attributes = []string{"pod", "uid"}
	used := *n.used
	used.Metric, used.Attributes = &cpu, []measure.Attribute{{Key: "pod", Value: "web"}, {Key: "uid", Value: "u1"}}
	adapt(&cpu, &energy, more)
	check("with another label", func(b *measure.Batch) {
		b.Retire(n.used)
		b.Uint(&used, 1_000_000_000)
		b.Uint(&joules, 1_000_000)
	}, "cpu_time_seconds_total web,u1 1", "cpu_time_seconds_total web,u1 stale", "more  stale", "rapl_consumed_energy_joules_total package,0,cpu_package 5.000002")
	check("after that", func(b *measure.Batch) { b.Uint(&used, 1_000_000_000); b.Uint(&joules, 1) },
		"cpu_time_seconds_total web,u1 2", "rapl_consumed_energy_joules_total package,0,cpu_package 5.000003")

	// Its metric goes with its plugin and comes back within minutes: the counter goes on.
	check("gone", func(b *measure.Batch) { b.Retire(&used); b.Uint(&joules, 1) }, "cpu_time_seconds_total web,u1 stale", "rapl_consumed_energy_joules_total package,0,cpu_package 5.000004")
	adapt(&energy, more)
	check("without it", func(b *measure.Batch) { b.Uint(&joules, 1) }, "rapl_consumed_energy_joules_total package,0,cpu_package 5.000005")
	adapt(&cpu, &energy, more)
	again := used
	check("back", func(b *measure.Batch) { b.Uint(&again, 1_000_000_000); b.Uint(&joules, 1) },
		"cpu_time_seconds_total web,u1 3", "rapl_consumed_energy_joules_total package,0,cpu_package 5.000006")

	if got := out.queue.Stats().Waiting; got != waiting {
		t.Errorf("%v wait, %v did before", got, waiting)
	}
	for f := range out.encoder.told {
		if !slices.Contains(slices.Collect(maps.Values(out.state.families)), f) {
			t.Errorf("%s is remembered as it was before", f.Name)
		}
	}
	for _, wrong := range [][]*measure.Metric{
		{more, {Name: "more"}},
		{{Name: "other", Attributes: []string{"instance"}}},
	} {
		if _, ok := out.Adapt(wrong); ok {
			t.Errorf("metrics that collide are taken: %q", wrong[len(wrong)-1].Name)
		}
	}
}

// A series that ended is marked and forgotten although no batch of its interval comes any
// more, as after a reload (O7).
func TestIntervalThatIsNoMore(t *testing.T) {
	n := newNode()
	c := config("http://127.0.0.1:1/")
	opened, err := c.Open(t.Context(), plugintest.NewHost(t, n.metrics()...).Host)
	if err != nil {
		t.Fatal(err)
	}
	out := opened.(*output)
	t.Cleanup(func() { _ = out.Close() })
	every := func(interval time.Duration, at int, fill func(*measure.Batch)) []string {
		b := batch(at, fill)
		b.Interval = interval
		points, err := out.state.take(b)
		if err != nil {
			t.Fatal(err)
		}
		return shownPoints(points)
	}
	every(5*time.Second, 5, n.sample)
	every(5*time.Second, 10, func(b *measure.Batch) { n.sample(b); b.Retire(n.used, n.resident, n.joules) })
	if got := every(time.Second, 10, func(*measure.Batch) {}); len(got) != 0 {
		t.Errorf("at the time of their last values: %q", got)
	}
	if got := every(time.Second, 9, func(*measure.Batch) {}); len(got) != 0 {
		t.Errorf("before their last values, as when a clock is set back: %q", got)
	}
	want := []string{"cpu_time_seconds_total web,u1 stale", "memory_usage_bytes ,u1 stale", "rapl_consumed_energy_joules_total package,0,cpu_package stale"}
	if diff := cmp.Diff(want, every(time.Second, 11, func(*measure.Batch) {})); diff != "" {
		t.Errorf("a second later (-want +got):\n%s", diff)
	}
	every(time.Second, 12+int(keepEnded/time.Second), func(*measure.Batch) {})
	if s := out.state; len(s.lines)+len(s.order)+len(s.live) > 0 {
		t.Errorf("%d lines are remembered", len(s.lines))
	}
}
