package attribution

import (
	"context"
	"slices"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// divide divides what is pending among all who worked since the last division.
func (a *attribution) divide(ctx context.Context, d *domain, b *measure.Batch) {
	span := d.span(b)
	if d.at.end.Equal(d.from) && d.basis.knows(&d.at) && d.basis.knows(&a.now) {
		w := window{passed: d.upto.Sub(d.from), node: a.now.node.minus(d.at.node)}
		w.cpu = w.node
		if d.basis == bySocketTime {
			w.cpu = a.now.sockets[d.socket].minus(d.at.sockets[d.socket])
		}
		d.idle.learn(d.pending, w.passed, w.cpu)
		a.weigh(ctx, d, &w)
		for i := range a.config.Policies {
			a.divideBy(i, d, b, &w, span)
		}
	} else {
		for i := range a.config.Policies {
			a.emit(d, b, i, span, 0, 0, d.pending)
		}
	}
	d.at.take(&a.now, d.needs)
	d.from, d.pending, d.still = time.Time{}, 0, 0
}

// divideBy divides by one policy.
func (a *attribution) divideBy(policy int, d *domain, b *measure.Batch, w *window, span time.Duration) {
	n := len(a.ordered)
	idle, known := d.idle.energy(d.pending, w.passed)
	if d.apart {
		idle, known = d.still, true
	}
	name := a.config.Policies[policy]
	if name == byUsage {
		idle, known = 0, true
	}
	active, weights := d.pending-idle, a.weights
	if !known {
		// Of what all could have done, this is a part that nobody disputes; what falls
		// to idle time may be anybody's.
		weights = append(weights, w.spare)
	}
	a.shares = resized(a.shares, len(weights))
	if !a.divider.divide(active, weights, a.shares) {
		a.shares[n] = active // it was used, and by no pod
	}
	system, lost := a.shares[n], uint64(0)
	if !known {
		lost = a.shares[n+1]
	}
	if name == byRequest && idle > 0 {
		a.claim(d, w)
		a.rents = resized(a.rents, len(a.claims))
		if a.divider.divide(idle, a.claims, a.rents) {
			idle = a.rents[n]
			for i := range n {
				a.shares[i] += a.rents[i]
			}
		}
	}
	series := d.pods[policy]
	for i, share := range a.shares[:n] {
		s := series[i]
		if s == nil {
			if share == 0 && !a.ordered[i].computes {
				continue // what it used is not known yet, and is not zero
			}
			s = a.begin(a.ordered[i], d, policy)
		}
		b.UintOver(s, share, span)
	}
	a.emit(d, b, policy, span, system, idle, lost)
}

// resized returns a slice of some length, with any content.
func resized(all []uint64, n int) []uint64 { return slices.Grow(all[:0], n)[:n] }

// emit adds what is not the pods'.
func (a *attribution) emit(d *domain, b *measure.Batch, policy int, span time.Duration, system, idle, lost uint64) {
	if d.system == nil || d.node != a.node {
		a.beginNode(d, b)
	}
	b.UintOver(d.system[policy], system, span)
	b.UintOver(d.rest[policy], idle, span)
	b.UintOver(d.lost[policy], lost, span)
}

// span is the time in which what is pending was used, or 0 for the batch's own window.
func (d *domain) span(b *measure.Batch) time.Duration {
	if d.from.Equal(b.Start) {
		return 0
	}
	return b.End.Sub(d.from)
}
