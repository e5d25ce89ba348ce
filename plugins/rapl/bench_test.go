package rapl

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

// mostForReading is what a tick of a machine with two sockets may take.
const mostForReading = 20 * time.Microsecond

// BenchmarkRead is a tick of a machine with two sockets and all their zones, by each way. It
// fails where the median tick takes longer than it may: what else the machine does makes
// some ticks longer, but not most.
func BenchmarkRead(b *testing.B) {
	b.Run("powercap", func(b *testing.B) { benchmarkRead(b, newMachine(b, simnode.TwoSocketServer()...)) })
	b.Run("perf", func(b *testing.B) {
		m := newPMUMachine(b, simnode.TwoSocketServerPMUs()...)
		standIn(b, m)
		benchmarkRead(b, m)
	})
}

// standIn has a real kernel count the time of CPU 0 in place of energy, so that a reading
// costs what the kernel's does but for the reading of the register.
func standIn(b *testing.B, m *machine) {
	b.Helper()
	m.source.kernel = realKernel()
	m.source.kernel.event = func(attr *unix.PerfEventAttr, pid, _, group, flags int) (int, error) {
		clock := *attr
		clock.Type, clock.Config = unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CPU_CLOCK
		return unix.PerfEventOpen(&clock, pid, 0, group, flags)
	}
	if _, err := m.tick(); err != nil || m.source.Ready() != nil {
		b.Skipf("this machine does not let us count: %v", m.source.Ready())
	}
}

func benchmarkRead(b *testing.B, m *machine) {
	batch := new(measure.Batch)
	end := time.Now()
	took := make([]time.Duration, 0, 1<<16)
	_, _ = m.tick() // looks for the zones
	b.ReportAllocs()
	for b.Loop() {
		batch.Reset(time.Second, end, end.Add(time.Second))
		end = end.Add(time.Second)
		begin := time.Now()
		if err := m.source.Poll(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if len(took) < cap(took) {
			took = append(took, time.Since(begin))
		}
	}
	if len(batch.Samples) != 4 {
		b.Fatalf("%d samples, want 4", len(batch.Samples))
	}
	slices.Sort(took)
	median := took[len(took)/2]
	b.ReportMetric(float64(median.Nanoseconds()), "median-ns")
	if median > mostForReading && len(took) >= 100 {
		b.Fatalf("the median of %d ticks takes %v, want at most %v", len(took), median, mostForReading)
	}
}
