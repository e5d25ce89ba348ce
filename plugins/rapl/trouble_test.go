package rapl

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// troubles are trees that cannot be measured, or not in full. K13, S6, S7.
func troubles() map[string]struct {
	spoil  func(t *testing.T, class, devices string)
	status status
	says   []string // what is wrong, and what helps
	series int      // what is measured all the same
} {
	type trouble = struct {
		spoil  func(t *testing.T, class, devices string)
		status status
		says   []string
		series int
	}
	energy := func(devices, zone string) string { return filepath.Join(devices, "intel-rapl", zone, "energy_uj") }
	return map[string]trouble{
		"no tree": {func(t *testing.T, class, devices string) { remove(t, class); remove(t, devices) }, statusNoTree,
			[]string{"class/powercap", "virtual machine", "modprobe intel_rapl_msr", "sysfs_root"}, 0},
		"no zones": {func(t *testing.T, class, devices string) {
			for _, path := range []string{class, devices} {
				remove(t, path)
				write(t, "1\n", path, "intel-rapl/enabled")
			}
		}, statusNoZones, []string{"class/powercap", "modprobe intel_rapl_msr"}, 0},
		"an empty tree": {func(t *testing.T, class, devices string) {
			for _, path := range []string{class, devices} {
				remove(t, path)
				if err := os.MkdirAll(path, 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}, statusNoZones, []string{"class/powercap", "modprobe intel_rapl_msr"}, 0},
		// As container runtimes mask it, and as it is when class/powercap is mounted alone.
		"links that lead nowhere": {func(t *testing.T, _, devices string) { remove(t, devices) }, statusMasked,
			[]string{"intel-rapl", "hidden", "mount all of the host's /sys", "sysfs_root"}, 0},
		"energy is masked": {func(t *testing.T, _, devices string) {
			for _, zone := range []string{"intel-rapl:0", "intel-rapl:0/intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1/intel-rapl:1:0"} {
				remove(t, energy(devices, zone))
			}
		}, statusMasked, []string{"package-0", "energy_uj", "hidden", "mount all of the host's /sys"}, 0},
		"energy of one zone is masked": {func(t *testing.T, _, devices string) { remove(t, energy(devices, "intel-rapl:1")) }, statusMasked,
			[]string{"package-1", "energy_uj"}, 3},
		"no permission": {func(t *testing.T, _, devices string) {
			for _, zone := range []string{"intel-rapl:0", "intel-rapl:0/intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1/intel-rapl:1:0"} {
				chmod(t, energy(devices, zone), 0)
			}
		}, statusNoPermission, []string{"package-0", "energy_uj", "permission denied"}, 0},
		"no permission for one zone": {func(t *testing.T, _, devices string) { chmod(t, energy(devices, "intel-rapl:0"), 0) }, statusNoPermission,
			[]string{"package-0", "energy_uj", "permission denied"}, 3},
		"no permission for names": {func(t *testing.T, _, devices string) {
			chmod(t, filepath.Join(devices, "intel-rapl/intel-rapl:1/name"), 0)
		},
			statusNoPermission, []string{"intel-rapl:1", "permission denied"}, 3},
		"no permission for the tree": {func(t *testing.T, class, devices string) { chmod(t, class, 0); chmod(t, devices, 0) }, statusNoPermission,
			[]string{"class/powercap", "permission denied"}, 0},
		"energy is a folder": {func(t *testing.T, _, devices string) {
			remove(t, energy(devices, "intel-rapl:0"))
			if err := os.Mkdir(energy(devices, "intel-rapl:0"), 0o755); err != nil {
				t.Fatal(err)
			}
		}, statusReadError, nil, 3},
		"no range": {func(t *testing.T, _, devices string) {
			remove(t, filepath.Join(devices, "intel-rapl/intel-rapl:0/max_energy_range_uj"))
		},
			statusReadError, []string{"package-0", "max_energy_range_uj"}, 4},
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.Chmod(path, 0o700); err != nil {
			t.Error(err)
		}
	})
}

// Whatever is wrong, one text says what and what helps, the agent goes on, and what can be
// measured is.
func TestEveryTrouble(t *testing.T) {
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree, err := simnode.NewPowercap(dir, simnode.TwoSocketServer()...)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			trouble.spoil(t, filepath.Join(dir, "class/powercap"), filepath.Join(dir, "devices/virtual/powercap"))
			if trouble.status == statusNoPermission {
				plugintest.WithoutRights(t)
			}
			m := open(t, dir)
			_, _ = m.tick()
			said := m.source.Ready()
			got, err := m.tick()
			if len(got) != trouble.series {
				t.Errorf("%d series, want %d: %v", len(got), trouble.series, got)
			}
			if (err != nil) != (trouble.says == nil) {
				t.Errorf("error of the tick: %v", err)
			}
			if (said == nil) != (trouble.says == nil) {
				t.Fatalf("ready says %v, want it to name %v", said, trouble.says)
			}
			for _, want := range trouble.says {
				if !strings.Contains(said.Error(), want) {
					t.Errorf("ready says %q, want %q in it", said, want)
				}
			}
			if said != nil && strings.Contains(said.Error(), "\n") {
				t.Errorf("ready says more than one line: %q", said)
			}
			if again := m.source.Ready(); said != nil && again.Error() != said.Error() {
				t.Errorf("ready says %q, then %q", said, again)
			}
			m.status(trouble.status)
		})
	}
}

