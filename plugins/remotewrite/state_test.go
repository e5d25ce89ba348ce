package remotewrite

import (
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/measure"
)

// TestBalance churns series and checks what a receiver ends up with: of every set of
// labels, increases add up to the deltas, in integers; times go forward; what is gone
// is ended, once; and nothing is remembered for ever (O7).
func TestBalance(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		m := &measure.Metric{Name: "cpu_time_delta", Unit: measure.One, Kind: measure.Delta, Attributes: []string{"name", "uid"}}
		families, err := family.New([]*measure.Metric{m}, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := newState(families, map[string]string{"job": "j"})
		sums := make(map[string]uint64)
		last := make(map[string]point) // by identity
		received := make(map[string]float64)
		live := make(map[*measure.Series]string)
		for i := range 400 {
			b := batch(i, func(*measure.Batch) {})
			if rng.IntN(4) == 0 {
				b.Interval = 5 * time.Second
			}
			if len(live) < 6 {
				name := strconv.Itoa(rng.IntN(8))
				live[&measure.Series{Metric: m, Resource: measure.Resource{Kind: measure.LocalMachine},
					Attributes: []measure.Attribute{{Key: "name", Value: name}}}] = name
			}
			seen := make(map[string]bool)
			for series, name := range live {
				if rng.IntN(3) > 0 {
					v := uint64(rng.IntN(1000))
					b.Uint(series, v)
					sums[name] += v
					seen[name] = true
				}
				if rng.IntN(10) == 0 || i == 399 {
					b.Retire(series)
					delete(live, series)
				}
			}
			b.Last = i == 399
			points, err := s.take(b)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for _, p := range points {
				name := p.line.set.Values[0]
				before, known := last[name]
				if known && p.time <= before.time {
					t.Fatalf("seed %d, batch %d: %s at %d after %d", seed, i, name, p.time, before.time)
				}
				if p.bits == stale {
					if !known || before.bits == stale || seen[name] && !b.Last {
						t.Fatalf("seed %d, batch %d: %s is ended out of place", seed, i, name)
					}
				} else {
					v := math.Float64frombits(p.bits)
					if !seen[name] || v < received[name] && v != 0 && p.line.created == tick {
						t.Fatalf("seed %d, batch %d: %s is %v after %v", seed, i, name, v, received[name])
					}
					received[name] = v
				}
				last[name] = p
			}
		}
		for name, want := range sums {
			if got := received[name]; uint64(got) != want {
				t.Errorf("seed %d: %s has %v in the end, want %d", seed, name, got, want)
			}
			if last[name].bits != stale {
				t.Errorf("seed %d: %s was not ended", seed, name)
			}
		}
		if len(s.live) > 0 {
			t.Errorf("seed %d: %d series are remembered in the end", seed, len(s.live))
		}
		if _, err := s.take(batch(400+int(keepEnded/time.Second)+2, func(*measure.Batch) {})); err != nil || len(s.lines)+len(s.order) > 0 {
			t.Errorf("seed %d: %d lines are remembered, error %v", seed, len(s.lines), err)
		}
	}
}

// A request has no more points than receivers take, and none is lost between two.
func TestRequestsAreSplit(t *testing.T) {
	n := newNode()
	families, err := family.New(n.metrics(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newState(families, map[string]string{})
	points, err := s.take(batch(0, func(b *measure.Batch) {
		for i := range 2*maxPoints + 1 {
			b.Uint(&measure.Series{Metric: n.cpu, Resource: measure.Resource{Kind: measure.LocalMachine},
				Attributes: []measure.Attribute{{Key: "uid", Value: strconv.Itoa(i)}}}, uint64(i))
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	for _, version := range []string{Version1, Version2} {
		var sizes []int
		for _, r := range newEncoder(version).requests(points, tick) {
			sizes = append(sizes, r.Points)
		}
		if len(sizes) != 3 || sizes[0] != maxPoints || sizes[1] != maxPoints || sizes[2] != 1 {
			t.Errorf("version %s: requests of %v points", version, sizes)
		}
	}
}

// A batch ends no series of another interval.
func TestIntervalsAreIndependent(t *testing.T) {
	n := newNode()
	families, err := family.New(n.metrics(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newState(families, map[string]string{})
	for i := range 10 {
		points, err := s.take(batch(i, func(b *measure.Batch) {
			if i%5 == 0 {
				b.Interval = 5 * time.Second
				b.Uint(n.resident, 4096)
			} else {
				b.Uint(n.used, 1)
			}
		}))
		if err != nil || len(points) != 1 || points[0].bits == stale {
			t.Errorf("batch %d: points %v, error %v, want one value", i, points, err)
		}
	}
}

// A receiver takes one value for one time: a second one would cost the whole request.
func TestOneValueForOneTime(t *testing.T) {
	n := newNode()
	families, err := family.New(n.metrics(), nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newState(families, map[string]string{})
	take := func(end time.Time, v uint64) []point {
		var b measure.Batch
		b.Reset(time.Millisecond, end.Add(-time.Microsecond), end)
		b.Uint(n.used, v)
		points, err := s.take(&b)
		if err != nil {
			t.Fatal(err)
		}
		return points
	}
	if points := take(tick, 1e9); len(points) != 1 {
		t.Fatalf("%d points, want 1", len(points))
	}
	if points := take(tick.Add(500*time.Microsecond), 1e9); len(points) != 0 {
		t.Errorf("%d points in the same millisecond, want none", len(points))
	}
	if points := take(tick.Add(time.Millisecond), 1e9); len(points) != 1 || math.Float64frombits(points[0].bits) != 3 {
		t.Errorf("points %v in the next millisecond, want one of 3 s", points)
	}
}
