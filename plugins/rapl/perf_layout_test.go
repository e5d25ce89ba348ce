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

	"github.com/podjoule/podjoule/simnode"
)

// pmuLayout is a machine as perf shows it, and what one window on it tells when the n-th
// counter consumes 10^n µJ.
type pmuLayout struct {
	units  []simnode.PMU
	vendor string
	change func(t *testing.T, m *machine) // of its files
	want   map[string]uint64
	zones  int64 // that are measured
}

func pmuLayouts() map[string]pmuLayout {
	power := func(events []string, cpus ...simnode.PMUCPU) []simnode.PMU {
		return []simnode.PMU{{Name: "power", Events: events, CPUs: cpus}}
	}
	pkg := []string{"energy-pkg"}
	type at = simnode.PMUCPU
	// Two packages of two dies each.
	four := []at{{CPU: 0}, {CPU: 8, Die: 1}, {CPU: 64, Socket: 1}, {CPU: 72, Socket: 1, Die: 1}}
	return map[string]pmuLayout{
		"Intel client": {units: simnode.IntelClientPMUs(), want: map[string]uint64{
			"cpu_package 0 package": 1, "cpu_package 0 core": 10, "cpu_package 0 uncore": 100, "local_machine platform": 1000,
		}, zones: 4},
		"two sockets": {units: simnode.TwoSocketServerPMUs(), want: map[string]uint64{
			"cpu_package 0 package": 1, "cpu_package 1 package": 10, "dram 0 dram": 100, "dram 1 dram": 1000,
		}, zones: 4},
		// The cores of a package add up.
		"AMD": {units: simnode.AMDServerPMUs(), vendor: "AuthenticAMD", want: map[string]uint64{
			"cpu_package 0 package": 1, "cpu_package 1 package": 10, "cpu_package 0 core": 1100, "cpu_package 1 core": 110_000,
		}, zones: 6},
		// K12, A29: dies add up to their socket.
		"several dies": {units: simnode.MultiDiePMUs(), vendor: "GenuineIntel", want: map[string]uint64{
			"cpu_package 0 package": 11, "cpu_package 1 package": 1100, "dram 0 dram": 110_000, "dram 1 dram": 11_000_000,
		}, zones: 8},
		// A kernel that does not know dies lists a CPU for each all the same.
		"dies that are not told": {units: power(pkg, four...), change: func(t *testing.T, m *machine) {
			for _, cpu := range []string{"cpu0", "cpu8", "cpu64", "cpu72"} {
				remove(t, filepath.Join(m.host.SysfsRoot, "devices/system/cpu", cpu, "topology/die_id"))
			}
		}, want: map[string]uint64{"cpu_package 0 package": 11, "cpu_package 1 package": 1100}, zones: 4},
		// K12: AMD has one counter for a package, also where the kernel lists its dies.
		"AMD that shows dies": {units: power(pkg, four...), vendor: "AuthenticAMD",
			want: map[string]uint64{"cpu_package 0 package": 1, "cpu_package 1 package": 100}, zones: 2},
		"Hygon that shows dies": {units: power(pkg, four...), vendor: "HygonGenuine",
			want: map[string]uint64{"cpu_package 0 package": 1, "cpu_package 1 package": 100}, zones: 2},
		// A29: the place in cpumask is not the socket.
		"sockets in another order": {units: power([]string{"energy-pkg", "energy-ram"}, at{CPU: 0, Socket: 1}, at{CPU: 1}),
			want: map[string]uint64{"cpu_package 1 package": 1, "cpu_package 0 package": 10, "dram 1 dram": 100, "dram 0 dram": 1000}, zones: 4},
		"sockets with gaps": {units: power(pkg, at{CPU: 3, Socket: 2}, at{CPU: 17, Socket: 7}),
			want: map[string]uint64{"cpu_package 2 package": 1, "cpu_package 7 package": 10}, zones: 2},
		// A29: psys is no socket's; that of a further one is not the machine's.
		"psys of two sockets": {units: power([]string{"energy-psys", "energy-pkg"}, at{CPU: 0}, at{CPU: 28, Socket: 1}),
			want: map[string]uint64{"local_machine platform": 1, "local_machine psys-1": 10, "cpu_package 0 package": 100, "cpu_package 1 package": 1000}, zones: 4},
		"psys of two dies": {units: power([]string{"energy-psys"}, at{CPU: 0}, at{CPU: 28, Die: 1}),
			want: map[string]uint64{"local_machine platform": 1}, zones: 1},
		"an unknown event": {units: power([]string{"energy-pkg", "energy-npu"}, at{CPU: 0}),
			want: map[string]uint64{"cpu_package 0 package": 1, "cpu_package 0 npu": 10}, zones: 2},
		"cores by both PMUs": {units: []simnode.PMU{
			{Name: "power", Events: []string{"energy-pkg", "energy-cores"}, CPUs: []at{{CPU: 0}}},
			{Name: "power_core", Events: []string{"energy-core"}, CPUs: []at{{CPU: 0}, {CPU: 1, Core: 1}}},
		}, want: map[string]uint64{"cpu_package 0 package": 1, "cpu_package 0 core": 10}, zones: 2},
		"cores that are not told": {units: []simnode.PMU{
			{Name: "power", Events: pkg, CPUs: []at{{CPU: 0}}},
			{Name: "power_core", Events: []string{"energy-core"}, CPUs: []at{{CPU: 0}, {CPU: 1}}},
		}, change: func(t *testing.T, m *machine) {
			for _, cpu := range []string{"cpu0", "cpu1"} {
				remove(t, filepath.Join(m.host.SysfsRoot, "devices/system/cpu", cpu, "topology/core_id"))
			}
		}, want: map[string]uint64{"cpu_package 0 package": 1, "cpu_package 0 core": 110}, zones: 3},
		"files beside the events": {units: power(pkg, at{CPU: 0}), change: func(t *testing.T, m *machine) {
			write(t, "1\n", m.pmus.Path("power", "events", "energy-pkg.snapshot"))
			write(t, "event=0x09\n", m.pmus.Path("power", "events", "frequency"))
		}, want: map[string]uint64{"cpu_package 0 package": 1}, zones: 1},
	}
}

