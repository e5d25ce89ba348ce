package attribution

import (
	"context"
	"slices"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
)

// attribution implements plugin.Transform.
type attribution struct {
	config     *Config
	metrics    *metrics
	quantities map[*measure.Metric]int // that are followed of pods
	every      []int                   // of them
	unplaced   bool                    // CPU time is told by socket, and which there are is not known
	files      files

	known   map[*measure.Series]*followed
	cues    []cue
	pods    map[string]*pod // by their keys
	ordered []*pod          // by key, so that equal rests go to the same ones
	workers int             // series of CPU time
	domains []*domain

	// What was counted until now, and until the CPU time was told before that.
	now, before moment
	states      columns // of pods as told last; now has them from the end of a batch on

	node                           string // its name, once a pod told it
	divider                        divider
	weights, claims, shares, rents []uint64

	exceeded metric.Int64Counter
	wrong    atomic.Pointer[error]
	lasting  error // what is wrong for good
}

func (a *attribution) open(meter metric.Meter) (err error) {
	a.exceeded, err = meter.Int64Counter("podjoule.attribution.exceeded",
		metric.WithDescription("Windows in which pods used more CPU time than the node counts, which counts in ticks of 10 ms"))
	if err == nil {
		a.exceeded.Add(context.Background(), 0) // a counter that has not counted yet is seen as 0
	}
	return err
}

// needs tells whether a quantity of pods is followed.
func (a *attribution) needs(quantity int) bool {
	for _, q := range a.quantities {
		if q == quantity {
			return true
		}
	}
	return false
}

// Close implements io.Closer.
func (a *attribution) Close() error { return a.files.close() }

// Ready implements plugin.Readier.
func (a *attribution) Ready() error {
	if wrong := a.wrong.Load(); wrong != nil {
		return *wrong
	}
	return a.lasting
}

// Apply implements plugin.Transform. Sources of energy and of CPU time may have different
// intervals: what was measured is divided when both are known until the same moment.
// It never fails: that would cost the batch.
func (a *attribution) Apply(ctx context.Context, b *measure.Batch) error {
	told := false
	for i := range b.Samples {
		s := &b.Samples[i]
		f := a.follow(i, s.Series)
		if f == nil {
			continue
		}
		n, ok := s.Uint()
		switch {
		case !ok:
		case f.domain != nil:
			f.domain.add(n, f.idle, b.StartOf(s), b.End)
		case f.gauge:
			a.states[f.quantity][f.pod.place] = n
		default:
			if !told {
				a.step(b.End)
				told = true
			}
			a.now.counts[f.quantity][f.pod.place] += n
			if f.quantity >= ofSockets {
				a.now.counts[ofPlaced][f.pod.place] += n
				a.now.placed[f.quantity-ofSockets] += n
			}
		}
	}
	if !told && a.workers == 0 && b.End.After(a.now.end) {
		a.step(b.End) // a node without pods
	}
	for q := ofMemory; q < ofSockets; q++ {
		copy(a.now.counts[q], a.states[q])
	}
	a.leave(b.Ended)
	a.divideAll(ctx, b)
	return nil
}

// step takes note that from now on the CPU time is told until another moment.
func (a *attribution) step(end time.Time) {
	a.before.take(&a.now, a.every)
	a.now.end = end
	err := a.files.read(&a.now)
	if err == nil {
		if a.wrong.Load() != nil {
			a.wrong.Store(nil)
		}
		return
	}
	kept := err // so that err stays off the heap
	a.wrong.Store(&kept)
}

// divideAll divides the energy of all domains that is known until the moment until which
// the CPU time is, and drops what has ended.
func (a *attribution) divideAll(ctx context.Context, b *measure.Batch) {
	settled := true
	for _, d := range a.domains {
		switch {
		case d.upto.Equal(a.now.end) && !d.from.IsZero():
			if d.at.end.IsZero() && d.from.Equal(a.before.end) {
				d.at.take(&a.before, d.needs)
			}
			if !a.waits(d, b) {
				a.divide(ctx, d, b)
			}
		case !d.at.end.Equal(a.now.end) && d.live > 0:
			settled = false // its energy is yet to come
		}
	}
	if settled && a.now.end.Equal(b.End) {
		a.bury(b)
	}
}

// patience is how long the first energy of a domain waits for the node's name, which pods tell:
// they may have to wait for theirs, and a node may have no pods.
const patience = time.Minute

// waits tells whether what a domain used is divided later, when it is known on which node.
func (a *attribution) waits(d *domain, b *measure.Batch) bool {
	return a.node == "" && d.system == nil && !b.Last && d.upto.Sub(d.from) < patience
}

// bury ends the series of pods and domains that ended.
func (a *attribution) bury(b *measure.Batch) {
	a.domains = slices.DeleteFunc(a.domains, func(d *domain) bool {
		if d.live == 0 {
			a.giveUp(d, b)
			d.retire(b)
		}
		return d.live == 0
	})
	a.dropPods(b)
}

// giveUp tells what is left of a domain that ended before the CPU time was told until then.
func (a *attribution) giveUp(d *domain, b *measure.Batch) {
	if d.from.IsZero() {
		return
	}
	for policy := range a.config.Policies {
		a.emit(d, b, policy, d.span(b), 0, 0, d.pending)
	}
}

// dropPods forgets the pods that ended.
func (a *attribution) dropPods(b *measure.Batch) {
	if !slices.ContainsFunc(a.ordered, (*pod).ended) {
		return
	}
	gone := make([]bool, len(a.ordered))
	for i, p := range a.ordered {
		if gone[i] = p.ended(); gone[i] {
			delete(a.pods, p.key)
		}
	}
	a.ordered = dropped(a.ordered, gone)
	for i, p := range a.ordered {
		p.place = i
	}
	a.now.counts.remove(gone)
	a.before.counts.remove(gone)
	a.states.remove(gone)
	for _, d := range a.domains {
		d.remove(gone, b)
	}
}
