package rapl

import (
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// layouts are machines, what one window on them tells when the n-th zone consumes 10^n µJ,
// and how many zones show what another one does.
func layouts() map[string]struct {
	zones      []simnode.PowercapZone
	want       map[string]uint64
	duplicates int64
} {
	type layout = struct {
		zones      []simnode.PowercapZone
		want       map[string]uint64
		duplicates int64
	}
	zone := func(folder, name string) simnode.PowercapZone {
		return simnode.PowercapZone{Folder: folder, Name: name, Range: simnode.IntelRange}
	}
	return map[string]layout{
		"Intel client": {simnode.IntelClient(), map[string]uint64{
			"cpu_package 0 package": 1, "cpu_package 0 core": 10, "cpu_package 0 uncore": 100, "local_machine platform": 1000,
		}, 1},
		"two sockets": {simnode.TwoSocketServer(), map[string]uint64{
			"cpu_package 0 package": 1, "dram 0 dram": 10, "cpu_package 1 package": 100, "dram 1 dram": 1000,
		}, 0},
		"AMD": {simnode.AMDServer(), map[string]uint64{
			"cpu_package 0 package": 1, "cpu_package 0 core": 10, "cpu_package 1 package": 100, "cpu_package 1 core": 1000,
		}, 0},
		// K12, A29: dies add up to their socket, each with its own counter.
		"several dies": {simnode.MultiDie(), map[string]uint64{
			"cpu_package 0 package": 101, "dram 0 dram": 1010, "cpu_package 1 package": 10_000 + 1_000_000, "dram 1 dram": 100_000 + 10_000_000,
		}, 0},
		// K12: memory that only the other way shows counts once, what both show counts by the first.
		"memory by mmio alone": {[]simnode.PowercapZone{
			zone("intel-rapl-mmio:0", "package-0"), zone("intel-rapl-mmio:0:0", "dram"), zone("intel-rapl:0", "package-0"), zone("intel-rapl:0:0", "core"),
		}, map[string]uint64{"cpu_package 0 package": 100, "dram 0 dram": 10, "cpu_package 0 core": 1000}, 1},
		"all by mmio": {[]simnode.PowercapZone{zone("intel-rapl-mmio:0", "package-0")}, map[string]uint64{"cpu_package 0 package": 1}, 0},
		// Folders say nothing of the package: names do.
		"names in another order": {[]simnode.PowercapZone{
			zone("intel-rapl:0", "package-1"), zone("intel-rapl:0:0", "dram"), zone("intel-rapl:1", "package-0"), zone("intel-rapl:1:0", "dram"),
		}, map[string]uint64{"cpu_package 1 package": 1, "dram 1 dram": 10, "cpu_package 0 package": 100, "dram 0 dram": 1000}, 0},
		// psys of a further socket and names of the future stay as they are.
		"unknown names": {[]simnode.PowercapZone{
			zone("intel-rapl:0", "psys"), zone("intel-rapl:1", "psys-1"), zone("intel-rapl:2", "fabric"), zone("intel-rapl:3", "package-0"), zone("intel-rapl:3:a", "npu"),
		}, map[string]uint64{
			"local_machine platform": 1, "local_machine psys-1": 10, "local_machine fabric": 100, "cpu_package 0 package": 1000, "cpu_package 0 npu": 10_000,
		}, 0},
		"one name twice": {[]simnode.PowercapZone{zone("intel-rapl:0", "psys"), zone("intel-rapl:1", "psys")}, map[string]uint64{"local_machine platform": 1}, 1},
		"one die twice": {[]simnode.PowercapZone{
			zone("intel-rapl:0", "package-0-die-0"), zone("intel-rapl:1", "package-0-die-0"), zone("intel-rapl:2", "package-0"),
		}, map[string]uint64{"cpu_package 0 package": 1}, 2},
		"a die by mmio": {[]simnode.PowercapZone{
			zone("intel-rapl:0", "package-0-die-0"), zone("intel-rapl-mmio:0", "package-0-die-1"),
		}, map[string]uint64{"cpu_package 0 package": 1}, 1},
		"other control types": {[]simnode.PowercapZone{
			zone("dtpm:0", "package-0"), zone("intel-rapl:0", "package-0"), zone("intel-raplx:0", "package-1"),
		}, map[string]uint64{"cpu_package 0 package": 10}, 0},
	}
}

// spendAll has the n-th zone consume 10^n µJ, and time pass for it.
func (m *machine) spendAll(zones []simnode.PowercapZone) {
	m.Helper()
	for i, energy := 0, uint64(1); i < len(zones); i, energy = i+1, energy*10 {
		m.spend(zones[i].Folder, energy)
	}
	time.Sleep(5 * time.Second)
}

func TestEveryLayout(t *testing.T) {
	for name, layout := range layouts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t, layout.zones...)
				m.spendAll(layout.zones)
				// K8, S1: what the registers show at first is no energy.
				if got := m.ticked(); len(got) != 0 {
					t.Errorf("the first tick tells %v", got)
				}
				for range 2 {
					m.spendAll(layout.zones)
					if diff := cmp.Diff(layout.want, m.ticked()); diff != "" {
						t.Errorf("-want +got\n%s", diff)
					}
				}
				time.Sleep(5 * time.Second)
				want := maps.Clone(layout.want)
				for key := range want {
					want[key] = 0
				}
				// K1: no energy is 0 and not a new beginning.
				if diff := cmp.Diff(want, m.ticked()); diff != "" {
					t.Errorf("at rest: -want +got\n%s", diff)
				}
				m.status(statusOK)
				if err := m.source.Ready(); err != nil {
					t.Error(err)
				}
				measured, twice := m.counts("zones", attribute.String("use", "measured")), m.counts("zones", attribute.String("use", "duplicate"))
				if twice != layout.duplicates || int(measured) < len(layout.want) {
					t.Errorf("%d zones measured and %d duplicates, want %d and %d", measured, twice, len(layout.want), layout.duplicates)
				}
			})
		})
	}
}

