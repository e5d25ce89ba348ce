package prometheus

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// slot is what a page should show of the series that share one set of labels.
type slot struct {
	series  *measure.Series // nil when none is alive
	sampled bool            // in the latest batch
	value   uint64
	ended   time.Time
	kept    bool
}

// TestChurn lets series come, miss ticks, end and come back under the labels of
// others, and compares each page with a model that keeps plain sums.
func TestChurn(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 10
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 7))
		keep := time.Duration(rng.IntN(5)) * interval
		counter := &measure.Metric{Name: "c_delta", Unit: measure.Microjoule, Kind: measure.Delta, Help: "Counter", Attributes: []string{"uid"}}
		gauge := &measure.Metric{Name: "g", Unit: measure.Byte, Help: "Gauge", Attributes: []string{"uid"}}
		p := open(t, &Config{Path: "/metrics", KeepEnded: plugin.Duration(keep)}, counter, gauge)
		slots := make([]slot, 12) // even: counters, odd: gauges
		metricOf := func(i int) *measure.Metric { return []*measure.Metric{counter, gauge}[i%2] }

		for range 80 {
			p.next(t, func(b *measure.Batch) {
				for i := range slots {
					churn(rng, b, &slots[i], metricOf(i), strconv.Itoa(i/2))
				}
				rng.Shuffle(len(b.Samples), func(i, j int) { b.Samples[i], b.Samples[j] = b.Samples[j], b.Samples[i] })
			})
			want := make(map[string]float64)
			for i := range slots {
				s := &slots[i]
				if s.kept && (keep == 0 || p.end.Sub(s.ended) > keep) {
					*s = slot{}
				}
				labels := " uid=" + strconv.Quote(strconv.Itoa(i/2))
				switch {
				case i%2 == 1 && s.series != nil && s.sampled:
					want["podjoule_g_bytes"+labels] = float64(s.value)
				case i%2 == 0 && (s.series != nil && s.sampled || s.kept):
					want["podjoule_c_joules_total"+labels] = float64(s.value) / 1e6
				}
			}
			if diff := cmp.Diff(want, p.gather(t)); diff != "" {
				t.Fatalf("seed %d, %v (-want +got):\n%s", seed, p.end, diff)
			}
			p.sameAsReference(t, "/metrics", openMetrics)
		}
		alive := slices.DeleteFunc(slots, func(s slot) bool { return s.series == nil })
		if len(p.live) != len(alive) {
			t.Errorf("seed %d: %d series are known, want %d", seed, len(p.live), len(alive))
		}
	}
}

// churn plays one tick of one slot.
func churn(rng *rand.Rand, b *measure.Batch, s *slot, m *measure.Metric, uid string) {
	s.sampled = false
	sample := func() {
		v := rng.Uint64N(1 << 40)
		b.Uint(s.series, v)
		s.sampled = true
		if m.Kind == measure.Delta {
			v += s.value
		}
		s.value = v
	}
	begin := func() {
		s.series = &measure.Series{Metric: m, Resource: measure.Resource{Kind: measure.LocalMachine},
			Attributes: []measure.Attribute{{Key: "uid", Value: uid}}}
		s.kept = false
		sample()
	}
	end := func() {
		b.Retire(s.series)
		s.series = nil
	}
	switch roll := rng.IntN(10); {
	case s.series == nil && roll < 3:
		begin()
	case s.series == nil:
	case roll < 1: // ends without a last sample
		end()
		s.kept, s.ended = true, b.End
	case roll < 2: // ends with a last sample
		sample()
		end()
		s.kept, s.ended = true, b.End
	case roll < 3: // is followed at once
		sample()
		end()
		begin()
	case roll < 8:
		sample()
	}
}
