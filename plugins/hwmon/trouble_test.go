package hwmon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// troubles are machines that cannot be measured, or not in full: AMD's counters of two
// sockets and a meter of ACPI. S6, S7.
func troubles() map[string]struct {
	spoil  func(t *testing.T, h *simnode.Hwmon, class string)
	meters []Meter
	status status
	says   []string // what is wrong, and what helps
	series int      // what is measured all the same
} {
	type trouble = struct {
		spoil  func(t *testing.T, h *simnode.Hwmon, class string)
		meters []Meter
		status status
		says   []string
		series int
	}
	none := func(*testing.T, *simnode.Hwmon, string) {}
	return map[string]trouble{
		"no tree": {spoil: func(t *testing.T, _ *simnode.Hwmon, class string) { noError(t, os.RemoveAll(class)) }, status: statusNoTree,
			says: []string{"class/hwmon is not there", "virtual machine", "sysfs_root"}},
		"no chips": {spoil: func(t *testing.T, _ *simnode.Hwmon, class string) {
			noError(t, os.RemoveAll(class))
			noError(t, os.Mkdir(class, 0o755))
		}, status: statusNoMeter, says: []string{"no meter of hwmon is known", "no sensor of energy or power", "virtual machine"}},
		"no chip that is known": {spoil: func(t *testing.T, _ *simnode.Hwmon, class string) {
			noError(t, os.Remove(filepath.Join(class, "hwmon1")))
			noError(t, os.Remove(filepath.Join(class, "hwmon2")))
		}, status: statusNoMeter, says: []string{"nvme/nvme0/Composite", "BAT0/BAT0/power1", "name it in meters"}},
		// As when class/hwmon is mounted alone.
		"links that lead nowhere": {spoil: func(t *testing.T, h *simnode.Hwmon, class string) {
			noError(t, os.RemoveAll(filepath.Join(filepath.Dir(filepath.Dir(class)), "devices")))
		}, status: statusMasked, says: []string{"hwmon1", "leads nowhere", "mount all of the host's /sys"}},
		"one chip has no name": {spoil: func(t *testing.T, h *simnode.Hwmon, _ string) {
			noError(t, os.WriteFile(filepath.Join(h.Path(amd), "name"), nil, 0o644))
		}, status: statusReadError, says: []string{"hwmon1/name", "empty"}, series: 1},
		"no permission for a name": {spoil: func(t *testing.T, h *simnode.Hwmon, _ string) {
			device := filepath.Join(h.Path(amd), "device/name")
			noError(t, os.Rename(filepath.Join(h.Path(amd), "name"), device))
			chmod(t, device)
		}, status: statusNoPermission, says: []string{"hwmon1/device/name", "permission denied"}, series: 1},
		"a channel of another name": {spoil: none, meters: []Meter{{Chip: "amd_energy", Label: "energy3", Domain: "package"}, {Chip: "power_meter", Domain: "machine"}},
			status: statusAbsent, says: []string{"meter amd_energy/energy3 is not there"}, series: 1},
		"no permission for a counter": {spoil: func(t *testing.T, h *simnode.Hwmon, _ string) { chmod(t, h.Path(amd), "energy3_input") },
			status: statusNoPermission, says: []string{"amd_energy/amd_energy.0/Esocket0", "permission denied"}, series: 2},
		"no permission for power": {spoil: func(t *testing.T, h *simnode.Hwmon, _ string) { chmod(t, h.Path("ACPI000D:00"), "power1_average") },
			status: statusNoPermission, says: []string{"power_meter/ACPI000D:00/power1", "permission denied"}, series: 2},
		"no permission for the tree": {spoil: func(t *testing.T, _ *simnode.Hwmon, class string) { chmod(t, class) },
			status: statusNoPermission, says: []string{"class/hwmon", "permission denied"}},
		"a sensor is a folder": {spoil: func(t *testing.T, h *simnode.Hwmon, _ string) {
			path := filepath.Join(h.Path(amd), "energy3_input")
			noError(t, os.Remove(path))
			noError(t, os.Mkdir(path, 0o755))
		}, status: statusReadError, says: []string{"Esocket0", "is a directory"}, series: 2},
		"garbled": {spoil: func(t *testing.T, h *simnode.Hwmon, _ string) { write(t, "lots\n", h.Path(amd), "energy3_input") },
			status: statusReadError, says: []string{"Esocket0", "want a number", "lots"}, series: 2},
		"a meter that is not there": {spoil: none, meters: []Meter{{Chip: "amd_energy", Label: "Esocket0", Domain: "package"}, {Chip: "ina3221", Device: "1-0041", Domain: "x"}},
			status: statusAbsent, says: []string{"ina3221/1-0041", "is its driver loaded?", "Ecore000", "and 2 more"}, series: 1},
		"a meter of another device": {spoil: none, meters: []Meter{{Chip: "amd_energy", Device: "amd_energy.1", Label: "Esocket0", Domain: "package"}, {Chip: "power_meter", Domain: "machine"}},
			status: statusAbsent, says: []string{"meter amd_energy/amd_energy.1/Esocket0 is not there"}, series: 1},
		"no meter is there": {spoil: none, meters: []Meter{{Chip: "ina3221", Domain: "x"}}, status: statusAbsent, says: []string{"meter ina3221 is not there"}},
		"a meter that fits several": {spoil: none, meters: []Meter{{Chip: "amd_energy", Domain: "package"}, {Chip: "power_meter", Domain: "machine"}},
			status: statusAmbiguous, says: []string{"meter amd_energy fits 4 sensors", "name its device and its label"}, series: 1},
		"one sensor twice": {spoil: none, meters: []Meter{{Chip: "power_meter", Domain: "machine"}, {Chip: "power_meter", Label: "power1", Domain: "x"}},
			status: statusAmbiguous, says: []string{"power_meter/power1", "another one is too"}, series: 1},
	}
}

