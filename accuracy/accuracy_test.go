package accuracy_test

import (
	"math"
	"testing"

	"github.com/podjoule/podjoule/agent/measure"
)

// byName plays a scenario of the document.
func byName(t *testing.T, name string) *outcome {
	t.Helper()
	for _, s := range scenarios() {
		if s.name == name {
			return play(t, s)
		}
	}
	t.Fatalf("there is no scenario %q", name)
	return nil
}

// must returns a row that has to be there.
func (o *outcome) must(t *testing.T, title string) *row {
	t.Helper()
	r := o.row(title)
	if r == nil {
		t.Fatalf("%s: no row %q", o.name, title)
	}
	return r
}

// plain is the row of podjoule as it is without any configuration.
func plain() string { return variant{}.title(separate) }

// within holds a share of a truth against bounds in percent.
func within(t *testing.T, what string, told, truth, least, most float64) {
	t.Helper()
	if percent := 100 * told / truth; !(percent >= least && percent <= most) {
		t.Errorf("%s: %.2f %% of the truth, want %v to %v", what, percent, least, most)
	}
}

// K9: at full load idle energy is what was learned before. As a remainder it is nothing.
func TestIdleAtFullLoad(t *testing.T) {
	o := byName(t, "full")
	for d := range domains {
		within(t, "podjoule", o.must(t, plain()).idle[d], o.idle[d], 99, 101)
		within(t, "Kepler's formula", o.must(t, "Kepler").idle[d], o.idle[d], 0, 0.1)
		within(t, "what its pods have", o.must(t, "Kepler").podsTotal(o.all, d), o.podsTotal(o.all, d), 140, 1000)
	}
}

// K10: pods that stay pay nothing for those that lived for a moment, be these seen or not.
// Those that were seen have what they used; of the others it is told as that of ended pods.
func TestShortLivedPods(t *testing.T) {
	for _, name := range []string{"short", "short, unseen"} {
		o := byName(t, name)
		ours, kepler := o.must(t, plain()), o.must(t, "Kepler")
		for d := range domains {
			if f := o.faultsOf(ours.account, o.lasting(false), d); math.Abs(f.worst) > 3 {
				t.Errorf("%s: %s is off by %.1f %%", name, f.whose, f.worst)
			}
			if f := o.faultsOf(kepler.account, o.lasting(false), d); f.worst < 20 {
				t.Errorf("%s: by Kepler's formula no survivor pays: %s is off by %.1f %%", name, f.whose, f.worst)
			}
			within(t, name+": all pods together", ours.podsTotal(o.all, d), o.podsTotal(o.all, d), 97, 101)
			f, ended := o.faultsOf(ours.account, o.lasting(true), d), ours.ended[d]
			if o.unseen == (math.Abs(f.worst) < 3) || o.unseen == (ended == 0) {
				t.Errorf("%s: short pods are off by %.1f %% at most, %.0f µJ are of ended ones", name, f.worst, ended)
			}
		}
	}
}

// K14: what one socket used is nothing that a pod on the other one has to pay, where CPU
// time is told by socket. By the node's CPU time alone, the socket that draws more
// has its energy paid by all.
func TestTwoSockets(t *testing.T) {
	o := byName(t, "two sockets")
	if f := o.faultsOf(o.must(t, plain()).account, o.all, inPackage); f.worst > -10 || f.whose != "second socket" {
		t.Errorf("by the node's CPU time %s is off by %.1f %%: the scenario does not tell sockets apart", f.whose, f.worst)
	}
	v := variant{name: bySocket}
	if f := o.faultsOf(o.must(t, v.title(separate)).account, o.all, inPackage); math.Abs(f.worst) > 2 {
		t.Errorf("by the CPU time on each socket %s is off by %.1f %%", f.whose, f.worst)
	}
}

// S2, A26: in no window of any scenario pods have more than was measured, and what nobody
// has is told apart. A percentage of which one CPU is 100 multiplies the node's energy.
func TestPodsHaveNoMoreThanTheNode(t *testing.T) {
	for _, s := range scenarios() {
		o := play(t, s)
		if o.counts != o.spent || o.spent == 0 {
			t.Errorf("%s: %d µJ were spent, and %d measured", s.name, o.spent, o.counts)
		}
		for _, r := range o.rows {
			if r.ours && (r.exceeded > 0 || r.windows == 0) {
				t.Errorf("%s, %s: more than was measured in %d of %d windows", s.name, r.title, r.exceeded, r.windows)
			}
		}
		if r := o.must(t, "Alumet, 100 % is one CPU"); s.name == "full" && r.exceeded == 0 {
			t.Errorf("%s: by Alumet's formula pods have no more than was measured", r.title)
		}
	}
}

