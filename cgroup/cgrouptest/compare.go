package cgrouptest

import (
	"slices"
	"testing"
	"time"
)

// Compare benchmarks a sweep over cgroups, under the given name, and a pread of
// the same files and nothing else, as "pread". Its third part, "ratio", runs the
// two in turns and reports as "x-pread" how many times the second the first takes,
// as InTurns has it.
func Compare(b *testing.B, name string, sweep, pread func()) {
	for _, part := range []struct {
		name string
		run  func()
	}{{name, sweep}, {"pread", pread}} {
		b.Run(part.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				part.run()
			}
		})
	}
	b.Run("ratio", func(b *testing.B) {
		b.ReportMetric(InTurns(b, sweep, pread).Ratio, "x-pread")
	})
}

// Turns is what two functions took that were run in turns.
type Turns struct {
	// Ours and Theirs are the medians of what each took.
	Ours, Theirs time.Duration
	// Ratio is how many times theirs ours took, in the median of all turns.
	Ratio float64
}

// InTurns runs two functions in turns, for as long as the benchmark is to take, so that
// a noisy machine hits both alike. Who is first changes with each turn. The benchmark
// has no ns/op, which would be that of both together.
func InTurns(b *testing.B, ours, theirs func()) Turns {
	b.Helper()
	var our, their []time.Duration
	var ratios []float64
	for b.Loop() {
		first, second := ours, theirs
		if len(our)%2 == 1 {
			first, second = second, first
		}
		start := time.Now()
		first()
		middle := time.Now()
		second()
		o, t := middle.Sub(start), time.Since(middle)
		if len(our)%2 == 1 {
			o, t = t, o
		}
		our, their, ratios = append(our, o), append(their, t), append(ratios, float64(o)/float64(t))
	}
	b.ReportMetric(0, "ns/op")
	return Turns{median(our), median(their), median(ratios)}
}

func median[T time.Duration | float64](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}