func chmod(t *testing.T, path ...string) {
	t.Helper()
	file := filepath.Join(path...)
	noError(t, os.Chmod(file, 0))
	t.Cleanup(func() { noError(t, os.Chmod(file, 0o700)) })
}

// Whatever is wrong, one text says what and what helps, the agent goes on, and what can be
// measured is. Missing is missing, and never 0.
func TestEveryTrouble(t *testing.T) {
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree, err := simnode.NewHwmon(dir, slices.Concat(simnode.AMDEnergy(2, 2), simnode.ACPIMeter(false), simnode.OtherSensors())...)
			noError(t, err)
			defer tree.Close()
			trouble.spoil(t, tree, filepath.Join(dir, "class/hwmon"))
			if trouble.status == statusNoPermission {
				plugintest.WithoutRights(t)
			}
			m := open(t, dir, only(trouble.meters...))
			_, _ = m.tick()
			said := m.source.Ready()
			for _, x := range m.source.meters {
				x.pace = time.Hour // so that nothing is too far apart
			}
			m.source.keepUp(t.Context())
			got := m.untilTold()
			if len(got) != trouble.series {
				t.Errorf("%d series, want %d: %v", len(got), trouble.series, got)
			}
			if said == nil {
				t.Fatalf("ready says nothing, want it to name %v", trouble.says)
			}
			for _, want := range trouble.says {
				if !strings.Contains(said.Error(), want) {
					t.Errorf("ready says %q, want %q in it", said, want)
				}
			}
			if strings.Contains(said.Error(), "\n") {
				t.Errorf("ready says more than one line: %q", said)
			}
			if again := m.source.Ready(); again == nil || again.Error() != said.Error() {
				t.Errorf("ready says %q, then %q", said, again)
			}
			m.status(trouble.status)
		})
	}
}

// untilTold ends a window in which means are due, too.
func (m *machine) untilTold() map[string]uint64 {
	m.Helper()
	for _, x := range m.source.meters {
		x.integral.at = x.integral.at.Add(-time.Hour)
	}
	got, _ := m.tick()
	return got
}

// A sensor that is disabled is no error of a tick. It is said, and it goes on when it is
// enabled.
func TestSensorIsDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, append(simnode.AMDEnergy(2, 2), simnode.ACPIMeter(false)...)...)
		m.run()
		m.ticked()
		restore := m.fail(unix.ENODATA, "energy3_input", "power1_average")
		for range 3 {
			m.must(m.Spend(amd, "energy3_input", 3))
			time.Sleep(10 * time.Second)
			synctest.Wait()
			if got := m.ticked(); len(got) != 1 {
				t.Errorf("%v", got)
			}
			m.status(statusDisabled)
			if err := m.source.Ready(); err == nil || !strings.Contains(err.Error(), "_enable") {
				t.Errorf("ready says %v", err)
			}
		}
		restore()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if got := m.ticked(); got[first] != 9 || m.spans[first] != 35*time.Second || len(got) != 2 {
			t.Errorf("%v over %v", got, m.spans)
		}
		m.status(statusOK)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		want := map[string]uint64{first: 0, next: 0, "local_machine machine": 1000 * joule}
		if diff := cmp.Diff(want, m.ticked()); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
		if errors, dropped := m.counts("read_errors"), m.counts("dropped_intervals"); errors != 0 || dropped != 1 {
			t.Errorf("%d read errors and %d intervals dropped, want 0 and 1", errors, dropped)
		}
	})
}

// User 0 without any capability reads what is root's alone, as AMD's counters are.
func TestRightsThatAreNeeded(t *testing.T) {
	m := newMachine(t, nil, simnode.AMDEnergy(2, 2)...)
	for _, file := range []string{"energy3_input", "energy4_input"} {
		m.must(os.Chmod(filepath.Join(m.Path(amd), file), 0o440))
	}
	plugintest.WithoutRights(t)
	m.ticked()
	if got := m.ticked(); len(got) != 2 {
		t.Errorf("%v, want 2 series", got)
	}
	m.status(statusOK)
	for _, remedy := range []string{remedyUser, remedyRoot} {
		said := explain(statusNoPermission, os.ErrPermission).Error()
		if strings.Contains(said, remedy) != ((remedy == remedyRoot) == (os.Geteuid() == 0)) {
			t.Errorf("user %d is told %q", os.Geteuid(), said)
		}
	}
}

// The limit of open files is named, whichever one it is.
func TestFilesRunOut(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EMFILE, unix.ENFILE} {
		err := fmt.Errorf("open power1_input: %w", errno)
		if st := statusOf(err); st != statusReadError || !strings.Contains(explain(st, err).Error(), "ulimit -n") {
			t.Errorf("%v: status %s, %v", errno, st, explain(st, err))
		}
	}
}

// The tree is looked at again each minute, and no sooner. Power is sampled from then on.
func TestTreeThatAppearsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		m := open(t, dir, nil)
		m.run()
		m.ticked()
		m.status(statusNoTree)
		tree, err := simnode.NewHwmon(dir, simnode.ACPIMeter(true)...)
		m.must(err)
		defer tree.Close()
		time.Sleep(lookInterval - time.Second)
		m.ticked()
		m.status(statusNoTree)
		time.Sleep(time.Second)
		if got := m.ticked(); len(got) != 0 {
			t.Errorf("the first readings tell %v", got)
		}
		m.status(statusOK)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := m.ticked(); got["local_machine machine"] != 2000*joule || m.spans["local_machine machine"] != 10*time.Second {
			t.Errorf("then %v over %v", got, m.spans)
		}
		if err := m.source.Ready(); err != nil {
			t.Error(err)
		}
	})
}
