package attribution

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

const joule = 1_000_000

func knownIdle(watts float64) func(*Config) {
	return func(c *Config) { c.IdleWatts = map[string]float64{"package": watts} }
}

// The example that tells the ways of division apart: 8 CPUs, 1 s, 100 J of which 40 are
// idle, 4 s of work on the node, 1 s of it a pod's.
func TestExample(t *testing.T) {
	for _, c := range []struct {
		policy string
		want   map[string]uint64
	}{
		{separate, map[string]uint64{"a": 15 * joule, "energy_idle": 40 * joule, "energy_system": 45 * joule, "energy_unattributed": 0}},
		{byUsage, map[string]uint64{"a": 25 * joule, "energy_idle": 0, "energy_system": 75 * joule, "energy_unattributed": 0}},
	} {
		r := newRig(t, knownIdle(40), func(x *Config) { x.Policies = []string{c.policy} })
		r.work(time.Second, time.Second)
		r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
		r.work(4*time.Second, 4*time.Second)
		b := r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			b.Uint(r.meter("package"), 100*joule)
		})
		if diff := cmp.Diff(c.want, told(b)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.policy, diff)
		}
	}
}

// As long as the idle power is not known, pods have their part of what all CPUs could have
// done, and what falls to idle time is nobody's.
func TestUnknownIdlePower(t *testing.T) {
	r := newRig(t)
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	r.work(4*time.Second, 4*time.Second)
	b := r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), uint64(time.Second))
		b.Uint(r.meter("package"), 80*joule)
	})
	want := map[string]uint64{"a": 10 * joule, "energy_idle": 0, "energy_system": 30 * joule, "energy_unattributed": 40 * joule}
	if diff := cmp.Diff(want, told(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// K9: idle power is learned from windows of little work, and stays what it is at full load.
func TestIdlePowerIsLearned(t *testing.T) {
	r := newRig(t)
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	for i := range 2 * enough {
		r.work(100*time.Millisecond, 7900*time.Millisecond)
		b := r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), 0)
			b.Uint(r.meter("package"), uint64(40+i%3)*joule)
		})
		if known := told(b)["energy_unattributed"] == 0; known != (i >= enough-1) {
			t.Errorf("window %d: known %t: %v", i, known, told(b))
		}
	}
	r.work(8*time.Second, 0)
	b := r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), uint64(4*time.Second))
		b.Uint(r.meter("package"), 120*joule)
	})
	idle := told(b)["energy_idle"]
	if off := int64(idle) - 40*joule; off < 0 || off > joule/10 {
		t.Errorf("idle at full load: %d µJ, want a little more than 40 J", idle)
	}
	if a, system := told(b)["a"], told(b)["energy_system"]; a != system || a != (120*joule-idle)/2 {
		t.Errorf("the pod has %d, the system %d of %d", a, system, 120*joule-idle)
	}
}

// What ended pods used beyond what is told of each has its own part, and a pod that ended
// has its last one and no more.
func TestEndedPods(t *testing.T) {
	r := newRig(t, knownIdle(0))
	rest := &measure.Series{Metric: cpuMetric, Consumer: measure.Consumer{Kind: measure.TerminatedPods, ID: "/kubepods"},
		Attributes: []measure.Attribute{{Key: "kind", Value: "total"}, {Key: "node", Value: "n"}}}
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	r.work(4*time.Second, 0)
	b := r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), uint64(time.Second))
		b.Retire(r.cpu("a"))
		b.Uint(rest, uint64(time.Second))
		b.Uint(r.meter("package"), 40*joule)
	})
	want := map[string]uint64{"a": 10 * joule, "pod_energy": 10 * joule, "energy_system": 20 * joule, "energy_idle": 0, "energy_unattributed": 0}
	if diff := cmp.Diff(want, told(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	ended := 0
	for _, s := range b.Ended {
		if name, _ := s.Attribute("name"); s.Metric.Name == "pod_energy" && name == "a" {
			ended++
		}
	}
	if ended != 1 || len(r.ordered) != 1 || len(r.pods) != 1 {
		t.Errorf("%d series of energy ended, %d and %d pods are kept", ended, len(r.ordered), len(r.pods))
	}
	r.work(time.Second, 0)
	b = r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(rest, 0)
		b.Uint(r.meter("package"), 10*joule)
	})
	if _, again := told(b)["a"]; again {
		t.Error("a pod that ended is told of again")
	}
}

