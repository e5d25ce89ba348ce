package attribution

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// reserve tells what a pod reserved.
func (r *rig) reserve(b *measure.Batch, name string, millicores, bytes uint64) {
	b.Uint(r.of(requestMetric, name, machine), millicores)
	b.Uint(r.of(reservedMetric, name, machine), bytes)
}

func by(policies ...string) func(*Config) {
	return func(c *Config) { c.Policies = policies }
}

// Idle energy goes to who reserved, and that of what nobody reserved stays idle; what is
// not idle is divided as ever. On the node of TestExample, of 8 CPUs with 40 J idle.
func TestByRequest(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b uint64 // what they reserved, in thousandths of a CPU
		want map[string]uint64
	}{
		{"some of the node", 2000, 1000,
			map[string]uint64{"a": 25 * joule, "b": 5 * joule, "energy_idle": 25 * joule, "energy_system": 45 * joule, "energy_unattributed": 0}},
		{"nobody", 0, 0,
			map[string]uint64{"a": 15 * joule, "b": 0, "energy_idle": 40 * joule, "energy_system": 45 * joule, "energy_unattributed": 0}},
		{"all of it", 6000, 2000,
			map[string]uint64{"a": 45 * joule, "b": 10 * joule, "energy_idle": 0, "energy_system": 45 * joule, "energy_unattributed": 0}},
		{"more than there is", 12000, 4000,
			map[string]uint64{"a": 45 * joule, "b": 10 * joule, "energy_idle": 0, "energy_system": 45 * joule, "energy_unattributed": 0}},
		{"what cannot be", math.MaxUint64, math.MaxUint64,
			map[string]uint64{"a": 35 * joule, "b": 20 * joule, "energy_idle": 0, "energy_system": 45 * joule, "energy_unattributed": 0}},
	} {
		r := newRig(t, knownIdle(40), by(byRequest))
		r.work(time.Second, time.Second)
		r.apply(0, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), 0)
			b.Uint(r.cpu("b"), 0)
		})
		r.work(4*time.Second, 4*time.Second)
		b := r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			b.Uint(r.cpu("b"), 0)
			r.reserve(b, "a", c.a, 0)
			r.reserve(b, "b", c.b, 0)
			b.Uint(r.meter("package"), 100*joule)
		})
		if diff := cmp.Diff(c.want, told(b)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
}

// Without idle power nobody can be given any, and without an odd µJ nothing is lost.
func TestByRequestOfOddAmounts(t *testing.T) {
	r := newRig(t, by(byRequest))
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	next := func(energy uint64) map[string]uint64 {
		r.work(0, 3*time.Second)
		return told(r.apply(time.Second, func(b *measure.Batch) {
			for _, name := range []string{"a", "b"} {
				b.Uint(r.cpu(name), 0)
				r.reserve(b, name, 1000, 0)
			}
			b.Uint(r.meter("package"), energy)
		}))
	}
	if diff := cmp.Diff(map[string]uint64{"a": 0, "b": 0, "energy_idle": 0, "energy_system": 0, "energy_unattributed": 100}, next(100)); diff != "" {
		t.Errorf("idle power is not known: -want +got\n%s", diff)
	}
	for range enough - 2 {
		next(100)
	}
	want := map[string]uint64{"a": 34, "b": 33, "energy_idle": 33, "energy_system": 0, "energy_unattributed": 0}
	if diff := cmp.Diff(want, next(100)); diff != "" {
		t.Errorf("100 µJ for three: -want +got\n%s", diff)
	}
}

// Several policies are told side by side, each of them whole.
func TestPoliciesSideBySide(t *testing.T) {
	r := newRig(t, knownIdle(40), by(policies()...))
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	r.work(4*time.Second, 4*time.Second)
	b := r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), uint64(time.Second))
		r.reserve(b, "a", 2000, 0)
		b.Uint(r.meter("package"), 100*joule)
	})
	got := make(map[string]uint64)
	whole := make(map[string]uint64)
	for i := range b.Samples {
		s := &b.Samples[i]
		if policy, ok := s.Series.Attribute(keyPolicy); ok {
			n, _ := s.Uint()
			whole[policy] += n
			if s.Series.Metric.Name == "pod_energy" {
				got[policy] = n
			}
		}
	}
	if diff := cmp.Diff(map[string]uint64{separate: 15 * joule, byUsage: 25 * joule, byRequest: 25 * joule}, got); diff != "" {
		t.Errorf("of the pod: -want +got\n%s", diff)
	}
	if diff := cmp.Diff(map[string]uint64{separate: 100 * joule, byUsage: 100 * joule, byRequest: 100 * joule}, whole); diff != "" {
		t.Errorf("together: -want +got\n%s", diff)
	}
}
