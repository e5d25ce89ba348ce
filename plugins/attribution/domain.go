package attribution

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// domain is a part of the node whose energy a meter counts, such as the package of a
// socket. Domains that overlap are divided each on its own, and never added up.
type domain struct {
	index    int               // of what pods hold about it
	measured []*measure.Series // its energy: one, or one of each part that a model tells apart
	idle     idle
	ended    bool

	pending    uint64    // energy that is not divided yet, in µJ
	still      uint64    // of that, what is known to be idle, since it was told apart
	apart      bool      // idle energy is told apart
	from, upto time.Time // when that was used; zero for none
	end        time.Time // of what was divided last
	node       nodeTime  // then

	system, rest, lost []*measure.Series // system, idle, unattributed; by policy
}

// domainOf returns the domain of a series of energy.
func (a *attribution) domainOf(s *measure.Series) *domain {
	d := a.domains[s]
	if d != nil {
		return d
	}
	if d = a.otherPart(s); d != nil {
		d.measured = append(d.measured, s)
		a.domains[s] = d
		return d
	}
	name, _ := s.Attribute(keyDomain)
	d = &domain{measured: []*measure.Series{s}, idle: a.config.idleOf(name)}
	if d.index = slices.Index(a.slots, nil); d.index < 0 {
		d.index = len(a.slots)
		a.slots = append(a.slots, nil)
		for _, p := range a.ordered {
			p.since, p.energy = append(p.since, 0), append(p.energy, make([]*measure.Series, len(a.config.Policies))...)
		}
	}
	a.slots[d.index] = d
	a.domains[s] = d
	for _, policy := range a.config.Policies {
		d.system = append(d.system, a.nodeSeries(a.metrics.system, d, policy))
		d.rest = append(d.rest, a.nodeSeries(a.metrics.idle, d, policy))
		d.lost = append(d.lost, a.nodeSeries(a.metrics.unattributed, d, policy))
	}
	return d
}

// otherPart returns the domain whose energy is told in parts, of which a series is another.
func (a *attribution) otherPart(s *measure.Series) *domain {
	if _, ok := s.Attribute(keyPart); !ok {
		return nil
	}
	for _, d := range a.slots {
		if d == nil {
			continue
		}
		first := d.measured[0]
		same := first.Metric == s.Metric && first.Resource == s.Resource && len(first.Attributes) == len(s.Attributes)
		for i := 0; same && i < len(s.Attributes); i++ {
			same = s.Attributes[i] == first.Attributes[i] || s.Attributes[i].Key == keyPart
		}
		if same {
			return d
		}
	}
	return nil
}

// add takes energy that was used in some time.
func (d *domain) add(n uint64, still bool, start, end time.Time) {
	if d.from.IsZero() {
		d.from = start
	}
	d.pending += n
	if still {
		d.still += n
		d.apart = true
	}
	d.upto = end
}

// series returns all series about the domain as a whole.
func (d *domain) series() []*measure.Series { return slices.Concat(d.system, d.rest, d.lost) }

// divide divides what is pending among all who worked since the last division.
func (a *attribution) divide(ctx context.Context, d *domain, b *measure.Batch) {
	if d.end.IsZero() && d.from.Equal(a.before) {
		d.end, d.node = a.before, a.nodeBefore
		for _, p := range a.ordered {
			p.since[d.index] = p.before
		}
	}
	trusted := d.end.Equal(d.from) && a.statErr == nil && d.node.all > 0
	node := nodeTime{busy: less(a.nodeNow.busy, d.node.busy), all: less(a.nodeNow.all, d.node.all)}
	passed := d.upto.Sub(d.from)
	if trusted {
		d.idle.learn(d.pending, passed, node)
		a.weigh(ctx, d, &node)
	}
	for i := range a.config.Policies {
		if !trusted {
			a.emit(d, b, i, 0, 0, d.pending)
			continue
		}
		a.divideBy(i, d, b, node, passed)
	}
	for _, p := range a.ordered {
		p.since[d.index] = p.used
	}
	d.end, d.from, d.pending, d.still = d.upto, time.Time{}, 0, 0
	if a.statErr == nil {
		d.node = a.nodeNow
	} else {
		d.node = nodeTime{}
	}
}