// Energy is divided when a pod has told which node it is. Where none does for long, or to the
// end, it is told without the node, by series that end when one does.
func TestNodeIsToldLate(t *testing.T) {
	type counts = map[string]int // of series, by their node
	count := func(all []*measure.Series) counts {
		found := make(counts)
		for _, s := range all {
			if strings.HasPrefix(s.Metric.Name, "energy_") {
				node, _ := s.Attribute("node")
				found[node]++
			}
		}
		return found
	}
	type step struct {
		pod, last   bool
		told, ended counts
		joules      uint64
	}
	none, without, with := counts{}, counts{"": 3}, counts{"n": 3}
	for name, steps := range map[string][]step{
		"soon":      {{}, {pod: true, told: with, joules: 20}, {pod: true, told: with, joules: 10}},
		"after all": {{}, {}, {told: without, joules: 30}, {told: without, joules: 10}, {pod: true, told: with, ended: without, joules: 10}},
		"never":     {{}, {last: true, told: without, joules: 20}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, noIdle)
			r.work(patience/3, 0)
			r.apply(0, func(*measure.Batch) {})
			for i, s := range steps {
				r.work(patience/3, 0)
				b := r.apply(patience/3, func(b *measure.Batch) {
					b.Last = s.last
					if s.pod {
						b.Uint(r.cpu("a"), uint64(patience/12))
					}
					b.Uint(r.meter("package"), 10*joule)
				})
				var all []*measure.Series
				var sum uint64
				for _, x := range b.Samples {
					all = append(all, x.Series)
					if n, ok := x.Uint(); ok && (strings.HasPrefix(x.Series.Metric.Name, "energy_") || x.Series.Metric.Name == "pod_energy") {
						sum += n
					}
				}
				want := []counts{s.told, s.ended}
				for k := range want {
					if want[k] == nil {
						want[k] = none
					}
				}
				if diff := cmp.Diff(want, []counts{count(all), count(b.Ended)}); diff != "" {
					t.Errorf("window %d: series told and ended: -want +got\n%s", i, diff)
				}
				if sum != s.joules*joule {
					t.Errorf("window %d: %d µJ are told, want %d J", i, sum, s.joules)
				}
			}
		})
	}
}

// While the node's time cannot be read, energy is nobody's, and so is that of the window
// after it; then all is as before.
func TestNodeTimeThatCannotBeRead(t *testing.T) {
	r := newRig(t, noIdle)
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	var got []uint64
	for i := range 4 {
		r.work(time.Second, time.Second)
		if i == 1 {
			r.write("cpu  1 2 3\n", r.host.ProcfsRoot, "stat")
		}
		got = append(got, told(r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			b.Uint(r.meter("package"), joule)
		}))["energy_unattributed"])
		if err := r.Ready(); (err != nil) != (i == 1) || err != nil && !strings.Contains(err.Error(), "stat: field 4 is") {
			t.Errorf("window %d: Ready says %v", i+1, err)
		}
	}
	if diff := cmp.Diff([]uint64{0, joule, joule, 0}, got); diff != "" {
		t.Errorf("unattributed: -want +got\n%s", diff)
	}
}

// A model that tells idle energy apart is believed, and bands around it are no energy.
func TestIdleEnergyThatIsToldApart(t *testing.T) {
	r := newRig(t)
	metric := &measure.Metric{Name: "estimated_energy", Unit: measure.Microjoule, Kind: measure.Delta}
	band := &measure.Metric{Name: "estimated_energy_low", Unit: measure.Microjoule, Kind: measure.Delta}
	series := func(m *measure.Metric, part string) *measure.Series {
		return &measure.Series{Metric: m, Resource: measure.Resource{Kind: measure.LocalMachine}, Consumer: measure.Consumer{Kind: measure.LocalMachine},
			Attributes: []measure.Attribute{{Key: "domain", Value: "server"}, {Key: "part", Value: part}, {Key: "quality", Value: "estimated"}, {Key: "source", Value: "model"}}}
	}
	still, work, low := series(metric, "idle"), series(metric, "dynamic"), series(band, "idle")
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	r.work(2*time.Second, 2*time.Second)
	b := r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), uint64(time.Second))
		b.Uint(still, 40*joule)
		b.Uint(work, 30*joule)
		b.Uint(low, 5*joule)
	})
	got := told(b)
	delete(got, metric.Name)
	delete(got, band.Name)
	want := map[string]uint64{"a": 15 * joule, "energy_idle": 40 * joule, "energy_system": 15 * joule, "energy_unattributed": 0}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for i := range b.Samples {
		if x := b.Samples[i].Series; x.Metric.Name == "pod_energy" {
			if quality, _ := x.Attribute(keyQuality); quality != "estimated" {
				t.Errorf("the quality of %v is not that of the model", x.Attributes)
			}
		}
	}
	r.work(2*time.Second, 2*time.Second)
	got = told(r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), 0)
		b.Uint(still, 4*joule)
		b.Uint(work, 3*joule)
	}))
	if got["energy_idle"] != 4*joule || got["energy_system"] != 3*joule {
		t.Errorf("the next window: %v", got)
	}
	r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), 0)
		b.Retire(still, work)
	})
	if len(r.domains) != 0 {
		t.Errorf("%d domains are kept", len(r.domains))
	}
}

// A pod whose CPU time is not known yet has no energy of it, not even none.
func TestPodWithoutCPUTime(t *testing.T) {
	r := newRig(t, noIdle, byRAM)
	r.remember(2*gib, 8*gib)
	r.work(time.Second, 0)
	r.apply(0, func(b *measure.Batch) { r.keep(b, "a", gib) })
	next := func(fill func(b *measure.Batch)) map[string]uint64 {
		r.work(time.Second, 0)
		return toldBy(r.apply(time.Second, func(b *measure.Batch) {
			r.keep(b, "a", gib)
			fill(b)
			b.Uint(r.meter("package"), joule)
			b.Uint(r.meter("dram"), 8)
		}))
	}
	got := next(func(*measure.Batch) {})
	if _, is := got["package 0 a"]; is || got["package 0 system"] != joule || got["dram 0 a"] != 4 {
		t.Errorf("before: %v", got)
	}
	got = next(func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	if n, is := got["package 0 a"]; !is || n != 0 {
		t.Errorf("with its CPU time: %v", got)
	}
}
