package attribution

import (
	"slices"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
)

// followed is what a series is to the division: the energy of a domain, or a quantity of
// a pod.
type followed struct {
	domain *domain
	idle   bool // the idle part of its energy, which a model tells apart

	pod      *pod
	quantity int
	gauge    bool // a state, and not an amount
}

// pod is who uses CPU time: a pod, or what ended pods used beyond what is told of each.
type pod struct {
	key        string // its consumer and attributes
	consumer   measure.Consumer
	attributes []measure.Attribute // as of its CPU time, without the kind
	place      int                 // among all pods
	live       int                 // series
	computes   bool                // its CPU time was told, at least once
}

func (p *pod) ended() bool { return p.live == 0 }

// cue is what was found out about a series at some place in a batch. As sources tell the same
// series in the same order each time, that saves nearly all looking up.
type cue struct {
	series *measure.Series
	what   *followed // nil for a series that nothing follows from
}

// follow returns what the series of the i-th sample of a batch is, or nil.
func (a *attribution) follow(i int, s *measure.Series) *followed {
	if i < len(a.cues) && a.cues[i].series == s {
		return a.cues[i].what
	}
	f, ok := a.known[s]
	if !ok {
		if f = a.meet(s); f != nil {
			a.known[s] = f
		}
	}
	if i == len(a.cues) {
		a.cues = append(a.cues, cue{})
	}
	a.cues[i] = cue{s, f}
	return f
}

// meet tells what a series is that was not seen before.
func (a *attribution) meet(s *measure.Series) *followed {
	if s.Metric.IsEnergy() {
		part, _ := s.Attribute(keyPart)
		d := a.domainOf(s)
		d.live++
		return &followed{domain: d, idle: part == "idle"}
	}
	q, ok := a.quantities[s.Metric]
	if !ok {
		return nil
	}
	switch q {
	case ofCPU:
		if kind, _ := s.Attribute(keyKind); kind != "total" {
			return nil // a part of it
		}
		a.workers++
	case ofSockets:
		socket := a.files.sockets.index(s.Resource.ID)
		if socket < 0 {
			return nil
		}
		q += socket
	}
	p := a.podOf(s)
	p.live++
	p.computes = p.computes || q == ofCPU
	return &followed{pod: p, quantity: q, gauge: s.Metric.Kind == measure.Gauge}
}

// podOf returns the pod of a series.
func (a *attribution) podOf(s *measure.Series) *pod {
	attributes := slices.DeleteFunc(slices.Clone(s.Attributes), func(x measure.Attribute) bool { return x.Key == keyKind })
	key := keyOf(s.Consumer, attributes)
	p := a.pods[key]
	if p != nil {
		return p
	}
	if node, ok := s.Attribute(keyNode); ok {
		a.node = node
	}
	p = &pod{key: key, consumer: s.Consumer, attributes: attributes}
	a.pods[key] = p
	p.place, _ = slices.BinarySearchFunc(a.ordered, key, func(x *pod, key string) int { return strings.Compare(x.key, key) })
	a.ordered = slices.Insert(a.ordered, p.place, p)
	for i, after := range a.ordered[p.place:] {
		after.place = p.place + i
	}
	a.now.counts.insert(p.place)
	a.before.counts.insert(p.place)
	a.states.insert(p.place)
	for _, d := range a.domains {
		d.insert(p.place)
	}
	return p
}

// keyOf returns a text that no other pod has.
func keyOf(c measure.Consumer, attributes []measure.Attribute) string {
	var b strings.Builder
	for _, text := range []string{c.ID, c.Kind} {
		b.WriteString(text)
		b.WriteByte(0)
	}
	for _, x := range attributes {
		b.WriteString(x.Key)
		b.WriteByte(0)
		b.WriteString(x.Value)
		b.WriteByte(0)
	}
	return b.String()
}

// leave takes note of series that have ended.
func (a *attribution) leave(ended []*measure.Series) {
	left := false
	for _, s := range ended {
		f := a.known[s]
		if f == nil {
			continue
		}
		left = true
		delete(a.known, s)
		if f.domain != nil {
			f.domain.live--
			continue
		}
		f.pod.live--
		if f.quantity == ofCPU {
			a.workers--
		}
	}
	if left {
		clear(a.cues)
		a.cues = a.cues[:0]
	}
}
