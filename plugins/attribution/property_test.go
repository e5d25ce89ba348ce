package attribution

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// story is a random life of a node with several meters. What was told and is to come is
// what was measured, after each window.
type story struct {
	*rig
	random *rand.Rand
	alive  []string
	born   int
	missed map[string]time.Duration // of meters: what their next reading covers besides
	pools  map[string]uint64        // and counted besides

	measured map[string]uint64   // by meter, until now
	told     []map[string]uint64 // by policy and meter
}

var meters = []string{"package", "dram", "platform"}

// next applies one window.
func (x *story) next() {
	x.t.Helper()
	passed := time.Duration(1+x.random.Int64N(20)) * 500 * time.Millisecond
	if x.random.IntN(10) == 0 {
		passed = 0 // two at once
	}
	const cpus = 4
	busy := time.Duration(x.random.Int64N(int64(cpus*passed) + 1)).Truncate(nsPerTick)
	if x.random.IntN(8) > 0 {
		x.work(busy, cpus*passed-busy)
	} // else the node's time stands still, or its file is late
	for range x.random.IntN(3) {
		x.alive = append(x.alive, fmt.Sprint("pod-", x.born))
		x.born++
	}
	ended := make(map[string]bool)
	start := x.end
	b := x.apply(passed, func(b *measure.Batch) {
		left := uint64(busy)
		if x.random.IntN(10) == 0 {
			left += uint64(time.Second) // more than the node counts
		}
		for _, name := range x.alive {
			if x.random.IntN(8) == 0 {
				continue // its reading failed
			}
			var n uint64
			if left > 0 && x.random.IntN(4) > 0 {
				n = x.random.Uint64N(left + 1)
			}
			left -= n
			b.Uint(x.cpu(name), n)
			if x.random.IntN(12) == 0 {
				b.Retire(x.cpu(name))
				ended[name] = true
			}
		}
		for _, m := range meters {
			n := x.random.Uint64N(500 * joule)
			switch x.random.IntN(12) {
			case 0: // its reading failed, and the next one tells of this window too
				x.missed[m] += passed
				x.pools[m] += n
				continue
			case 1: // it was reset: nothing is told of the window
				x.missed[m], x.pools[m] = 0, 0
				continue
			}
			n += x.pools[m]
			if span := b.End.Sub(start) + x.missed[m]; span != passed {
				b.UintOver(x.meter(m), n, span)
			} else {
				b.Uint(x.meter(m), n)
			}
			x.missed[m], x.pools[m] = 0, 0
			x.measured[m] += n
		}
	})
	x.check(b)
	x.alive = slices.DeleteFunc(x.alive, func(name string) bool { return ended[name] })
}

func (x *story) check(b *measure.Batch) {
	x.t.Helper()
	seen := make(map[*measure.Series]bool)
	for i := range b.Samples {
		s := &b.Samples[i]
		if seen[s.Series] {
			x.t.Fatalf("twice: %+v", s.Series)
		}
		seen[s.Series] = true
		name, ok := s.Series.Attribute(keyPolicy)
		if !ok {
			continue
		}
		n, ok := s.Uint()
		if !ok {
			x.t.Fatalf("%s is no integer", s.Series.Metric.Name)
		}
		domain, _ := s.Series.Attribute(keyDomain)
		x.told[slices.Index(x.config.Policies, name)][domain] += n
	}
	for policy, sums := range x.told {
		for _, d := range x.domains {
			m, _ := d.measured[0].Attribute(keyDomain)
			if sums[m]+d.pending != x.measured[m] {
				x.t.Fatalf("%s by %s: %d µJ are told and %d are to come, %d were measured", m, x.config.Policies[policy], sums[m], d.pending, x.measured[m])
			}
		}
	}
}

// Whatever happens, for every meter, window and policy: measured is pods, system, idle and
// unattributed together, in integers (A26, K1, K3, K8, K14). In the end nothing is kept of
// what is gone.
func TestConservation(t *testing.T) {
	for seed := range uint64(20) {
		r := newRig(t, func(c *Config) { c.Policies = policies() })
		x := &story{rig: r, random: rand.New(rand.NewPCG(seed, 3)), missed: make(map[string]time.Duration), pools: make(map[string]uint64),
			measured: make(map[string]uint64)}
		for range x.config.Policies {
			x.told = append(x.told, make(map[string]uint64))
		}
		for range 200 {
			x.next()
		}
		r.work(time.Second, 0)
		r.apply(time.Second, func(b *measure.Batch) {
			for s := range maps.Values(r.series) {
				if s.Metric == cpuMetric && slices.Contains(x.alive, mustName(s)) {
					b.Uint(s, 0)
				}
				b.Retire(s)
			}
			for _, m := range meters {
				b.Uint(r.meter(m), 0)
			}
		})
		if len(r.pods)+len(r.ordered)+len(r.domains) != 0 {
			t.Errorf("seed %d: %d and %d pods and %d domains are kept", seed, len(r.pods), len(r.ordered), len(r.domains))
		}
	}
}

func mustName(s *measure.Series) string {
	name, _ := s.Attribute("name")
	return name
}
