package accuracy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// In every scenario what actors used and idle energy are the whole, to the nanojoule, and
// their CPU time is that of the CPUs.
func TestTruthAddsUp(t *testing.T) {
	for _, s := range scenarios() {
		x := newSilicon(s.machine)
		pods, system := s.actors(&x.machine)
		all := []*actor{system}
		for _, p := range pods {
			if p.born == 0 { // the others come and go in a run
				all = append(all, p.actor)
			}
		}
		for x.now < timeline {
			if !x.advance(all) {
				t.Fatalf("%s: a CPU is to do more than it can at %v", s.name, x.now)
			}
		}
		for d := range domains {
			for socket, whole := range x.joules[d] {
				sum := x.idle[d][socket]
				for _, a := range all {
					sum += a.joules[d][socket]
				}
				if sum != whole || sum == x.idle[d][socket] && len(s.sockets) == 1 {
					t.Errorf("%s: domain %d of socket %d: %d nJ in parts, %d in all", s.name, d, socket, sum, whole)
				}
			}
		}
		for cpu, whole := range x.busy {
			var sum uint64
			for _, a := range all {
				sum += a.busy[cpu]
			}
			if sum != whole {
				t.Errorf("%s: CPU %d: %d µs in parts, %d in all", s.name, cpu, sum, whole)
			}
		}
	}
}

// Two threads of a core draw less than twice one while both are busy, and as one while one
// is. Threads of one CPU take turns.
func TestSharedCore(t *testing.T) {
	m := machine{cores: 2, threads: 2, sockets: []socket{{idle: 1000, memoryIdle: 100, draws: 200}}}
	w := work{"work", 1000, 10}
	for name, tt := range map[string]struct {
		threads [][]thread
		core    []uint64 // µJ of each in one step
	}{
		"alone":               {[][]thread{on(w, steady(100), 0)}, []uint64{20_000}},
		"half a step":         {[][]thread{on(w, steady(50), 0)}, []uint64{10_000}},
		"two cores":           {[][]thread{on(w, steady(100), 0), on(w, steady(100), 2)}, []uint64{20_000, 20_000}},
		"one core":            {[][]thread{on(w, steady(100), 0), on(w, steady(100), 1)}, []uint64{11_000, 11_000}},
		"shared for a half":   {[][]thread{on(w, steady(100), 0), on(w, steady(50), 1)}, []uint64{5_500 + 10_000, 5_500}},
		"in turns":            {[][]thread{on(w, steady(50), 0), on(w, steady(50), 0)}, []uint64{10_000, 10_000}},
		"in turns beside one": {[][]thread{on(w, steady(50), 0), on(w, steady(50), 0), on(w, steady(50), 1)}, []uint64{5_500, 10_000, 5_500}},
	} {
		x := newSilicon(m)
		var all []*actor
		for _, threads := range tt.threads {
			all = append(all, newActor(&m, name, threads...))
		}
		if !x.advance(all) {
			t.Errorf("%s: too much", name)
		}
		var got []uint64
		whole := uint64(10_000_000) // idle
		for _, a := range all {
			got = append(got, a.total(inPackage)/1000)
			whole += a.total(inPackage)
			if want := 10 * a.cpuTime(); a.total(inMemory) != want {
				t.Errorf("%s: memory has %d nJ, want %d", name, a.total(inMemory), want)
			}
		}
		if diff := cmp.Diff(tt.core, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		if x.joules[inPackage][0] != whole {
			t.Errorf("%s: %d nJ in all, want %d", name, x.joules[inPackage][0], whole)
		}
	}
	x := newSilicon(m)
	if x.advance([]*actor{newActor(&m, "too much", append(on(w, steady(60), 0), on(w, steady(50), 0)...)...)}) {
		t.Error("a CPU did more than it can")
	}
}
