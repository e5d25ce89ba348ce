package attribution

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// story is a random life of a node with several meters, by all policies side by side.
// After each window, what was told and is to come is what was measured.
type story struct {
	*rig
	variant
	random *rand.Rand
	meters []string
	window int
	alive  []string
	born   int
	missed map[string]time.Duration // of meters: what their next reading covers besides
	pools  map[string]uint64        // and counted besides

	measured map[string]uint64            // by meter, until now
	told     map[string]map[string]uint64 // by policy and meter
	history  []map[string]uint64          // of each window, by all that tells series apart
}

// variant is what one story has other than another one, which is the same else.
type variant struct {
	sockets  int
	byMemory bool

	shuffled bool   // samples come in another order
	late     int    // from this window on there is one more pod; 0 for never
	doubled  string // the meter that counts twice as much
}

func newStory(t *testing.T, seed uint64, v variant) *story {
	t.Helper()
	r := newRigOn(t, v.sockets, allMetrics(), by(policies()...), func(c *Config) {
		if v.byMemory {
			c.DRAMBy = byMemory.String()
		}
	})
	x := &story{rig: r, variant: v, random: rand.New(rand.NewPCG(seed, 3)), meters: []string{"platform"},
		missed: make(map[string]time.Duration), pools: make(map[string]uint64), measured: make(map[string]uint64), told: make(map[string]map[string]uint64)}
	for socket := range v.sockets {
		x.meters = append(x.meters, fmt.Sprint("package ", socket), fmt.Sprint("dram ", socket))
	}
	for _, policy := range policies() {
		x.told[policy] = make(map[string]uint64)
	}
	return x
}

// node has the node work for a time, and returns how long it was busy.
func (x *story) works(passed time.Duration) (busy []uint64) {
	const cpus = 2 // of a socket
	for socket := range x.sockets {
		n := time.Duration(x.random.Int64N(int64(cpus*passed) + 1)).Truncate(nsPerTick)
		busy = append(busy, uint64(n))
		switch x.random.IntN(20) {
		case 0, 1: // its time stands still, or its file is late
		case 2: // it begins anew
			x.node[socket] = nodeTime{}
			x.workOn(socket, n, cpus*passed-n)
		default:
			x.workOn(socket, n, cpus*passed-n)
		}
	}
	if x.random.IntN(30) == 0 {
		x.write([]string{"", "cpu  1 2 3\n", "cpu  9 9 9 9 9 9 9\ncpu0 x\n"}[x.random.IntN(3)], x.host.ProcfsRoot, "stat")
	}
	x.remember(x.random.Uint64N(8*gib), 8*gib)
	return busy
}

// tells adds what is told of a pod, and returns its CPU time.
func (x *story) tells(b *measure.Batch, name string, busy []uint64) {
	bound := strings.HasSuffix(name, "0") // to the last socket, and it is told
	socket := x.random.IntN(x.sockets)
	if bound {
		socket = x.sockets - 1
	}
	var n uint64
	if x.random.IntN(4) > 0 {
		n = x.random.Uint64N(busy[socket] + 1)
	}
	busy[socket] -= n
	b.Uint(x.cpu(name), n)
	if bound && x.random.IntN(8) > 0 {
		for i := range x.sockets {
			part := uint64(0)
			if i == socket {
				part = n
			}
			b.Uint(x.cpuOn(name, i), part)
		}
	}
	x.keep(b, name, x.random.Uint64N(gib))
	x.reserve(b, name, x.random.Uint64N(3000), x.random.Uint64N(gib))
}

// next applies one window.
func (x *story) next() {
	x.t.Helper()
	x.window++
	passed := time.Duration(1+x.random.Int64N(20)) * 500 * time.Millisecond
	if x.random.IntN(10) == 0 {
		passed = 0 // two at once
	}
	busy := x.works(passed)
	if x.random.IntN(10) == 0 {
		busy[0] += uint64(time.Second) // pods use more than the node counts
	}
	for range x.random.IntN(3) {
		x.alive = append(x.alive, fmt.Sprint("pod-", x.born))
		x.born++
	}
	ended := make(map[string]bool)
	start := x.end
	b := x.apply(passed, func(b *measure.Batch) {
		for _, name := range x.alive {
			if x.random.IntN(8) == 0 {
				continue // its reading failed
			}
			x.tells(b, name, busy)
			if x.random.IntN(12) == 0 {
				x.retire(b, name)
				ended[name] = true
			}
		}
		if x.late > 0 && x.window >= x.late {
			b.Uint(x.cpu("late"), uint64(50*time.Millisecond))
		}
		for _, m := range x.meters {
			x.counts(b, m, passed, b.End.Sub(start))
		}
		if x.shuffled {
			rand.New(rand.NewPCG(uint64(x.window), 9)).Shuffle(len(b.Samples), func(i, j int) { b.Samples[i], b.Samples[j] = b.Samples[j], b.Samples[i] })
		}
	})
	x.check(b)
	x.alive = slices.DeleteFunc(x.alive, func(name string) bool { return ended[name] })
}

