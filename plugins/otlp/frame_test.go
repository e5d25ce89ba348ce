package otlp

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
)

// TestFramesChangeNothing writes random batches of two intervals, most of which have
// the series of the one before, to a builder that keeps its frames and to one that
// does not: their requests are the same to the byte.
func TestFramesChangeNothing(t *testing.T) {
	for _, temporality := range []string{Delta, Cumulative} {
		for _, identity := range []string{Both, Resource, Point} {
			t.Run(temporality+"_"+identity, func(t *testing.T) {
				for seed := range uint64(10) {
					sameRequests(t, temporality, identity, rand.New(rand.NewPCG(seed, 7)))
				}
			})
		}
	}
}

func sameRequests(t *testing.T, temporality, identity string, random *rand.Rand) {
	t.Helper()
	keeps, builds := newBuild(temporality, identity), newBuild(temporality, identity)
	live := make(map[time.Duration][]*measure.Series)
	used := 0
	for n := range 60 {
		b := tick(n)
		b.Interval *= time.Duration(1 + random.IntN(2))
		if n < 2 || random.IntN(10) == 0 {
			more := newcomers(fmt.Sprint(n), random.IntN(3) == 0)
			for _, s := range more {
				if i := len(s.Attributes) - 2; i >= 0 {
					s.Attributes[i].Value = fmt.Sprint("node-", n)
				}
			}
			live[b.Interval] = append(live[b.Interval], more...)
		}
		list := live[b.Interval]
		if len(list) > 0 && random.IntN(10) == 0 {
			b.Retire(list[0])
			if live[b.Interval] = list[1:]; random.IntN(2) == 0 {
				list = list[1:] // it has no last value
			}
		}
		for _, s := range list {
			randomSample(b, s, random)
		}
		own := func() pmetric.ScopeMetricsSlice { return selfScopes(ownMetrics(0)) }
		if random.IntN(4) > 0 {
			own = func() pmetric.ScopeMetricsSlice { return selfScopes(ownMetrics(n)) }
		}
		before := keeps.frames[b.Interval]
		got, err := keeps.requests(b, own(), maxRequest)
		clear(builds.frames)
		want, wanted := builds.requests(b, own(), maxRequest)
		if fmt.Sprint(err) != fmt.Sprint(wanted) || len(got) != len(want) {
			t.Fatalf("tick %d: got %d requests and error %v, want %d and %v", n, len(got), err, len(want), wanted)
		}
		for i := range got {
			if !bytes.Equal(got[i].body, want[i].body) {
				t.Fatalf("tick %d (-want +got):\n%s", n, cmp.Diff(lines(decode(t, want[i].body)), lines(decode(t, got[i].body))))
			}
			if md := decode(t, got[i].body); md.DataPointCount() != got[i].points || got[i].points != want[i].points {
				t.Fatalf("tick %d: %d points are counted as %d", n, md.DataPointCount(), got[i].points)
			}
		}
		if before != nil && before == keeps.frames[b.Interval] {
			used++
		}
	}
	if used < 20 {
		t.Errorf("%d of 60 ticks found their frame, want 20 at least", used)
	}
}

// newcomers are the series of a pod and, or of the node's package alone.
func newcomers(name string, ofNode bool) []*measure.Series {
	if ofNode {
		return []*measure.Series{ofPackage(name)}
	}
	return []*measure.Series{ofPod(cpuTime, name, "kind", "total"), ofPod(memoryUsage, name),
		ofPod(podEnergy, name, "domain", "package"), ofPod(cpuPercent, name, "kind", "total")}
}

// randomSample adds a sample that may be of any type, and seldom a faulty one.
func randomSample(b *measure.Batch, s *measure.Series, random *rand.Rand) {
	switch v := random.Uint64() >> random.IntN(64); {
	case random.IntN(200) == 0:
		b.Float(s, 0.5)
	case s.Metric.Kind == measure.Delta && random.IntN(5) == 0:
		b.UintOver(s, v, time.Duration(1+random.IntN(1e10)))
	case s.Metric.Kind == measure.Gauge && random.IntN(2) == 0:
		b.Float(s, math.Float64frombits(v))
	default:
		b.Uint(s, v)
	}
}

