package accuracy_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// outcome is what came of a scenario.
type outcome struct {
	*scenario
	*truth
	all    []*pod
	actor  *actor // the system
	rows   []row
	peers  []peer
	counts uint64 // µJ that the source of energy told in all
	spent  uint64 // and that were spent
}

// row is what one way to divide says.
type row struct {
	title string
	*account
	ours   bool
	memory bool // it differs from another one in memory alone
}

// play runs a scenario, in simulated time.
func play(t *testing.T, s *scenario) *outcome {
	t.Helper()
	var o *outcome
	synctest.Test(t, func(t *testing.T) { o = newNode(t, s).play() })
	if o == nil {
		t.FailNow()
	}
	return o
}

func (n *node) play() *outcome {
	t, s := n.t, n.script
	cpu, energy, others := newSource(n), openRAPL(n), peers(n)
	var ours []*transform
	for _, v := range variants(s) {
		ours = append(ours, newTransform(n, v, append(cpu.metrics.all(), energyMetrics()...)))
	}
	o := &outcome{scenario: s, all: n.pods, actor: n.system, peers: others}
	var b measure.Batch
	var before snapshot
	start := time.Now()
	tick := func() {
		end := time.Now()
		b.Reset(window, start, end)
		start = end
		n.flush()
		cpu.poll(&b)
		if err := energy.Poll(t.Context(), &b); err != nil {
			t.Errorf("measure energy: %v", err)
		}
		counts := n.now > s.begins()
		for _, x := range ours {
			x.window(t.Context(), &b, counts)
		}
		shown := n.reading()
		for _, p := range others {
			p.observe(shown, counts)
		}
		for i := range b.Samples {
			if b.Samples[i].Series.Metric.Name == "rapl_consumed_energy" {
				told, _ := b.Samples[i].Uint()
				o.counts += told
			}
		}
		if n.now == s.begins() {
			before = n.snapshot()
		}
	}
	tick()
	for n.now < timeline {
		n.comeAndGo(cpu)
		if !n.advance(n.actors()) {
			t.Fatalf("%s: a CPU is to do more than it can at %v", s.name, n.now)
		}
		time.Sleep(step)
		if n.now%window == 0 {
			tick()
		}
	}
	after := n.snapshot()
	o.truth = after.since(&before)
	for _, sockets := range n.shown {
		for _, µJ := range sockets {
			o.spent += µJ
		}
	}
	for _, x := range ours {
		for _, policy := range x.policies {
			if x.name == "" || policy == separate { // the others differ in the same way
				o.rows = append(o.rows, row{title: x.title(policy), account: x.told[policy], ours: true, memory: x.memory})
			}
		}
	}
	for _, p := range others {
		o.rows = append(o.rows, row{title: p.title(), account: p.conclude()})
	}
	return o
}

// comeAndGo has pods be born and end. The agent hears of it unless it is to see it by itself.
func (n *node) comeAndGo(s *source) {
	for _, p := range n.pods {
		switch {
		case p.born == n.now && p.born > 0:
			n.bear(p)
			if !n.script.unseen {
				s.follow(p)
			}
		case p.ends == n.now && p.ends > 0:
			n.flush()
			if !n.script.unseen {
				s.ending(p)
			}
			n.end(p)
		}
	}
}
