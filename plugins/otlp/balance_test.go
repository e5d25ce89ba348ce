package otlp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
)

// TestBalance writes random batches, in which pods come, miss ticks and go, and
// checks that what arrives adds up to what was written: the sum of the deltas,
// or the last cumulative value.
func TestBalance(t *testing.T) {
	for _, temporality := range []string{Delta, Cumulative} {
		for _, identity := range []string{Both, Resource, Point} {
			t.Run(temporality+"_"+identity, func(t *testing.T) {
				for seed := range uint64(20) {
					balance(t, newBuild(temporality, identity), rand.New(rand.NewPCG(seed, 1)))
				}
			})
		}
	}
}

func balance(t *testing.T, x *builder, random *rand.Rand) {
	t.Helper()
	var live []*measure.Series
	written, ended := make(map[string]uint64), make(map[string]bool)
	received := newLedger(x.cumulative)
	for n := range 30 {
		b := tick(n)
		if n < 25 && random.IntN(2) == 0 {
			pod := fmt.Sprint(n)
			live = append(live, ofPod(cpuTime, pod, "kind", "user"), ofPod(cpuTime, pod, "kind", "system"),
				ofPod(podEnergy, pod, "domain", "package"))
		}
		kept := live[:0]
		for _, s := range live {
			if random.IntN(4) > 0 {
				v := random.Uint64N(1 << random.IntN(45))
				b.Uint(s, v)
				written[who(s)] += v
			}
			if random.IntN(20) == 0 {
				b.Retire(s)
				ended[who(s)] = true
				continue
			}
			kept = append(kept, s)
		}
		live = kept
		random.Shuffle(len(b.Samples), func(i, j int) { b.Samples[i], b.Samples[j] = b.Samples[j], b.Samples[i] })

		requests, err := x.requests(b, noSelf(), 2000)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range requests {
			received.book(t, decode(t, r.body))
		}
	}
	if diff := cmp.Diff(written, received.total); diff != "" {
		t.Fatalf("totals (-written +received):\n%s", diff)
	}
	for id := range written {
		if want := x.cumulative && ended[id]; received.ended[id] != want {
			t.Errorf("%s: marked as ended: %v, want %v", id, received.ended[id], want)
		}
	}
	if len(x.streams) > len(live) {
		t.Errorf("%d series are remembered, but %d are live", len(x.streams), len(live))
	}
}

// who names a series as a receiver can tell it from others.
func who(s *measure.Series) string {
	uid, _ := s.Attribute("uid")
	return uid + s.Attributes[0].Value
}

// ledger adds up what a receiver gets.
type ledger struct {
	cumulative bool
	total      map[string]uint64
	ended      map[string]bool
	start      map[string]pcommon.Timestamp
	last       map[string]pcommon.Timestamp
}

func newLedger(cumulative bool) *ledger {
	return &ledger{cumulative, make(map[string]uint64), make(map[string]bool),
		make(map[string]pcommon.Timestamp), make(map[string]pcommon.Timestamp)}
}

func (l *ledger) book(t *testing.T, md pmetric.Metrics) {
	t.Helper()
	eachPoint(md, func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint) {
		uid, ok := rm.Resource().Attributes().Get("k8s.pod.uid")
		if !ok {
			uid, _ = p.Attributes().Get("uid")
		}
		kind, ok := p.Attributes().Get("kind")
		if !ok {
			kind, _ = p.Attributes().Get("domain")
		}
		id := uid.Str() + kind.Str()
		if p.Timestamp() <= l.last[id] || p.StartTimestamp() >= p.Timestamp() {
			t.Errorf("%s: point from %v to %v after one of %v", id, p.StartTimestamp(), p.Timestamp(), l.last[id])
		}
		l.last[id] = p.Timestamp()
		if l.ended[id] {
			t.Errorf("%s: a point after its end", id)
		}
		if l.start[id] == 0 {
			l.start[id] = p.StartTimestamp()
		}
		if l.cumulative && p.StartTimestamp() != l.start[id] {
			t.Errorf("%s: start changed from %v to %v", id, l.start[id], p.StartTimestamp())
		}
		if p.Flags().NoRecordedValue() {
			l.ended[id] = true
			return
		}
		v := uint64(p.IntValue())
		if m.Unit() == "J" {
			v = uint64(math.Round(p.DoubleValue() * 1e6))
		}
		if l.cumulative {
			if v < l.total[id] {
				t.Errorf("%s: fell from %d to %d", id, l.total[id], v)
			}
			l.total[id] = v
		} else {
			l.total[id] += v
		}
	})
}
