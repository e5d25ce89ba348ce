package simnode

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The meter counts what is drawn, to the microjoule and over its end, and the CPUs' time
// is what was busy.
func TestMachine(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	began := time.Now()
	m, err := newMachine(began)
	must(t, err)
	path := filepath.Join(m.sysfs(), "class/powercap/intel-rapl:0")
	counter := func() uint64 {
		t.Helper()
		n, err := strconv.ParseUint(energyOf(t, path), 10, 64)
		must(t, err)
		return n
	}
	for _, step := range []struct {
		passed, pods time.Duration
		energy       uint64 // µJ since the start
		stat         string
	}{
		{0, 0, 0, "cpu  0000000000 0 0000000000 0000000000 0 0 0 0 0 0\n"},
		// 9 W, 15 W of 0.15 cores, and 15 W of 0.5 cores.
		{time.Second, 500 * time.Millisecond, 9_000_000 + 2_250_000 + 7_500_000, "cpu  0000000050 0 0000000015 0000000335 0 0 0 0 0 0\n"},
		// Nothing goes back, whatever it is told.
		{time.Second / 2, time.Millisecond, 18_750_000, "cpu  0000000050 0 0000000015 0000000335 0 0 0 0 0 0\n"},
		{time.Second + 7*time.Microsecond, 500*time.Millisecond + 1999, 18_750_000 + 63 + 15 + 15, "cpu  0000000050 0 0000000015 0000000335 0 0 0 0 0 0\n"},
		{10 * time.Second, 3 * time.Second, 90_000_000 + 22_500_000 + 45_000_000, "cpu  0000000300 0 0000000150 0000003550 0 0 0 0 0 0\n"},
		// More work than there are cores is no reason to count backwards.
		{11 * time.Second, time.Hour, 99_000_000 + 24_750_000 + 54_000_000_000, "cpu  0000360000 0 0000000165 0000000000 0 0 0 0 0 0\n"},
	} {
		must(t, m.step(began.Add(step.passed), step.pods))
		if got, want := counter(), (machineRange-untilWrap+step.energy)%machineRange; got != want || m.tree.Spent(machineZone) != step.energy {
			t.Errorf("after %v: the counter shows %d, want %d; %d µJ were spent, want %d", step.passed, got, want, m.tree.Spent(machineZone), step.energy)
		}
		if got := read(t, m.procfs(), "stat"); got != step.stat {
			t.Errorf("after %v: got %q, want %q", step.passed, got, step.stat)
		}
	}
	must(t, m.close())
	if _, err := os.Stat(m.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left: %v", m.dir, err)
	}
}

// What a node's meter counts is idle, what its pods cost, also those that ended, and what
// runs beside them.
func TestNodesMeter(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	n, err := Start(t.Context(), Options{Mode: Simulated, Script: shortScript()})
	must(t, err)
	for passed := time.Duration(0); passed <= 5*time.Second; passed += nodeStep {
		now := n.started.Add(passed)
		must(t, n.step(now))
		var used time.Duration
		for _, truth := range n.Truth() {
			used += truth.CPU
		}
		must(t, n.machine.step(now, used))
	}
	var pods, ended uint64
	for _, truth := range n.Truth() {
		pods += truth.Energy
		if !truth.Alive {
			ended += truth.Energy
		}
		if want := CoreWatts * uint64(truth.CPU.Microseconds()); truth.Energy != want || want == 0 {
			t.Errorf("%s cost %d µJ, want %d", truth.Name, truth.Energy, want)
		}
	}
	if ended == 0 {
		t.Error("no pod has ended: the test shows nothing")
	}
	beside := uint64(5_000_000 * (IdleWatts + CoreWatts*otherWork/100.))
	if got := n.machine.tree.Spent(machineZone); got < pods+beside || got-pods-beside > 2*CoreWatts {
		t.Errorf("the meter counted %d µJ, want the pods' %d and %d, and less than a µs of each of 3 pods", got, pods, beside)
	}
	if !strings.Contains(n.Describe(), "simulated: it counts 9 W") {
		t.Errorf("%q does not say what the meter is", n.Describe())
	}
	// By itself it counts up to now, which is before all that.
	spent := n.machine.tree.Spent(machineZone)
	truth, err := n.Count()
	must(t, err)
	if diff := cmp.Diff(n.Truth(), truth); diff != "" {
		t.Errorf("another truth was counted (-want +got):\n%s", diff)
	}
	if got := n.machine.tree.Spent(machineZone); got != spent {
		t.Errorf("the meter went from %d µJ to %d in no time", spent, got)
	}
	n.machine.passed, n.machine.began = 0, n.machine.began.Add(-time.Hour)
	_, err = n.Count()
	must(t, err)
	if got := n.machine.tree.Spent(machineZone); got < spent+3_600_000_000 {
		t.Errorf("the meter went from %d µJ to %d in an hour", spent, got)
	}
	must(t, n.Close())
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}
