package agent

import (
	"sync/atomic"

	"github.com/podjoule/podjoule/agent/measure"
)

// roster knows the series that a plugin has added to batches and that have not ended, so
// that they can be ended when the plugin is taken out. Plugins add their series in the
// same order nearly always: then nothing is looked up, and nothing allocated.
type roster struct {
	live  map[*measure.Series]struct{}
	order []*measure.Series // as in the last batch
	size  atomic.Int64      // of live, for whoever asks
}

// note takes what the plugin has just added to a batch: samples, and the ends of series.
func (r *roster) note(samples []measure.Sample, ended []*measure.Series) {
	for i := range samples {
		s := samples[i].Series
		if i < len(r.order) && r.order[i] == s {
			continue
		}
		if i < len(r.order) {
			r.order[i] = s
		} else {
			r.order = append(r.order, s)
		}
		if _, known := r.live[s]; !known {
			if r.live == nil {
				r.live = make(map[*measure.Series]struct{})
			}
			r.live[s] = struct{}{}
		}
	}
	clear(r.order[len(samples):])
	r.order = r.order[:len(samples)]
	left := len(r.live)
	for _, s := range ended {
		delete(r.live, s)
	}
	if len(r.live) < left { // one that has ended may not be taken for a known one
		clear(r.order)
		r.order = r.order[:0]
	}
	r.size.Store(int64(len(r.live)))
}

// retire ends all series that are left.
func (r *roster) retire(b *measure.Batch) {
	for s := range r.live {
		b.Retire(s)
	}
	clear(r.live)
	clear(r.order)
	r.order = r.order[:0]
	r.size.Store(0)
}
