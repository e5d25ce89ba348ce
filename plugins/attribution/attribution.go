package attribution

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
)

// attribution implements plugin.Transform.
type attribution struct {
	config  *Config
	metrics *metrics
	cpu     *measure.Metric
	stat    *statFile

	pods    map[*measure.Series]*pod // by the series of their CPU time
	ordered []*pod                   // by identity, so that equal rests go to the same ones
	domains map[*measure.Series]*domain
	slots   []*domain // by index; nil of one that ended

	// The CPU time is known until now; before that, until before.
	now, before         time.Time
	nodeNow, nodeBefore nodeTime
	statErr             error // of reading the node's time until now

	node            string // its name, once a pod told it
	divider         divider
	weights, shares []uint64

	exceeded metric.Int64Counter
	wrong    atomic.Pointer[error]
}

// pod is who uses CPU time: a pod, or what ended pods used beyond what is told of each.
type pod struct {
	cpu          *measure.Series
	used, before uint64   // its CPU time until now, and until before
	since        []uint64 // its CPU time when a domain was divided last, by the domain's index
	ended        bool
	energy       []*measure.Series // by the domain's index, and within it by policy
}

func (a *attribution) open(meter metric.Meter) (err error) {
	a.exceeded, err = meter.Int64Counter("podjoule.attribution.exceeded",
		metric.WithDescription("Windows in which pods used more CPU time than the node counts, which counts in ticks of 10 ms"))
	if err == nil {
		a.exceeded.Add(context.Background(), 0) // a counter that has not counted yet is seen as 0
	}
	return err
}

// Close implements io.Closer.
func (a *attribution) Close() error { return a.stat.close() }

// Ready implements plugin.Readier.
func (a *attribution) Ready() error {
	if wrong := a.wrong.Load(); wrong != nil {
		return *wrong
	}
	return nil
}

// Apply implements plugin.Transform. Sources of energy and of CPU time may have different
// intervals: what was measured is divided when both are known until the same moment.
// It never fails: that would cost the batch.
func (a *attribution) Apply(ctx context.Context, b *measure.Batch) error {
	told := false
	for i := range b.Samples {
		s := &b.Samples[i]
		switch m := s.Series.Metric; {
		case m == a.cpu:
			if n, ok := s.Uint(); ok && isTotal(s.Series) {
				if !told {
					a.step(b.End)
					told = true
				}
				a.podOf(s.Series).used += n
			}
		case isEnergy(m):
			if n, ok := s.Uint(); ok {
				a.domainOf(s.Series).add(n, isIdle(s.Series), b.StartOf(s), b.End)
			}
		}
	}
	if !told && len(a.pods) == 0 && b.End.After(a.now) {
		a.step(b.End) // a node without pods
	}
	for _, s := range b.Ended {
		if p := a.pods[s]; p != nil {
			p.ended = true
		} else if d := a.domains[s]; d != nil {
			d.ended = true
		}
	}
	a.divideAll(ctx, b)
	return nil
}

// isEnergy tells what meters and models count from bands and differences of it, whose
// names go on after the word.
func isEnergy(m *measure.Metric) bool {
	return m.Unit == measure.Microjoule && m.Kind == measure.Delta && strings.HasSuffix(m.Name, "_energy")
}

// isIdle tells the idle part of an energy that a model tells apart.
func isIdle(s *measure.Series) bool {
	part, _ := s.Attribute(keyPart)
	return part == "idle"
}

// isTotal tells the total from the parts of CPU time.
func isTotal(s *measure.Series) bool {
	kind, _ := s.Attribute(keyKind)
	return kind == "total"
}

// step takes note that from now on the CPU time is told until another moment.
func (a *attribution) step(end time.Time) {
	a.before, a.nodeBefore = a.now, a.nodeNow
	for _, p := range a.ordered {
		p.before = p.used
	}
	a.now = end
	node, err := a.stat.read()
	if a.statErr = err; err == nil {
		a.nodeNow = node
		a.wrong.Store(nil)
		return
	}
	kept := err // so that err stays off the heap
	a.wrong.Store(&kept)
}

// podOf returns the pod of a series of CPU time.
func (a *attribution) podOf(s *measure.Series) *pod {
	p := a.pods[s]
	if p != nil {
		return p
	}
	if node, ok := s.Attribute(keyNode); ok {
		a.node = node
	}
	p = &pod{cpu: s, since: make([]uint64, len(a.slots)), energy: make([]*measure.Series, len(a.slots)*len(a.config.Policies))}
	a.pods[s] = p
	i, _ := slices.BinarySearchFunc(a.ordered, p, comparePods)
	a.ordered = slices.Insert(a.ordered, i, p)
	return p
}

func comparePods(x, y *pod) int {
	if c := cmp.Compare(x.cpu.Consumer.ID, y.cpu.Consumer.ID); c != 0 {
		return c
	}
	return slices.CompareFunc(x.cpu.Attributes, y.cpu.Attributes, func(a, b measure.Attribute) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Value, b.Value))
	})
}

// divideAll divides the energy of all domains that is known until the moment until which
// the CPU time is, and drops what has ended.
func (a *attribution) divideAll(ctx context.Context, b *measure.Batch) {
	settled := true
	for _, d := range a.slots {
		switch {
		case d == nil:
		case d.upto.Equal(a.now) && !d.from.IsZero():
			a.divide(ctx, d, b)
		case !d.end.Equal(a.now) && !d.ended:
			settled = false // its energy is yet to come
		}
	}
	if settled && a.now.Equal(b.End) {
		a.bury(b)
	}
}

// bury ends the series of pods and domains that ended.
func (a *attribution) bury(b *measure.Batch) {
	for _, d := range a.slots {
		if d == nil || !d.ended {
			continue
		}
		b.Retire(d.series()...)
		for _, p := range a.ordered {
			retire(b, a.energyOf(p, d))
		}
		for _, s := range d.measured {
			delete(a.domains, s)
		}
		a.slots[d.index] = nil
	}
	gone := func(p *pod) bool { return p.ended }
	if !slices.ContainsFunc(a.ordered, gone) {
		return
	}
	for _, p := range a.ordered {
		if p.ended {
			retire(b, p.energy)
			delete(a.pods, p.cpu)
		}
	}
	a.ordered = slices.DeleteFunc(a.ordered, gone)
}

// energyOf returns the places of a pod's series of one domain, by policy.
func (a *attribution) energyOf(p *pod, d *domain) []*measure.Series {
	n := len(a.config.Policies)
	return p.energy[d.index*n : (d.index+1)*n]
}

// retire ends series, of which some may not have begun, and forgets them.
func retire(b *measure.Batch, series []*measure.Series) {
	for i, s := range series {
		if s != nil {
			b.Retire(s)
			series[i] = nil
		}
	}
}