// TestFramesOfOtherIntervals shows that a series that ends in a batch of another
// interval is forgotten there too, and counts anew.
func TestFramesOfOtherIntervals(t *testing.T) {
	x, s := newBuild(Cumulative, Both), ofPod(cpuTime, "a")
	end := tick(1)
	end.Interval = time.Minute
	end.Retire(s)
	var got []int64
	for _, b := range []*measure.Batch{count(s, 0), end, count(s, 2)} {
		md, err := x.build(b, noSelf())
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, values(md)...)
	}
	if diff := cmp.Diff([]int64{1, 0, 3}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// TestNodeHasItsName shows that the node's resource gets the name of the node from
// a batch of another interval.
func TestNodeHasItsName(t *testing.T) {
	x, rapl := newBuild(Delta, Both), ofPackage("0")
	var got []string
	for n, s := range []*measure.Series{rapl, ofPod(memoryUsage, "a"), rapl, rapl} {
		b := count(s, n)
		if s != rapl {
			b.Interval = time.Minute
		}
		md, err := x.build(b, noSelf())
		if err != nil {
			t.Fatal(err)
		}
		name := any("")
		if v, ok := md.ResourceMetrics().At(0).Resource().Attributes().AsRaw()["k8s.node.name"]; ok {
			name = v
		}
		got = append(got, fmt.Sprint(name))
	}
	if diff := cmp.Diff([]string{"", "node-1", "node-1", "node-1"}, got); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
}

// TestSteadyRequestAllocatesLittle holds that a request of known series is not made
// of parts: its bytes are all that is allocated.
func TestSteadyRequestAllocatesLittle(t *testing.T) {
	b := fullNode()
	for _, temporality := range []string{Delta, Cumulative} {
		x := newBuild(temporality, Both)
		var err error
		allocs := testing.AllocsPerRun(10, func() {
			if _, e := x.requests(b, noSelf(), maxRequest); e != nil {
				err = e
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if allocs > 5 {
			t.Errorf("%s: %v allocations for %d points, want 5 at most", temporality, allocs, len(b.Samples))
		}
	}
}

// TestLocateRefuses shows that an encoding that is not the one known makes an error,
// and no request of garbage.
func TestLocateRefuses(t *testing.T) {
	request := func(change func(pmetric.NumberDataPoint)) []byte {
		md := pmetric.NewMetrics()
		p := md.ResourceMetrics().AppendEmpty().ScopeMetrics().AppendEmpty().Metrics().AppendEmpty().SetEmptyGauge().DataPoints().AppendEmpty()
		p.SetTimestamp(1)
		p.SetIntValue(0)
		change(p)
		body, err := new(pmetric.ProtoMarshaler).MarshalMetrics(md)
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	good := request(func(pmetric.NumberDataPoint) {})
	f := frame{body: good, slots: make([]slot, 1)}
	if err := f.locate(-1); err != nil {
		t.Fatal(err)
	}
	for name, body := range map[string][]byte{
		"nothing":        {},
		"cut off":        good[:len(good)-1],
		"no tag":         {0xff},
		"no time":        request(func(p pmetric.NumberDataPoint) { p.SetTimestamp(0) }),
		"no value":       request(func(p pmetric.NumberDataPoint) { pmetric.NewNumberDataPoint().CopyTo(p); p.SetTimestamp(1) }),
		"another number": request(func(p pmetric.NumberDataPoint) { p.SetTimestamp(pcommon.Timestamp(2)) }),
		"twice":          append(bytes.Clone(good), good...),
	} {
		f := frame{body: body, slots: make([]slot, 1)}
		if err := f.locate(-1); !errors.Is(err, errLayout) {
			t.Errorf("%s: got error %v, want that it is not what was expected", name, err)
		}
	}
}

// fullNode is the batch of a tick of 110 pods.
func fullNode() *measure.Batch {
	batch := tick(0)
	for pod := range 110 {
		for _, m := range []*measure.Metric{cpuTime, cpuPercent, podEnergy} {
			for _, kind := range []string{"system", "total", "user"} {
				batch.Uint(ofPod(m, fmt.Sprint(pod), "kind", kind), 123_456_789)
			}
		}
		batch.Uint(ofPod(memoryUsage, fmt.Sprint(pod)), 123_456_789)
		batch.Uint(ofPod(pids, fmt.Sprint(pod)), 12)
	}
	return batch
}
