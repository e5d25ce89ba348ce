package measure

import (
	"math"
	"testing"
	"time"
)

func TestBatchKeepsValuesAndMemory(t *testing.T) {
	m := &Metric{Name: "cpu_time_delta", Unit: Nanosecond, Kind: Delta}
	one, two := &Series{Metric: m}, &Series{Metric: m}
	start := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	end := start.Add(5 * time.Second)
	b := new(Batch)
	fill := func() {
		b.Reset(5*time.Second, start, end)
		b.Uint(one, math.MaxUint64)
		b.UintOver(two, 7, 12*time.Second)
		b.Float(two, 0.5)
		b.Retire(one)
	}
	fill()
	if n, ok := b.Samples[0].Uint(); !ok || n != math.MaxUint64 {
		t.Errorf("%d, %v: a counter lost precision", n, ok)
	}
	if _, ok := b.Samples[2].Uint(); ok || b.Samples[2].Float() != 0.5 || b.Samples[1].Float() != 7 {
		t.Error("a float is taken for a counter, or changed")
	}
	if got := b.StartOf(&b.Samples[0]); !got.Equal(start) {
		t.Errorf("starts at %v, want the window's start", got)
	}
	if got := b.StartOf(&b.Samples[1]); !got.Equal(end.Add(-12 * time.Second)) {
		t.Errorf("starts at %v, want 12 s before the end", got)
	}
	samples, ended := b.Samples, b.Ended
	b.Reset(time.Second, end, end)
	if len(b.Samples)+len(b.Ended) != 0 || samples[0].Series != nil || ended[0] != nil {
		t.Error("an empty batch still holds series that are gone")
	}
	if allocs := testing.AllocsPerRun(10, fill); allocs != 0 {
		t.Errorf("%v allocations to fill a batch again, want 0", allocs)
	}
}

func TestUnits(t *testing.T) {
	divisors := map[Unit]float64{Microjoule: 1e6, Millicore: 1e3}
	for unit, want := range map[Unit]string{One: "1", Nanosecond: "ns", Byte: "bytes", Microjoule: "J", Percent: "%", Millicore: "cores"} {
		if unit.String() != want {
			t.Errorf("%v, want %s", unit, want)
		}
		divisor := divisors[unit]
		if divisor == 0 {
			divisor = 1
		}
		if d := unit.Divisor(); d != divisor {
			t.Errorf("%s is divided by %v, want %v", unit, d, divisor)
		}
	}
}

func TestSeriesAttribute(t *testing.T) {
	s := &Series{Attributes: []Attribute{{"name", ""}, {"uid", "7"}}}
	if v, ok := s.Attribute("uid"); v != "7" || !ok {
		t.Errorf("uid %q, %v", v, ok)
	}
	if _, ok := s.Attribute("name"); !ok {
		t.Error("an empty value is taken for none")
	}
	if _, ok := s.Attribute("node"); ok {
		t.Error("an attribute that is not there")
	}
}