// less is the difference of two readings of a counter, and 0 of one that went back.
func less(now, before uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// weigh sets the weights: the CPU time of each pod, and that of the rest of the system,
// which follow each other. Two more are left for idle time.
func (a *attribution) weigh(ctx context.Context, d *domain, node *nodeTime) {
	a.weights = a.weights[:0]
	var pods uint64
	for _, p := range a.ordered {
		used := p.used - p.since[d.index]
		a.weights = append(a.weights, used)
		pods += used
	}
	if pods > node.busy { // which counts in ticks
		if d == a.first() {
			a.exceeded.Add(ctx, 1)
		}
		node.busy = pods
	}
	a.weights = append(a.weights, node.busy-pods)
}

// first returns the domain that stands for all where they agree.
func (a *attribution) first() *domain {
	for _, d := range a.slots {
		if d != nil {
			return d
		}
	}
	return nil
}

// divideBy divides by one policy.
func (a *attribution) divideBy(policy int, d *domain, b *measure.Batch, node nodeTime, passed time.Duration) {
	n := len(a.ordered)
	idle, known := d.idle.energy(d.pending, passed)
	if d.apart {
		idle, known = d.still, true
	}
	weights, active := a.weights, d.pending-idle
	if a.config.Policies[policy] == byUsage {
		idle, active, known = 0, d.pending, true
	}
	if !known {
		// Of what the CPUs could have done, this is a part that nobody disputes; what
		// falls to their idle time may be anybody's.
		weights = append(weights, less(node.all, node.busy))
	}
	a.shares = slices.Grow(a.shares[:0], len(weights))[:len(weights)]
	if !a.divider.divide(active, weights, a.shares) {
		a.shares[n] = active // it was used, and by no pod
	}
	var lost uint64
	if !known {
		lost = a.shares[n+1]
	}
	span := d.span(b)
	for i, p := range a.ordered {
		series := p.energy[d.index*len(a.config.Policies)+policy]
		if series == nil {
			series = a.begin(p, d, policy)
		}
		b.UintOver(series, a.shares[i], span)
	}
	a.emit(d, b, policy, a.shares[n], idle, lost)
}

// emit adds what is not the pods'.
func (a *attribution) emit(d *domain, b *measure.Batch, policy int, system, idle, lost uint64) {
	span := d.span(b)
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

// begin makes the series of a pod's energy of a domain.
func (a *attribution) begin(p *pod, d *domain, policy int) *measure.Series {
	attributes := slices.DeleteFunc(slices.Clone(p.cpu.Attributes), func(x measure.Attribute) bool { return x.Key == keyKind })
	s := &measure.Series{
		Metric: a.metrics.pod, Resource: d.measured[0].Resource, Consumer: p.cpu.Consumer,
		Attributes: describe(attributes, d, a.config.Policies[policy]),
	}
	a.energyOf(p, d)[policy] = s
	return s
}

func (a *attribution) nodeSeries(m *measure.Metric, d *domain, policy string) *measure.Series {
	var attributes []measure.Attribute
	if a.node != "" {
		attributes = append(attributes, measure.Attribute{Key: keyNode, Value: a.node})
	}
	return &measure.Series{
		Metric: m, Resource: d.measured[0].Resource, Consumer: measure.Consumer{Kind: measure.LocalMachine},
		Attributes: describe(attributes, d, policy),
	}
}

// describe adds how an energy is known and divided.
func describe(attributes []measure.Attribute, d *domain, policy string) []measure.Attribute {
	for _, key := range []string{keyDomain, keyQuality, keySource} {
		if value, ok := d.measured[0].Attribute(key); ok {
			attributes = append(attributes, measure.Attribute{Key: key, Value: value})
		}
	}
	attributes = append(attributes, measure.Attribute{Key: keyPolicy, Value: policy})
	slices.SortFunc(attributes, func(x, y measure.Attribute) int { return strings.Compare(x.Key, y.Key) })
	return attributes
}