// User 0 without any capability reads what is root's alone: that is all the agent needs.
// The remedy is another one for other users.
func TestRightsThatAreNeeded(t *testing.T) {
	dir := t.TempDir()
	tree, err := simnode.NewPowercap(dir, simnode.TwoSocketServer()...)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	plugintest.WithoutRights(t)
	m := open(t, dir)
	m.ticked()
	if got := m.ticked(); len(got) != 4 {
		t.Errorf("%v, want 4 series", got)
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
		err := fmt.Errorf("open energy_uj: %w", errno)
		if st := statusOf(err); st != statusReadError || !strings.Contains(explain(st, err).Error(), "ulimit -n") {
			t.Errorf("%v: status %s, %v", errno, st, explain(st, err))
		}
	}
}

// The tree is looked at again each minute, and no sooner.
func TestTreeThatAppearsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		m := open(t, dir)
		m.ticked()
		m.status(statusNoTree)
		tree, err := simnode.NewPowercap(dir, simnode.AMDServer()...)
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
		if err := m.source.Ready(); err != nil {
			t.Error(err)
		}
		m.must(tree.Spend("intel-rapl:1", 70))
		time.Sleep(time.Second)
		if got := m.ticked(); len(got) != 4 || got["cpu_package 1 package"] != 70 || m.spans["cpu_package 1 package"] != time.Second {
			t.Errorf("then %v over %v", got, m.spans)
		}
	})
}

// A29, K12, S6: an error of the driver costs one zone one tick. The next reading tells of
// both.
func TestDriverFails(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EINVAL, unix.EIO, unix.ENODATA, unix.EAGAIN} {
		t.Run(errno.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t, simnode.TwoSocketServer()...)
				m.ticked()
				restore := m.fail(errno, "intel-rapl:0")
				m.spendAll(simnode.TwoSocketServer())
				got, err := m.tick()
				if err == nil || !strings.Contains(err.Error(), "intel-rapl:0/energy_uj") || !strings.Contains(err.Error(), "1 of 4") {
					t.Errorf("error %v, want one that names the file", err)
				}
				if _, there := got["cpu_package 0 package"]; there || len(got) != 3 || got["dram 0 dram"] != 10 {
					t.Errorf("with one zone missing: %v", got)
				}
				m.status(statusReadError)
				restore()
				m.spendAll(simnode.TwoSocketServer())
				got = m.ticked()
				if got["cpu_package 0 package"] != 2 || got["cpu_package 1 package"] != 100 {
					t.Errorf("then %v", got)
				}
				if m.spans["cpu_package 0 package"] != 10*time.Second || m.spans["dram 0 dram"] != 5*time.Second {
					t.Errorf("over %v", m.spans)
				}
				m.status(statusOK)
				if n := m.counts("read_errors"); n != 1 {
					t.Errorf("%d read errors, want 1", n)
				}
			})
		})
	}
}

// A file that is garbled costs what an error does.
func TestGarbledEnergy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.AMDServer()...)
		m.ticked()
		m.must(os.Chmod(filepath.Join(m.Path("intel-rapl:1"), "energy_uj"), 0o600))
		write(t, strings.Repeat("9", 64), m.Path("intel-rapl:1"), "energy_uj")
		time.Sleep(time.Second)
		if got, err := m.tick(); err == nil || len(got) != 3 {
			t.Errorf("%v, %v", got, err)
		}
		m.spend("intel-rapl:1", 0) // writes it anew, above what is left of it
		m.must(os.Truncate(filepath.Join(m.Path("intel-rapl:1"), "energy_uj"), 20))
		time.Sleep(time.Second)
		if got := m.ticked(); len(got) != 4 || got["cpu_package 1 package"] != 0 {
			t.Errorf("then %v", got)
		}
	})
}
