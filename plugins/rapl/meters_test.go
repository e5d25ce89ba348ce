package rapl

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

var _ plugin.Metered = (*source)(nil)

// statesOf returns the meters' states by name, and checks what each must have.
func (m *machine) statesOf() map[string]plugin.MeterState {
	m.Helper()
	got := make(map[string]plugin.MeterState)
	for _, x := range m.source.Meters() {
		if _, twice := got[x.Name]; twice || x.Name == "" {
			m.Errorf("%q is there twice, or is no name", x.Name)
		}
		got[x.Name] = x.State
		if used := x.State == plugin.MeterUsed; used != (len(x.Energy) == 1) || !used && x.Why == "" {
			m.Errorf("%s is %s with %d series and the reason %q", x.Name, x.State, len(x.Energy), x.Why)
		}
	}
	return got
}

// Every layout has a meter for each of its series, and one for each zone that shows what
// another one does.
func TestMetersOfEveryLayout(t *testing.T) {
	for name, layout := range layouts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t, layout.zones...)
				m.ticked()
				m.spendAll(layout.zones)
				m.ticked()
				m.statesOf()
				domains, duplicates := make(map[string]bool), int64(0)
				for _, x := range m.source.Meters() {
					switch x.State {
					case plugin.MeterUsed:
						domains[nameOf(x.Energy[0])] = true
						if want, _ := x.Energy[0].Attribute(keyDomain); x.Domain != want || x.Resource != x.Energy[0].Resource || x.Why != "" {
							t.Errorf("%+v does not agree with its series", x)
						}
					case plugin.MeterDuplicate:
						duplicates++
						if !strings.HasPrefix(x.Why, "it shows what intel-rapl") {
							t.Errorf("%s: %q does not name the zone that is used", x.Name, x.Why)
						}
					default:
						t.Errorf("%s is %s", x.Name, x.State)
					}
				}
				if diff := cmp.Diff(sortedKeys(layout.want), sortedKeys(domains)); diff != "" || duplicates != layout.duplicates {
					t.Errorf("%d duplicates, want %d; domains (-want +got):\n%s", duplicates, layout.duplicates, diff)
				}
			})
		})
	}
}

// Meters have the names of the tree, in its order: what is used first. Dies of one socket
// are one meter.
func TestNamesOfMeters(t *testing.T) {
	for _, tt := range []struct {
		zones []simnode.PowercapZone
		want  []string
	}{
		{simnode.IntelClient(), []string{
			"package-0 (intel-rapl:0)", "package-0/core (intel-rapl:0:0)", "package-0/uncore (intel-rapl:0:1)", "psys (intel-rapl:1)", "package-0 (intel-rapl-mmio:0)",
		}},
		{simnode.MultiDie(), []string{
			"package-0-die-0 + 1 more", "package-0-die-0/dram + 1 more",
			"package-1-die-0 + 1 more", "package-1-die-0/dram + 1 more",
		}},
		{nil, []string{"powercap", "perf"}},
	} {
		m := newMachine(t, tt.zones...)
		m.ticked()
		var got []string
		for _, x := range m.source.Meters() {
			got = append(got, x.Name)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}

// A meter that is not used says why and what would help. S6, S7, K13.
func TestMetersInEveryTrouble(t *testing.T) {
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
			used, said := 0, ""
			for _, x := range m.source.Meters() {
				if x.State == plugin.MeterUsed {
					used++
				} else if x.Remedy == "" {
					t.Errorf("%s is %s, and nothing helps: %s", x.Name, x.State, x.Why)
				}
				absent := x.Name == "perf" || trouble.status == statusNoTree || trouble.status == statusNoZones
				if absent != (x.State == plugin.MeterAbsent) {
					t.Errorf("%s is %s, with the status %s", x.Name, x.State, trouble.status)
				}
				said += x.Why + "; " + x.Remedy + "\n"
			}
			if used != trouble.series {
				t.Errorf("%d meters are used, want %d", used, trouble.series)
			}
			if name == "no permission for names" {
				return // what has no name is no zone; Ready tells of it
			}
			for _, want := range trouble.says {
				if want == "package-0" || want == "package-1" {
					continue // stands in the name
				}
				if !strings.Contains(said, want) {
					t.Errorf("%q is not said in %q", want, said)
				}
			}
		})
	}
}

// A zone that the driver refuses to read, or has taken away, is unreadable until it is back.
func TestMeterThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, simnode.MultiDie()...)
		m.ticked()
		restore := m.fail(unix.EIO, "intel-rapl:0")
		time.Sleep(time.Second)
		_, _ = m.tick()
		got := m.statesOf()
		if got["package-0-die-0 (intel-rapl:0)"] != plugin.MeterUnreadable || got["package-0-die-1 (intel-rapl:1)"] != plugin.MeterUsed {
			t.Errorf("with a die that cannot be read: %v", got)
		}
		restore()
		time.Sleep(time.Second)
		m.ticked()
		if got := m.statesOf(); got["package-0-die-0 + 1 more"] != plugin.MeterUsed || len(got) != 4 {
			t.Errorf("then %v", got)
		}
		remove(t, filepath.Join(m.host.SysfsRoot, "class/powercap/intel-rapl:0"))
		remove(t, m.Path("intel-rapl:0"))
		time.Sleep(lookInterval)
		_, _ = m.tick()
		i := slices.IndexFunc(m.source.Meters(), func(x plugin.Meter) bool { return x.Name == "package-0-die-0 (intel-rapl:0)" })
		if i < 0 || !strings.Contains(m.source.Meters()[i].Why, "is not there any more") {
			t.Errorf("without its folder: %+v", m.source.Meters())
		}
	})
}