func TestEveryLayoutByPerf(t *testing.T) {
	for name, layout := range pmuLayouts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newPMUMachine(t, layout.units...)
				if layout.vendor != "" {
					m.vendor(layout.vendor)
				}
				if layout.change != nil {
					layout.change(t, m)
				}
				m.spendEach(layout.units)
				// K8: the first reading is no energy, though the events begin at 0.
				if got := m.ticked(); len(got) != 0 {
					t.Errorf("the first tick tells %v", got)
				}
				for range 3 {
					m.spendEach(layout.units)
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
				if n := m.counts("zones", attribute.String("use", "measured")); n != layout.zones || m.pmus.Opened() != int(n) {
					t.Errorf("%d zones are measured and %d events open, want %d", n, m.pmus.Opened(), layout.zones)
				}
				for _, d := range m.source.domains {
					if got, _ := d.series.Attribute(keySource); got != "rapl-perf" {
						t.Errorf("%s is from %q, want rapl-perf", nameOf(d.series), got)
					}
				}
			})
		})
	}
}

// By both ways a machine has the same domains, and the same of them make up its total.
func TestWaysTellTheSameDomains(t *testing.T) {
	for name, machine := range map[string]struct {
		zones []simnode.PowercapZone
		units []simnode.PMU
	}{
		"Intel client": {simnode.IntelClient(), simnode.IntelClientPMUs()},
		"two sockets":  {simnode.TwoSocketServer(), simnode.TwoSocketServerPMUs()},
		"AMD":          {simnode.AMDServer(), simnode.AMDServerPMUs()},
		"several dies": {simnode.MultiDie(), simnode.MultiDiePMUs()},
	} {
		t.Run(name, func(t *testing.T) {
			files, events := newMachine(t, machine.zones...), newPMUMachine(t, machine.units...)
			files.ticked()
			events.ticked()
			if diff := cmp.Diff(sortedKeys(files.ticked()), sortedKeys(events.ticked())); diff != "" {
				t.Errorf("-powercap +perf\n%s", diff)
			}
			if diff := cmp.Diff(files.source.state.Load().total, events.source.state.Load().total); diff != "" {
				t.Errorf("-powercap +perf\n%s", diff)
			}
		})
	}
}

// What adds up to the machine's energy is told for every layout: packages and memory, or
// the platform alone, and never both.
func TestTotal(t *testing.T) {
	one := func(folder, name string) simnode.PowercapZone {
		return simnode.PowercapZone{Folder: folder, Name: name, Range: simnode.IntelRange}
	}
	for name, tt := range map[string]struct {
		zones []simnode.PowercapZone
		want  map[string]int64
	}{
		"Intel client":  {simnode.IntelClient(), map[string]int64{"package": 1, "core": 0, "uncore": 0, "platform": 0}},
		"two sockets":   {simnode.TwoSocketServer(), map[string]int64{"package": 1, "dram": 1}},
		"AMD":           {simnode.AMDServer(), map[string]int64{"package": 1, "core": 0}},
		"several dies":  {simnode.MultiDie(), map[string]int64{"package": 1, "dram": 1}},
		"platform only": {[]simnode.PowercapZone{one("intel-rapl:0", "psys"), one("intel-rapl:1", "psys-1")}, map[string]int64{"platform": 1, "psys-1": 0}},
		"neither":       {[]simnode.PowercapZone{one("intel-rapl:0", "fabric")}, map[string]int64{"fabric": 0}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t, tt.zones...)
			m.ticked()
			if diff := cmp.Diff(tt.want, m.source.state.Load().total); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for domain, want := range tt.want {
				if got := m.counts("part_of_machine", attribute.String("domain", domain)); got != want {
					t.Errorf("%s is told as %d, want %d", domain, got, want)
				}
			}
		})
	}
	t.Run("packages cannot be read", func(t *testing.T) {
		m := newMachine(t, simnode.IntelClient()...)
		for _, zone := range []string{"intel-rapl:0", "intel-rapl-mmio:0"} {
			m.must(os.Remove(filepath.Join(m.Path(zone), "energy_uj")))
		}
		_, _ = m.tick()
		if diff := cmp.Diff(map[string]int64{"core": 0, "uncore": 0, "platform": 1}, m.source.state.Load().total); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}
