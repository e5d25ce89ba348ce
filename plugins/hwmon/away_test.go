package hwmon

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/simnode"
)

// A chip that comes back under another number is the same, by its device; one of the same
// name under the old number is not.
func TestChipsChangeNumbers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		other := simnode.HwmonChip{Number: 7, Name: "amd_energy", Device: "devices/platform/amd_energy.1", Sensors: []simnode.HwmonSensor{
			{File: "energy1_input", Start: 99 * joule, Beside: map[string]string{"label": "Esocket5"}},
		}}
		m := newMachine(t, nil, append(simnode.AMDEnergy(2, 2), other)...)
		m.ticked()
		restore := m.fail(unix.ENODEV, "energy1_input", "energy3_input", "energy4_input")
		m.must(m.Spend(amd, "energy3_input", 10))
		time.Sleep(5 * time.Second)
		if got, err := m.tick(); err == nil || len(got) != 0 {
			t.Errorf("without a driver: %v, %v", got, err)
		}
		m.status(statusGone)
		for _, x := range m.source.meters {
			if len(x.fds) != 0 {
				t.Errorf("the files of %s, which is gone, are open", &x.sensor)
			}
		}
		restore()
		m.must(m.Move("amd_energy.1", 8))
		m.must(m.Move(amd, 7))
		m.must(m.Move("amd_energy.1", 1))
		m.must(m.Spend(amd, "energy3_input", 10))
		m.must(m.Spend("amd_energy.1", "energy1_input", 3))
		time.Sleep(5 * time.Second)
		got := m.ticked()
		if got[first] != 20 || m.spans[first] != 10*time.Second || got[next] != 0 || got["cpu_package 5 package"] != 3 {
			t.Errorf("%v over %v", got, m.spans)
		}
		m.status(statusOK)
		if len(m.ended) != 0 || m.counts("resets") != 0 {
			t.Errorf("%v ended, %d resets", m.ended, m.counts("resets"))
		}
	})
}

// What is open belongs to the chip as it was; the files of its new folder are opened, also
// when no reading has failed.
func TestFilesOfTheNewFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, simnode.AMDEnergy(2, 1)...)
		m.ticked()
		m.must(m.Move(amd, 5))
		file := filepath.Join(m.Path(amd), "energy3_input")
		m.must(os.Remove(file))
		write(t, "2000042\n", file)
		time.Sleep(lookInterval)
		if got := m.ticked(); got[first] != 42 || m.counts("resets") != 0 {
			t.Errorf("%v, %d resets", got, m.counts("resets"))
		}
	})
}

// A sensor of power that becomes a counter begins a series anew: what is measured and what is
// derived never share one.
func TestPowerBecomesACounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, only(Meter{Chip: "psu", Domain: "machine"}), sampled()...)
		m.run()
		m.ticked()
		write(t, "pin\n", m.Path("2-0058"), "energy1_label")
		write(t, "7\n", m.Path("2-0058"), "energy1_input")
		time.Sleep(lookInterval)
		m.ticked()
		if len(m.ended) != 1 || len(m.source.meters) != 1 || describe(m.source.meters[0].series) != "measured psu pin" {
			t.Errorf("%v ended, and %d meters are there", m.ended, len(m.source.meters))
		}
		write(t, "9\n", m.Path("2-0058"), "energy1_input")
		time.Sleep(time.Second)
		if got := m.ticked(); got["local_machine machine"] != 2 {
			t.Errorf("%v", got)
		}
	})
}

// Meters that are away for a while go on, and end their series after that, once.
func TestMetersGoAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, append(simnode.AMDEnergy(2, 2), simnode.ACPIMeter(false)...)...)
		m.run()
		m.ticked()
		class := filepath.Join(m.host.SysfsRoot, "class/hwmon")
		away := func(name string) (back func()) {
			m.must(os.Rename(filepath.Join(class, name), filepath.Join(m.host.SysfsRoot, name)))
			return func() { m.must(os.Rename(filepath.Join(m.host.SysfsRoot, name), filepath.Join(class, name))) }
		}
		pass := func(d time.Duration) (got map[string]uint64) {
			for range d / (5 * time.Second) {
				time.Sleep(5 * time.Second)
				synctest.Wait()
				got, _ = m.tick()
			}
			return got
		}
		back := away("hwmon1")
		m.must(m.Spend(amd, "energy3_input", 70))
		pass(patience - time.Minute)
		m.status(statusGone)
		back()
		if got := pass(time.Minute); got["local_machine machine"] != 1000*joule {
			t.Errorf("with one chip away and back: %v", got)
		}
		m.status(statusOK)
		if len(m.ended) != 0 {
			t.Errorf("%v ended", m.ended)
		}
		away("hwmon1")
		away("hwmon2")
		pass(patience + 2*time.Minute)
		slices.Sort(m.ended)
		if want := []string{first, next, "local_machine machine"}; !slices.Equal(m.ended, want) {
			t.Errorf("%v ended, want %v", m.ended, want)
		}
		if len(m.source.meters) != 0 {
			t.Errorf("%d meters are kept", len(m.source.meters))
		}
		m.status(statusNoMeter)
	})
}

// The energy of the time that a counter was away is told when it is back, of all that time.
func TestCounterIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, simnode.AMDEnergy(2, 2)...)
		m.ticked()
		link := filepath.Join(m.host.SysfsRoot, "class/hwmon/hwmon1")
		m.must(os.Rename(link, link+".away"))
		m.must(m.Spend(amd, "energy3_input", 70))
		time.Sleep(lookInterval)
		if got := m.ticked(); len(got) != 0 {
			t.Errorf("while it is away: %v", got)
		}
		m.must(os.Rename(link+".away", link))
		time.Sleep(lookInterval)
		if got := m.ticked(); got[first] != 70 || m.spans[first] != 2*lookInterval {
			t.Errorf("%v over %v", got, m.spans)
		}
	})
}

// A chip that is back on another path is another one; the old one's series end before.
func TestAnotherDevice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, simnode.AMDEnergy(2, 1)...)
		m.ticked()
		m.must(os.Remove(filepath.Join(m.host.SysfsRoot, "class/hwmon/hwmon1")))
		elsewhere := simnode.AMDEnergy(2, 1)
		elsewhere[0].Device, elsewhere[0].Number = "devices/platform/amd_energy.9", 9
		tree, err := simnode.NewHwmon(m.host.SysfsRoot, elsewhere...)
		m.must(err)
		defer tree.Close()
		time.Sleep(lookInterval)
		if got := m.ticked(); len(got) != 0 || !slices.Equal(m.ended, []string{first}) {
			t.Errorf("%v, and %v ended", got, m.ended)
		}
		if used, gone := m.uses("ok"), m.uses("gone"); used != 1 || gone != 0 {
			t.Errorf("%d used and %d gone, want 1 and 0", used, gone)
		}
		m.must(tree.Spend("amd_energy.9", "energy3_input", 9))
		time.Sleep(time.Second)
		if got := m.ticked(); got[first] != 9 || m.spans[first] != time.Second || len(m.ended) != 1 {
			t.Errorf("%v over %v, and %v ended", got, m.spans, m.ended)
		}
	})
}
