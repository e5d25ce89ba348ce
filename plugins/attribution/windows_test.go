package attribution

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// Energy and CPU time that are measured at different intervals meet when both are known
// until the same moment.
func TestIntervalsMeet(t *testing.T) {
	for _, energyIsSlow := range []bool{true, false} {
		r := newRig(t, knownIdle(0))
		var slow, fast measure.Batch
		slowStart := r.end
		r.work(time.Second, 0)
		r.applyTo(&fast, r.end, func(b *measure.Batch) {
			if energyIsSlow {
				b.Uint(r.cpu("a"), 0)
			}
		})
		r.applyTo(&slow, r.end, func(b *measure.Batch) {
			if !energyIsSlow {
				b.Uint(r.cpu("a"), 0)
			}
		})
		sums := make(map[string]uint64)
		for i := range 10 {
			start := r.end
			r.end = r.end.Add(time.Second)
			r.work(time.Second, 0)
			collect := func(b *measure.Batch) {
				for name, n := range told(b) {
					sums[name] += n
				}
			}
			collect(r.applyTo(&fast, start, func(b *measure.Batch) {
				if energyIsSlow {
					b.Uint(r.cpu("a"), uint64(500*time.Millisecond))
				} else {
					b.Uint(r.meter("package"), 10*joule)
				}
			}))
			if i%5 != 4 {
				if len(sums) > 0 && i < 4 {
					t.Errorf("slow energy %t: told after %d s: %v", energyIsSlow, i+1, sums)
				}
				continue
			}
			b := r.applyTo(&slow, slowStart, func(b *measure.Batch) {
				if energyIsSlow {
					b.Uint(r.meter("package"), 50*joule)
				} else {
					b.Uint(r.cpu("a"), uint64(2500*time.Millisecond))
				}
			})
			slowStart = r.end
			for i := range b.Samples {
				if s := &b.Samples[i]; s.Series.Metric.Name == "pod_energy" && b.End.Sub(b.StartOf(s)) != interval {
					t.Errorf("slow energy %t: a window of %v, want %v", energyIsSlow, b.End.Sub(b.StartOf(s)), interval)
				}
			}
			collect(b)
		}
		want := map[string]uint64{"a": 50 * joule, "energy_system": 50 * joule, "energy_idle": 0, "energy_unattributed": 0}
		if energyIsSlow { // what the node did until its first window began is not known any more
			want = map[string]uint64{"a": 25 * joule, "energy_system": 25 * joule, "energy_idle": 0, "energy_unattributed": 50 * joule}
		}
		if diff := cmp.Diff(want, sums); diff != "" {
			t.Errorf("slow energy %t: -want +got\n%s", energyIsSlow, diff)
		}
	}
}

// A window of energy that is not that of the CPU time is nobody's.
func TestWindowsThatDoNotFit(t *testing.T) {
	r := newRig(t, knownIdle(0))
	r.work(time.Second, 0)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	next := func(span time.Duration, n uint64) map[string]uint64 {
		r.work(time.Second, 0)
		return told(r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			if span > 0 {
				b.UintOver(r.meter("package"), n, span)
			}
		}))
	}
	next(time.Second, 10*joule)
	if got := next(0, 0); len(got) != 0 {
		t.Errorf("without energy: %v", got)
	}
	if got := next(2*time.Second, 20*joule); got["a"] != 20*joule {
		t.Errorf("a reading that was missed: %v, want the pod to have 20 J of both windows", got)
	}
	next(0, 0)
	if got := next(time.Second, 7*joule); got["energy_unattributed"] != 7*joule {
		t.Errorf("a window of which the beginning was given up: %v, want 7 J to be nobody's", got)
	}
	if got := next(time.Second, 8*joule); got["a"] != 8*joule {
		t.Errorf("after it: %v, want the pod to have 8 J", got)
	}
}

// What a meter counted before it went, and nobody's CPU time is known for, is nobody's and
// not lost.
func TestMeterThatEnds(t *testing.T) {
	r := newRig(t, noIdle)
	r.work(time.Second, 0)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	var fast measure.Batch
	start := r.end
	r.end = r.end.Add(time.Second)
	if got := told(r.applyTo(&fast, start, func(b *measure.Batch) { b.Uint(r.meter("package"), 3*joule) })); len(got) != 0 {
		t.Errorf("before the CPU time is known: %v", got)
	}
	r.work(2*time.Second, 0)
	r.end = r.end.Add(time.Second)
	b := r.applyTo(&r.batch, start, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), uint64(2*time.Second))
		b.Retire(r.meter("package"))
	})
	want := map[string]uint64{"energy_system": 0, "energy_idle": 0, "energy_unattributed": 3 * joule}
	if diff := cmp.Diff(want, told(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := len(b.Ended); n != 4 || len(r.domains) != 0 { // the meter's, and three of the node
		t.Errorf("%d series ended, %d domains are kept", n, len(r.domains))
	}
}

// Without pods all work is the system's, before the first one, with which it is told, and after
// the last.
func TestNodeWithoutPods(t *testing.T) {
	r := newRig(t, noIdle)
	r.work(time.Second, 0)
	r.apply(0, func(*measure.Batch) {})
	for i := range 3 {
		var late uint64
		for range 2 {
			r.work(time.Second, 0)
			got := told(r.apply(time.Second, func(b *measure.Batch) { b.Uint(r.meter("package"), joule) }))
			if late += joule - got["energy_system"]; i > 0 && late != 0 {
				t.Errorf("before pod %d: %v", i, got)
			}
		}
		r.work(time.Second, 0)
		got := told(r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			b.Retire(r.cpu("a"))
			b.Uint(r.meter("package"), joule)
		}))
		if got["a"] != joule || got["energy_system"] != late {
			t.Errorf("pod %d: %v, want %d of the system", i, got, late)
		}
	}
}
