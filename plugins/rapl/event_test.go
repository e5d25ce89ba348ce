package rapl

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel itself opens an event as it is asked for here, and its reading is understood:
// the time of a CPU, in place of energy.
func TestEventOfARealKernel(t *testing.T) {
	k := realKernel()
	s, err := parseScale("1e-9") // the event counts ns: as if a nanosecond were a nanojoule
	if err != nil {
		t.Fatal(err)
	}
	z := &zone{fd: -1, found: found{names: []string{"package-0"}, anew: true,
		access: &event{"the clock of CPU 0", unix.PERF_TYPE_SOFTWARE, unix.PERF_COUNT_SW_CPU_CLOCK, 0, &s}}}
	z.open(k)
	if z.refused != nil {
		t.Skipf("this machine does not let us count: %v", z.refused)
	}
	defer z.close(k)
	buf := make([]byte, 64)
	begin := time.Now()
	first, err := z.read(k, buf)
	if err != nil {
		t.Fatal(err)
	}
	// Busy on it or not, the clock counts.
	for time.Since(begin) < 2*still {
		time.Sleep(still / 10)
	}
	second, err := z.read(k, buf)
	if err != nil {
		t.Fatal(err)
	}
	passed := uint64(time.Since(begin).Microseconds())
	if told := second - first; told < passed/2 || told > passed*2 || first > passed {
		t.Errorf("%d µs by the event, %d by the clock", told, passed)
	}
	if err := unix.Close(z.fd); err != nil {
		t.Error(err)
	}
	if _, err := z.read(k, buf); err == nil {
		t.Error("an event that is closed can be read")
	}
	z.fd = -1
	for what, bad := range map[string]event{
		"no such event": {pmu: unix.PERF_TYPE_SOFTWARE, config: 99, scale: &s},
		"no such PMU":   {pmu: 1 << 20, scale: &s},
		"no such CPU":   {pmu: unix.PERF_TYPE_SOFTWARE, cpu: 9999, scale: &s},
	} {
		if fd, err := bad.open(k); err == nil || fd != -1 || statusOf(err) != statusReadError {
			t.Errorf("%s: %d, %v", what, fd, err)
		}
	}
}