// Every series says where it comes from, and of what it is.
func TestSeries(t *testing.T) {
	m := newMachine(t, simnode.TwoSocketServer()...)
	m.ticked()
	for _, d := range m.source.domains {
		for key, want := range map[string]string{keyQuality: "measured", keySource: "rapl-powercap", keyDomain: d.place.domain} {
			if got, _ := d.series.Attribute(key); got != want {
				t.Errorf("%s: %s is %q, want %q", nameOf(d.series), key, got, want)
			}
		}
		if d.series.Consumer.Kind != "local_machine" || d.series.Consumer.ID != "" {
			t.Errorf("%s: consumer %v", nameOf(d.series), d.series.Consumer)
		}
	}
}

// The same tree may be seen as links, as plain folders, nested or flat, or by its devices
// alone.
func TestEveryKindOfTree(t *testing.T) {
	zones := simnode.TwoSocketServer()
	want := []string{"cpu_package 0 package", "cpu_package 1 package", "dram 0 dram", "dram 1 dram"}
	for name, change := range map[string]func(t *testing.T, class, devices string){
		"links":        func(*testing.T, string, string) {},
		"devices only": func(t *testing.T, class, _ string) { remove(t, class) },
		"nested folders": func(t *testing.T, class, devices string) {
			remove(t, class)
			rename(t, devices, class)
		},
		"flat folders": func(t *testing.T, class, devices string) {
			remove(t, class)
			for _, z := range []string{"0/intel-rapl:0:0", "1/intel-rapl:1:0", "0", "1"} {
				rename(t, filepath.Join(devices, "intel-rapl/intel-rapl:"+z), filepath.Join(class, filepath.Base("intel-rapl:"+z)))
			}
			remove(t, devices)
		},
		"links that lead nowhere, and devices": func(t *testing.T, class, devices string) {
			for _, folder := range []string{"intel-rapl", "intel-rapl:0", "intel-rapl:1:0"} {
				remove(t, filepath.Join(class, folder))
				if err := os.Symlink("nowhere", filepath.Join(class, folder)); err != nil {
					t.Fatal(err)
				}
			}
		},
		"no right to the links": func(t *testing.T, class, _ string) {
			chmod(t, class, 0)
			plugintest.WithoutRights(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree, err := simnode.NewPowercap(dir, zones...)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			change(t, filepath.Join(dir, "class/powercap"), filepath.Join(dir, "devices/virtual/powercap"))
			m := open(t, dir)
			m.ticked()
			if diff := cmp.Diff(want, sortedKeys(m.ticked())); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			m.status(statusOK)
		})
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}
