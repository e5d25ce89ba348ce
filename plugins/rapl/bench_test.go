package rapl

import (
	"runtime"
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
// some ticks longer, but not most. Events of another CPU cost an interrupt there for each,
// whose price is the machine's (a virtual one's is many times a real one's): without a limit.
func BenchmarkRead(b *testing.B) {
	b.Run("powercap", func(b *testing.B) { benchmarkRead(b, newMachine(b, simnode.TwoSocketServer()...), mostForReading) })
	b.Run("perf", func(b *testing.B) { benchmarkRead(b, standIn(b, 0), mostForReading) })
	b.Run("perf-of-another-cpu", func(b *testing.B) { benchmarkRead(b, standIn(b, 1), 0) })
}

// standIn is a machine on which a real kernel counts the time of a CPU in place of energy,
// so that a reading costs what the kernel's does but for that of the register. The benchmark
// stays on a CPU, and the events are of the one that comes so many places after it.
func standIn(b *testing.B, after int) *machine {
	b.Helper()
	m := newPMUMachine(b, simnode.TwoSocketServerPMUs()...)
	runtime.LockOSThread() // and never unlocked: the thread ends with the benchmark
	var allowed, one unix.CPUSet
	m.must(unix.SchedGetaffinity(0, &allowed))
	var cpus []int
	for cpu := 0; len(cpus) < allowed.Count(); cpu++ {
		if allowed.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	if after >= len(cpus) {
		b.Skip("there is no other CPU")
	}
	one.Set(cpus[0])
	m.must(unix.SchedSetaffinity(0, &one))
	m.source.kernel = realKernel()
	m.source.kernel.event = func(attr *unix.PerfEventAttr, pid, _, group, flags int) (int, error) {
		clock := *attr
		clock.Type, clock.Config = unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CPU_CLOCK
		return unix.PerfEventOpen(&clock, pid, cpus[after], group, flags)
	}
	if _, err := m.tick(); err != nil || m.source.Ready() != nil {
		b.Skipf("this machine does not let us count: %v", m.source.Ready())
	}
	return m
}

func benchmarkRead(b *testing.B, m *machine, most time.Duration) {
	b.Helper()
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
	if most > 0 && median > most && len(took) >= 100 {
		b.Fatalf("the median of %d ticks takes %v, want at most %v", len(took), median, most)
	}
}
