package attribution

import (
	"slices"
	"strings"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// domain is a part of the node whose energy a meter counts, such as the package of a
// socket. Domains that overlap are divided each on its own, and never added up.
type domain struct {
	measured []*measure.Series // its energy: one, or one of each part that a model tells apart
	live     int               // of these
	basis    basis
	socket   int   // for bySocketTime
	needs    []int // quantities of pods
	idle     idle

	pending    uint64    // energy that is not divided yet, in µJ
	still      uint64    // of that, what is known to be idle, since it was told apart
	apart      bool      // idle energy is told apart
	from, upto time.Time // when that was used; zero for none
	at         moment    // of what was divided last

	pods               [][]*measure.Series // energy of pods by policy and place; nil before the first
	system, rest, lost []*measure.Series   // system, idle, unattributed; by policy, from the first window on
	node               string              // that these tell
}

// domainOf returns the domain of a series of energy.
func (a *attribution) domainOf(s *measure.Series) *domain {
	if d := a.otherPart(s); d != nil {
		d.measured = append(d.measured, s)
		return d
	}
	name, _ := s.Attribute(keyDomain)
	d := &domain{measured: []*measure.Series{s}, idle: a.config.idleOf(name), at: newMoment(len(a.now.sockets))}
	a.base(d, name)
	for range a.ordered {
		d.at.counts.insert(0)
	}
	for range a.config.Policies {
		d.pods = append(d.pods, make([]*measure.Series, len(a.ordered)))
	}
	a.domains = append(a.domains, d)
	return d
}

// otherPart returns the domain whose energy is told in parts, of which a series is another.
func (a *attribution) otherPart(s *measure.Series) *domain {
	if _, ok := s.Attribute(keyPart); !ok {
		return nil
	}
	for _, d := range a.domains {
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

// insert makes room for a pod.
func (d *domain) insert(place int) {
	d.at.counts.insert(place)
	for policy := range d.pods {
		d.pods[policy] = slices.Insert(d.pods[policy], place, nil)
	}
}

// remove drops the pods that are gone, and ends the series of their energy.
func (d *domain) remove(gone []bool, b *measure.Batch) {
	d.at.counts.remove(gone)
	for policy, all := range d.pods {
		for i, s := range all {
			if gone[i] && s != nil {
				b.Retire(s)
			}
		}
		d.pods[policy] = dropped(all, gone)
	}
}

// retire ends all series about the domain.
func (d *domain) retire(b *measure.Batch) {
	for _, all := range append(d.pods, d.system, d.rest, d.lost) {
		for _, s := range all {
			if s != nil {
				b.Retire(s)
			}
		}
	}
}

// begin makes the series of a pod's energy of a domain.
func (a *attribution) begin(p *pod, d *domain, policy int) *measure.Series {
	s := &measure.Series{
		Metric: a.metrics.pod, Resource: d.measured[0].Resource, Consumer: p.consumer,
		Attributes: describe(slices.Clone(p.attributes), d, a.config.Policies[policy]),
	}
	d.pods[policy][p.place] = s
	return s
}

// beginNode makes the series of what is not the pods'. Those from before a pod had told the
// node's name end.
func (a *attribution) beginNode(d *domain, b *measure.Batch) {
	for _, s := range slices.Concat(d.system, d.rest, d.lost) {
		b.Retire(s)
	}
	d.system, d.rest, d.lost, d.node = nil, nil, nil, a.node
	for _, policy := range a.config.Policies {
		d.system = append(d.system, a.nodeSeries(a.metrics.system, d, policy))
		d.rest = append(d.rest, a.nodeSeries(a.metrics.idle, d, policy))
		d.lost = append(d.lost, a.nodeSeries(a.metrics.unattributed, d, policy))
	}
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
	attributes = append(attributes, measure.Attribute{Key: keyBasis, Value: d.basis.String()}, measure.Attribute{Key: keyPolicy, Value: policy})
	slices.SortFunc(attributes, func(x, y measure.Attribute) int { return strings.Compare(x.Key, y.Key) })
	return attributes
}