// S11: pods pay for what they use. A formula without idle energy has them pay for the
// node's rest too, and for memory's.
func TestIdleIsNotThePods(t *testing.T) {
	o := byName(t, "full")
	for d := range domains {
		within(t, "podjoule", o.must(t, plain()).podsTotal(o.all, d), o.podsTotal(o.all, d), 98, 101)
		within(t, "Scaphandre's formula", o.must(t, "Scaphandre").podsTotal(o.all, d), o.podsTotal(o.all, d), 140, 1000)
	}
}

// Where CPU time can tell who used energy, podjoule is nearest to the truth.
func TestCPUTimeTellsMost(t *testing.T) {
	for _, name := range []string{"compute", "bursts", "short", "full"} {
		o := byName(t, name)
		ours := o.faultsOf(o.must(t, plain()).account, o.all, inPackage)
		if ours.mean > 3 {
			t.Errorf("%s: off by %.1f %% in the mean", name, ours.mean)
		}
		for _, p := range o.peers {
			if f := o.faultsOf(o.must(t, p.title()).account, o.all, inPackage); f.mean < 3*ours.mean {
				t.Errorf("%s: %s is off by %.1f %% in the mean, podjoule by %.1f %%", name, p.title(), f.mean, ours.mean)
			}
		}
	}
}

// What docs/accuracy.md says of where podjoule is not best is so.
func TestWhereOthersAreAsGood(t *testing.T) {
	mean := func(o *outcome, title string, domain int) float64 {
		t.Helper()
		return o.faultsOf(o.must(t, title).account, o.all, domain).mean
	}
	o := byName(t, "memory")
	if ours := mean(o, plain(), inPackage); ours < 20 || mean(o, plain(), inMemory) < 5*ours {
		t.Errorf("memory: off by %.1f %% in packages: CPU time would tell kinds of work apart", ours)
	}
	o = byName(t, "siblings")
	if ours, kepler := mean(o, plain(), inPackage), mean(o, "Kepler", inPackage); math.Abs(ours-kepler) > 5 || ours < 10 {
		t.Errorf("siblings: off by %.1f %%, Kepler's formula by %.1f %%", ours, kepler)
	}
	o = byName(t, "idle")
	if ours, kepler := mean(o, plain(), inPackage), mean(o, "Kepler", inPackage); ours < kepler || ours < 50 {
		t.Errorf("idle: off by %.1f %%, Kepler's formula by %.1f %%", ours, kepler)
	}
	if given := mean(o, variant{name: idleGiven}.title(separate), inPackage); given > 5 {
		t.Errorf("idle: off by %.1f %% although idle power is given", given)
	}
	o = byName(t, "full at once")
	if ours, kepler := mean(o, plain(), inPackage), mean(o, "Kepler", inPackage); math.Abs(ours-kepler) > 5 {
		t.Errorf("full at once: off by %.1f %%, Kepler's formula by %.1f %%", ours, kepler)
	}
}

// The simulation would fail if a microjoule went missing, or were told twice (A26).
func TestConservedFindsFaults(t *testing.T) {
	series := func(metric, policy string) *measure.Series {
		s := &measure.Series{Metric: &measure.Metric{Name: metric}, Resource: measure.Resource{Kind: "dram", ID: "1"}}
		if policy != "" {
			s.Attributes = []measure.Attribute{{Key: "policy", Value: policy}}
		}
		return s
	}
	for name, tt := range map[string]struct {
		pod, idle uint64
		policy    string
		ok        bool
	}{
		"all of it":      {700, 300, separate, true},
		"one is missing": {699, 300, separate, false},
		"one too many":   {701, 300, separate, false},
		"another policy": {700, 300, "by_usage", false},
	} {
		var b measure.Batch
		b.Uint(series("rapl_consumed_energy", ""), 1000)
		b.Uint(series("pod_energy", tt.policy), tt.pod)
		b.Uint(series("energy_idle", tt.policy), tt.idle)
		if err := conserved(&b, []string{separate}); (err == nil) != tt.ok {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
