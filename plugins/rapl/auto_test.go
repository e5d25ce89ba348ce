package rapl

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// both is a machine with two sockets that shows its counters by both ways.
func both(t *testing.T, choice string) *machine {
	t.Helper()
	dir := t.TempDir()
	tree, err := simnode.NewPowercap(dir, simnode.TwoSocketServer()...)
	if err != nil {
		t.Fatal(err)
	}
	m := onPMUs(t, choice, dir, simnode.TwoSocketServerPMUs()...)
	m.Powercap = tree
	t.Cleanup(func() { m.must(tree.Close()) })
	return m
}

// spendBoth has package 0 consume an energy, which both ways show.
func (m *machine) spendBoth(energy uint64) {
	m.Helper()
	m.spend("intel-rapl:0", energy)
	m.must(m.pmus.Spend("power", "energy-pkg", 0, countsFor(energy)))
	time.Sleep(5 * time.Second)
}

// serves checks by which way the machine is measured, and why, and that no series is of
// another one.
func (m *machine) serves(source, reason string) {
	m.Helper()
	for _, d := range m.source.domains {
		if source == "" {
			break // zones that cannot be read have series that tell nothing
		}
		if got, _ := d.series.Attribute(keySource); got != source {
			m.Errorf("%s is from %s, want %s", nameOf(d.series), got, source)
		}
	}
	want := int64(1)
	if source == "" {
		want = 0
	}
	if n := m.counts("source"); n != want {
		m.Errorf("%d ways are told, want %d", n, want)
	}
	if n := m.counts("source", attribute.String("source", source), attribute.String("reason", reason)); n != want {
		m.Errorf("told of source %q because of %q: %d, want %d; it is %q because of %q", source, reason, n, want,
			m.source.state.Load().source, m.source.state.Load().why)
	}
}

func (m *machine) tree() string { return filepath.Join(m.host.SysfsRoot, "devices/virtual/powercap") }

// What can be read decides, powercap before perf.
func TestAuto(t *testing.T) {
	all := []string{packageOf0, packageOf1, "dram 0 dram", "dram 1 dram"}
	noPowercap := func(m *machine) {
		m.must(os.RemoveAll(filepath.Join(m.host.SysfsRoot, "class/powercap")))
		m.must(os.RemoveAll(m.tree()))
	}
	noEnergy := func(m *machine) {
		for _, z := range simnode.TwoSocketServer() {
			m.must(os.Remove(filepath.Join(m.Path(z.Folder), "energy_uj")))
		}
	}
	for name, tt := range map[string]struct {
		choice         string
		change         func(m *machine)
		source, reason string
		status         status
		says           []string
	}{
		"both":               {"auto", func(*machine) {}, "rapl-powercap", "first_choice", statusOK, nil},
		"both, perf chosen":  {"perf", func(*machine) {}, "rapl-perf", "configured", statusOK, nil},
		"both, files chosen": {"powercap", func(*machine) {}, "rapl-powercap", "configured", statusOK, nil},
		"no tree":            {"auto", noPowercap, "rapl-perf", "powercap_no_tree", statusOK, nil},
		"no tree, but chosen": {"powercap", noPowercap, "", "", statusNoTree,
			[]string{"class/powercap"}},
		"masked": {"auto", noEnergy, "rapl-perf", "powercap_masked", statusOK, nil},
		"a driver that refuses": {"auto", func(m *machine) {
			m.source.kernel.pread = func(int, []byte, int64) (int, error) { return 0, unix.EINVAL }
		}, "rapl-perf", "powercap_read_error", statusOK, nil},
		"neither": {"auto", func(m *machine) {
			noPowercap(m)
			m.must(os.RemoveAll(m.pmus.Path("power")))
		}, "", "", statusNoTree, []string{"class/powercap", "modprobe intel_rapl_msr", "event_source/devices/power", "modprobe rapl"}},
		"no tree, and no right to count": {"auto", func(m *machine) {
			noPowercap(m)
			m.pmus.Refuse(unix.EACCES)
		}, "", "", statusNoPermission, []string{"class/powercap", "package-0", "PERFMON", "perf_event_paranoid"}},
		"masked, and seccomp": {"auto", func(m *machine) {
			noEnergy(m)
			m.pmus.Refuse(unix.EPERM)
		}, "", "", statusMasked, []string{"energy_uj", "hidden", "seccomp", "PERFMON"}},
		"no right to count, but chosen": {"perf", func(m *machine) { m.pmus.Refuse(unix.EACCES) }, "", "", statusNoPermission,
			[]string{"package-0", "energy-pkg on CPU 0", "PERFMON"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := both(t, tt.choice)
				tt.change(m)
				for range 2 {
					_, _ = m.tick()
					m.spendBoth(70)
				}
				got, err := m.tick()
				m.serves(tt.source, tt.reason)
				m.status(tt.status)
				ready := m.source.Ready()
				if tt.says == nil {
					if diff := cmp.Diff(all, sortedKeys(got)); diff != "" || got[packageOf0] != 70 || err != nil || ready != nil {
						t.Errorf("%v, %v, ready: %v\n%s", got, err, ready, diff)
					}
					return
				}
				if len(got) != 0 || ready == nil || strings.Contains(ready.Error(), "\n") {
					t.Fatalf("%v, ready: %v", got, ready)
				}
				for _, want := range tt.says {
					if !strings.Contains(ready.Error(), want) {
						t.Errorf("ready says %q, want %q in it", ready, want)
					}
				}
			})
		})
	}
}

