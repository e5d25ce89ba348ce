package hwmon

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// Whoever asks what the machine has sees every sensor: what is used, what is not known, and
// what fails.
func TestMeters(t *testing.T) {
	m := newMachine(t, nil, slices.Concat(simnode.AMDEnergy(0, 1), simnode.OtherSensors()[:2])...)
	if all := m.source.Meters(); len(all) != 0 {
		t.Errorf("before the first look: %v", all)
	}
	_, err := m.tick()
	noError(t, err)
	type row struct {
		Name, Domain string
		State        plugin.MeterState
		Series       int
	}
	rows := func() []row {
		var all []row
		for _, x := range m.source.Meters() {
			all = append(all, row{x.Name, x.Domain, x.State, len(x.Energy)})
			if x.State != plugin.MeterUsed && x.Why == "" {
				t.Errorf("%s is %s, and nothing says why", x.Name, x.State)
			}
		}
		return all
	}
	want := []row{
		{"amd_energy/amd_energy.0/Esocket0", "package", plugin.MeterUsed, 1},
		{"nvme/nvme0/Composite", "", plugin.MeterUnknown, 0},
		{"mlx5/0000:01:00.0/module0", "", plugin.MeterUnknown, 0},
	}
	if diff := cmp.Diff(want, rows()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	m.source.pread = func(int, []byte, int64) (int, error) { return 0, errGone }
	if _, err := m.tick(); err == nil {
		t.Fatal("a meter that is gone is read")
	}
	want[0].State, want[0].Series = plugin.MeterUnreadable, 0
	if diff := cmp.Diff(want, rows()); diff != "" {
		t.Errorf("when it fails: -want +got\n%s", diff)
	}
}

// In every trouble a meter that is not used says why, and what is lacking is told where
// there is none.
func TestMetersInEveryTrouble(t *testing.T) {
	for name, trouble := range troubles() {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			tree, err := simnode.NewHwmon(dir, slices.Concat(simnode.AMDEnergy(2, 2), simnode.ACPIMeter(false))...)
			noError(t, err)
			defer tree.Close()
			trouble.spoil(t, tree, filepath.Join(dir, "class/hwmon"))
			if trouble.status == statusNoPermission {
				plugintest.WithoutRights(t)
			}
			m := open(t, dir, only(trouble.meters...))
			_, _ = m.tick()
			all := m.source.Meters()
			if len(all) == 0 {
				t.Error("nothing is listed")
			}
			for _, x := range all {
				if (x.State == plugin.MeterUsed) != (x.Why == "") || (x.State == plugin.MeterUsed) != (len(x.Energy) == 1) {
					t.Errorf("%+v", x)
				}
			}
		})
	}
}
