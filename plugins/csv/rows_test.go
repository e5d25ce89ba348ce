package csv

import (
	"math"
	"math/big"
	"testing"

	"github.com/podjoule/podjoule/agent/measure"
)

func TestAppendValue(t *testing.T) {
	f := func(unit measure.Unit, add func(*measure.Batch, *measure.Series), want string) {
		t.Helper()
		var b measure.Batch
		add(&b, &measure.Series{Metric: &measure.Metric{Unit: unit}})
		if got := string(appendValue(nil, &b.Samples[0])); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	counted := func(v uint64) func(*measure.Batch, *measure.Series) {
		return func(b *measure.Batch, s *measure.Series) { b.Uint(s, v) }
	}
	divided := func(v float64) func(*measure.Batch, *measure.Series) {
		return func(b *measure.Batch, s *measure.Series) { b.Float(s, v) }
	}
	f(measure.Byte, counted(0), "0")
	f(measure.Nanosecond, counted(math.MaxUint64), "18446744073709551615")
	f(measure.Microjoule, counted(0), "0")
	f(measure.Microjoule, counted(1), "0.000001")
	f(measure.Microjoule, counted(100_000), "0.1")
	f(measure.Microjoule, counted(1_000_000), "1")
	f(measure.Microjoule, counted(10_000_000), "10")
	f(measure.Microjoule, counted(1_234_560), "1.23456")
	f(measure.Microjoule, counted(math.MaxUint64), "18446744073709.551615")
	f(measure.Microjoule, divided(1_500_000), "1.5")
	f(measure.Millicore, counted(0), "0")
	f(measure.Millicore, counted(1), "0.001")
	f(measure.Millicore, counted(250), "0.25")
	f(measure.Millicore, counted(2_000), "2")
	f(measure.Millicore, counted(math.MaxUint64), "18446744073709551.615")
	f(measure.Percent, divided(0), "0")
	f(measure.Percent, divided(99.99999), "99.99999")
	f(measure.Percent, divided(1.0/3), "0.3333333333333333")
	f(measure.One, divided(1e-9), "1e-09")
	f(measure.One, divided(math.NaN()), "NaN")
}

func FuzzAppendParts(f *testing.F) {
	f.Add(uint64(0))
	f.Add(uint64(1_000_001))
	f.Add(uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, parts uint64) {
		for _, perOne := range []uint64{1, 1_000, 1_000_000} {
			text := string(appendParts(nil, parts, perOne))
			got, ok := new(big.Rat).SetString(text)
			if !ok {
				t.Fatalf("%q is no number", text)
			}
			want := new(big.Rat).SetFrac(new(big.Int).SetUint64(parts), new(big.Int).SetUint64(perOne))
			if got.Cmp(want) != 0 {
				t.Errorf("%d of which %d make one is written as %s", parts, perOne, text)
			}
		}
	})
}