// Without the right to read files, events are counted.
func TestAutoWithoutRights(t *testing.T) {
	m := both(t, sourceAuto)
	for _, z := range simnode.TwoSocketServer() {
		chmod(t, filepath.Join(m.Path(z.Folder), "energy_uj"), 0)
	}
	plugintest.WithoutRights(t)
	m.ticked()
	m.serves("rapl-perf", "powercap_no_permission")
}

// What serves goes away, and comes back: the machine is measured by the other way from the
// next look on, in series of its own, with no energy twice and none guessed.
func TestAutoChangesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := both(t, sourceAuto)
		told := uint64(0)
		step := func() map[string]uint64 {
			m.spendBoth(1000)
			got, _ := m.tick()
			told += got[packageOf0]
			return got
		}
		m.ticked()
		step()
		m.serves("rapl-powercap", "first_choice")
		away := m.tree() + ".away"
		rename(t, m.tree(), away)
		restore := m.fail(unix.ENODEV, "intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1:0")
		if got := step(); len(got) != 0 { // the driver says that it is gone
			t.Errorf("%v", got)
		}
		restore()
		if got := step(); len(got) != 0 || len(m.ended) != 4 || len(m.source.zones) != 4 { // and perf begins
			t.Errorf("%v, %v ended", got, m.ended)
		}
		m.serves("rapl-perf", "powercap_masked")
		told = 0
		for range 5 {
			if got := step(); got[packageOf0] != 1000 || len(got) != 4 || m.spans[packageOf0] != 5*time.Second {
				t.Errorf("%v over %v", got, m.spans)
			}
		}
		// Powercap is back. Perf goes on, as series end with a change.
		rename(t, away, m.tree())
		time.Sleep(lookInterval)
		step()
		m.serves("rapl-perf", "powercap_masked")
		for range 15 {
			step()
		}
		if told != 21*1000 || len(m.ended) != 4 {
			t.Errorf("%d µJ, want %d; %v ended", told, 21*1000, m.ended)
		}
		// What is open may be read, whatever would be refused now.
		m.pmus.Refuse(unix.EACCES)
		time.Sleep(lookInterval)
		if got := step(); got[packageOf0] != 1000 {
			t.Errorf("%v", got)
		}
		m.serves("rapl-perf", "powercap_masked")
		// Now perf goes, and files are read again.
		m.must(os.RemoveAll(m.pmus.Path("power")))
		time.Sleep(lookInterval)
		step()
		m.serves("rapl-powercap", "perf_no_tree")
		if len(m.ended) != 8 || m.pmus.Opened() != 0 {
			t.Errorf("%v ended, %d events are open", m.ended, m.pmus.Opened())
		}
		if got := step(); got[packageOf0] != 1000 || len(got) != 4 {
			t.Errorf("%v", got)
		}
		slices.Sort(m.ended)
		if n := len(slices.Compact(m.ended)); n != 4 {
			t.Errorf("%v ended", m.ended)
		}
	})
}

// What was counted between two ticks by the way that goes is told once more.
func TestChangeOverLosesNoReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := both(t, sourceAuto)
		m.ticked()
		m.spendBoth(1000)
		time.Sleep(lookInterval)
		m.source.keepUp(t.Context())
		m.must(os.RemoveAll(m.tree()))
		m.spendBoth(500)
		got := m.ticked()
		if got[packageOf0] != 1000 || len(m.ended) != 4 {
			t.Errorf("%v, %v ended; want what was read before", got, m.ended)
		}
		m.serves("rapl-perf", "powercap_masked")
		m.spendBoth(7)
		if got := m.ticked(); got[packageOf0] != 7 {
			t.Errorf("then %v", got)
		}
	})
}
