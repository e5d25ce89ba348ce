package rapl

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/simnode"
)

// newPMUMachine makes PMUs and opens the plugin on them, by perf alone.
func newPMUMachine(t testing.TB, units ...simnode.PMU) *machine {
	t.Helper()
	return onPMUs(t, sourcePerf, t.TempDir(), units...)
}

// onPMUs makes PMUs in a folder where a powercap tree may be, and opens the plugin.
func onPMUs(t testing.TB, choice, sysfs string, units ...simnode.PMU) *machine {
	t.Helper()
	pmus, err := simnode.NewPMUs(sysfs, units...)
	if err != nil {
		t.Fatal(err)
	}
	m := openBy(t, choice, sysfs)
	m.pmus, m.source.kernel = pmus, kernelOf(t, pmus)
	return m
}

// kernelOf is a kernel that has PMUs. It refuses what the kernel's own PMU refuses: to
// sample, to count a process, and to leave out a mode.
func kernelOf(t testing.TB, pmus *simnode.PMUs) *kernel {
	k := realKernel()
	k.event = func(attr *unix.PerfEventAttr, pid, cpu, group, flags int) (int, error) {
		if attr.Sample != 0 || attr.Bits != 0 || pid != -1 || group != -1 || flags != unix.PERF_FLAG_FD_CLOEXEC ||
			attr.Size != unix.PERF_ATTR_SIZE_VER0 ||
			attr.Read_format != unix.PERF_FORMAT_TOTAL_TIME_ENABLED|unix.PERF_FORMAT_TOTAL_TIME_RUNNING {
			t.Errorf("an event with %+v, pid %d, group %d, flags %d", attr, pid, group, flags)
			return -1, unix.EINVAL
		}
		return pmus.Open(attr.Type, attr.Config, cpu)
	}
	k.read = pmus.Read
	k.close = func(fd int) error {
		if err := pmus.Close(fd); err == nil {
			return nil
		}
		return unix.Close(fd)
	}
	return k
}

// countsFor is the least number of counts that are worth an energy in µJ.
func countsFor(energy uint64) uint64 { return (energy<<26 + 15624) / 15625 } // 2^-32 J are 15625/2^26 µJ

// spendEach has the n-th counter consume 10^n µJ, event by event and in each CPU by CPU,
// and time pass for it.
func (m *machine) spendEach(units []simnode.PMU) {
	m.Helper()
	energy := uint64(1)
	for _, u := range units {
		for _, event := range u.Events {
			for _, c := range u.CPUs {
				m.must(m.pmus.Spend(u.Name, event, c.CPU, countsFor(energy)))
				energy *= 10
			}
		}
	}
	time.Sleep(5 * time.Second)
}

// vendor says whose CPUs a machine has.
func (m *machine) vendor(name string) {
	m.Helper()
	m.must(os.MkdirAll(m.host.ProcfsRoot, 0o755))
	write(m, fmt.Sprintf("processor\t: 0\nvendor_id\t: %s\ncpu family\t: 6\n", name), m.host.ProcfsRoot, "cpuinfo")
}
