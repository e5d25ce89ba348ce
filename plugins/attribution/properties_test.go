package attribution

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// TestProperties has the properties of a division that is right, by their numbers:
//
//  1. Measured is pods, system, idle and unattributed together: TestConservation.
//  2. Totals only grow, and nothing is larger than what was measured: TestConservation.
//     That this is no more than a machine can draw is plugins/rapl.TestCounter.
//  3. A pod without CPU time gets nothing and keeps its total: below.
//  4. A counter that goes back gives no huge value: below, of the node's time; of pods
//     plugins/k8s.TestCounterThatGoesBackwards, of energy plugins/rapl.TestCounter.
//  5. Wraps at every edge, resets, and two wraps in a gap: plugins/rapl.TestCounter, plugins/rapl.TestBalance.
//  6. In the first tick nobody gets energy: below, and plugins/rapl.TestEveryLayout.
//  7. What a pod used that lived between two ticks is no other pod's: TestEndedPods, and
//     on sockets TestPodsOfUnknownSockets.
//  8. The order of pods changes no number: below. Neither do scrapers:
//     plugins/prometheus.TestScrapersChangeNoNumber.
//  9. Idle and the rest add up for ever, after wraps too: TestConservation, plugins/rapl.TestBalance.
//  10. One more pod does not change what others were told to have: below.
//  11. A meter that counts twice as much leaves the others' shares as they are: below.
//     Domains that overlap are never added up here: each series has one meter's resource and domain.
func TestProperties(t *testing.T) {
	t.Run("3: no work, no energy", noWorkNoEnergy)
	t.Run("4: the node's time goes back", nodeGoesBack)
	t.Run("6: the first tick", firstTick)
	t.Run("8: the order of pods", func(t *testing.T) {
		sameStories(t, func(v *variant) { v.shuffled = true }, func(window int, one, two map[string]uint64) {
			if diff := cmp.Diff(one, two); diff != "" {
				t.Errorf("window %d: -in order +shuffled\n%s", window, diff)
			}
		})
	})
	t.Run("10: one more pod", func(t *testing.T) {
		sameStories(t, func(v *variant) { v.late = 60 }, func(window int, one, two map[string]uint64) {
			if same := cmp.Equal(one, two); window < 60 && !same {
				t.Errorf("window %d: told otherwise, as a pod will be born later", window)
			} else if len(two) > 0 && window > 70 && same {
				t.Errorf("window %d: the pod that was born does not show", window)
			}
		})
	})
	t.Run("11: one meter counts twice as much", func(t *testing.T) {
		const doubled = "package 0"
		sameStories(t, func(v *variant) { v.doubled = doubled }, func(window int, one, two map[string]uint64) {
			other := func(key string, _ uint64) bool { return !strings.Contains(key, doubled) }
			alone, more := maps.Clone(one), maps.Clone(two)
			maps.DeleteFunc(alone, other)
			maps.DeleteFunc(more, other)
			if cmp.Equal(alone, more) && len(alone) > 0 && sum(alone) > 0 {
				t.Errorf("window %d: %s does not count more", window, doubled)
			}
			maps.DeleteFunc(one, func(key string, n uint64) bool { return !other(key, n) })
			maps.DeleteFunc(two, func(key string, n uint64) bool { return !other(key, n) })
			if diff := cmp.Diff(one, two); diff != "" {
				t.Errorf("window %d: others: -before +after\n%s", window, diff)
			}
		})
	})
}

func sum(amounts map[string]uint64) (all uint64) {
	for _, n := range amounts {
		all += n
	}
	return all
}

// K1: what a pod had stays what it is, also through windows without energy.
func noWorkNoEnergy(t *testing.T) {
	for _, sockets := range []int{1, 2} {
		r := newRigOn(t, sockets, allMetrics(), noIdle)
		r.workOn(0, time.Second, time.Second)
		r.apply(0, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), 0)
			b.Uint(r.cpu("b"), 0)
		})
		var series *measure.Series
		total := uint64(0)
		for i, c := range []struct{ used, energy, want uint64 }{
			{uint64(time.Second), 30 * joule, 30 * joule}, {uint64(time.Second), 0, 0}, {0, 30 * joule, 0}, {0, 0, 0}, {uint64(time.Second), 10 * joule, 10 * joule},
		} {
			r.workOn(0, time.Duration(max(c.used, nsPerTick)), time.Second)
			b := r.apply(time.Second, func(b *measure.Batch) {
				b.Uint(r.cpu("a"), c.used)
				b.Uint(r.cpu("b"), 0)
				b.Uint(r.meter("package"), c.energy)
			})
			if got := told(b); got["a"] != c.want || got["b"] != 0 {
				t.Errorf("window %d: %v, want a to have %d and b nothing", i+1, got, c.want)
			}
			total += told(b)["a"]
			for i := range b.Samples {
				s := b.Samples[i].Series
				if name, _ := s.Attribute("name"); s.Metric.Name != "pod_energy" || name != "a" {
					continue
				}
				if series != nil && series != s {
					t.Error("its series is another one now, so that its total begins anew")
				}
				series = s
			}
		}
		if total != 40*joule {
			t.Errorf("%d µJ in the end, want 40 J", total)
		}
	}
}

// K2: nobody gets more than there is when the node's time begins anew.
func nodeGoesBack(t *testing.T) {
	for _, sockets := range []int{1, 2} {
		r := newRigOn(t, sockets, allMetrics(), noIdle)
		r.workOn(0, time.Hour, time.Hour)
		r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
		r.node[0] = nodeTime{}
		for i := range 2 {
			r.workOn(0, time.Second, time.Second)
			got := told(r.apply(time.Second, func(b *measure.Batch) {
				b.Uint(r.cpu("a"), uint64(500*time.Millisecond))
				b.Uint(r.meter("package"), 10*joule)
			}))
			if sum(got) != 10*joule || got["a"] < 5*joule {
				t.Errorf("window %d: %v, want 10 J together, and the pod half of it or all", i+1, got)
			}
		}
	}
}

// K8: energy of a time that nobody saw is nobody's.
func firstTick(t *testing.T) {
	r := newRig(t, noIdle, by(policies()...))
	r.work(time.Second, time.Second)
	got := told(r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), uint64(time.Second))
		r.reserve(b, "a", 1000, gib)
		b.Uint(r.meter("package"), 262_000*joule)
	}))
	want := map[string]uint64{"energy_system": 0, "energy_idle": 0, "energy_unattributed": uint64(len(policies())) * 262_000 * joule}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// S2: a pod never has more than the node, in any window, by any policy.
func TestPodHasNoMoreThanTheNode(t *testing.T) {
	r := newRig(t, by(policies()...), knownIdle(10))
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	for i, used := range []time.Duration{0, time.Millisecond, time.Second, time.Hour, 1<<63 - 1} {
		r.work(10*time.Millisecond, 0)
		b := r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(used))
			r.reserve(b, "a", 1<<60, 1<<60)
			b.Uint(r.meter("package"), 50*joule)
		})
		for i := range b.Samples {
			if s := &b.Samples[i]; s.Series.Metric.Name == "pod_energy" {
				if n, _ := s.Uint(); n > 50*joule {
					policy, _ := s.Series.Attribute(keyPolicy)
					t.Errorf("%v by %s: %d µJ of 50 J", used, policy, n)
				}
			}
		}
		if got := sum(told(b)); got != uint64(len(policies()))*50*joule {
			t.Errorf("window %d: %s", i, fmt.Sprint(told(b)))
		}
	}
}