// counts has a meter tell what was used in a window, or not.
func (x *story) counts(b *measure.Batch, m string, passed, span time.Duration) {
	n := x.random.Uint64N(500 * joule)
	if m == x.doubled {
		n *= 2
	}
	switch x.random.IntN(12) {
	case 0: // its reading failed, and the next one tells of this window too
		x.missed[m] += passed
		x.pools[m] += n
		return
	case 1: // it was reset: nothing is told of the window
		x.missed[m], x.pools[m] = 0, 0
		return
	}
	n += x.pools[m]
	if span += x.missed[m]; span != passed {
		b.UintOver(x.meter(m), n, span)
	} else {
		b.Uint(x.meter(m), n)
	}
	x.missed[m], x.pools[m] = 0, 0
	x.measured[m] += n
}

// meterOf returns the name under which a story knows the meter of a series.
func meterOf(s *measure.Series) string {
	domain, _ := s.Attribute(keyDomain)
	return strings.TrimSpace(domain + " " + s.Resource.ID)
}

func (x *story) check(b *measure.Batch) {
	x.t.Helper()
	seen := make(map[*measure.Series]bool)
	window := make(map[string]uint64)
	for i := range b.Samples {
		s := &b.Samples[i]
		if seen[s.Series] {
			x.t.Fatalf("twice: %+v", s.Series)
		}
		seen[s.Series] = true
		policy, ok := s.Series.Attribute(keyPolicy)
		if !ok {
			continue
		}
		n, ok := s.Uint()
		if m := s.Series.Metric; !ok || m.Kind != measure.Delta || m.Unit != measure.Microjoule {
			x.t.Fatalf("%s is no amount of energy in integers", m.Name)
		}
		m := meterOf(s.Series)
		if x.told[policy][m] += n; n > x.measured[m] || x.told[policy][m] < n {
			x.t.Fatalf("%s by %s: %d µJ of %d that were ever measured", m, policy, n, x.measured[m])
		}
		name, _ := s.Series.Attribute("name")
		key := strings.Join([]string{policy, m, s.Series.Metric.Name, name}, " ")
		if _, again := window[key]; again {
			x.t.Fatalf("%s is told twice", key)
		}
		window[key] = n
	}
	x.history = append(x.history, window)
	for policy, sums := range x.told {
		for _, d := range x.domains {
			if m := meterOf(d.measured[0]); sums[m]+d.pending != x.measured[m] {
				x.t.Fatalf("%s by %s: %d µJ are told and %d are to come, %d were measured", m, policy, sums[m], d.pending, x.measured[m])
			}
		}
	}
}

// close ends all that there is. What could not be divided is told then, and nothing is kept.
func (x *story) close() {
	x.t.Helper()
	x.works(time.Second)
	b := x.apply(time.Second, func(b *measure.Batch) {
		for _, name := range x.alive {
			b.Uint(x.cpu(name), 0)
		}
		for _, s := range x.series {
			b.Retire(s)
		}
	})
	x.check(b)
	for policy, sums := range x.told {
		if diff := cmp.Diff(x.measured, sums); diff != "" {
			x.t.Errorf("in the end, by %s: -measured +told\n%s", policy, diff)
		}
	}
	for _, c := range x.cues[:cap(x.cues)] {
		if c.series != nil {
			x.t.Fatalf("%+v is kept, though nothing has come since it ended", c.series)
		}
	}
	if n := len(x.pods) + len(x.ordered) + len(x.domains) + len(x.known) + len(x.cues) + len(x.now.counts[ofCPU]); n != 0 {
		x.t.Errorf("%d pods, %d domains and %d series are kept", len(x.ordered), len(x.domains), len(x.known))
	}
}

// variants are the machines on which stories play.
func variants() map[string]variant {
	return map[string]variant{
		"one socket": {sockets: 1}, "two sockets": {sockets: 2},
		"one socket, dram by memory": {sockets: 1, byMemory: true}, "two sockets, dram by memory": {sockets: 2, byMemory: true},
	}
}

// Properties 1, 2 and 9 (see TestProperties): whatever happens, for every meter, window
// and policy, measured is pods, system, idle and unattributed together, in integers,
// none of them more than what was ever measured, and in the end nothing is kept of what
// is gone (A26, K1, K3, K8, S2).
func TestConservation(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(6) {
				x := newStory(t, seed, v)
				for range 150 {
					x.next()
				}
				x.close()
			}
		})
	}
}

// sameStories plays two stories that differ in one thing, and hands over what was told in
// each window.
func sameStories(t *testing.T, change func(*variant), compare func(window int, one, two map[string]uint64)) {
	t.Helper()
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			changed := v
			change(&changed)
			one, two := newStory(t, 7, v), newStory(t, 7, changed)
			for range 100 {
				one.next()
				two.next()
			}
			pods := 0
			for i := range one.history {
				compare(i+1, one.history[i], two.history[i])
				for key, n := range one.history[i] {
					if strings.Contains(key, "pod_energy") && n > 0 {
						pods++
					}
				}
			}
			if pods < 1000 {
				t.Errorf("only %d amounts of pods were compared", pods)
			}
		})
	}
}
