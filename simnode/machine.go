package simnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// What the machine of a Node draws, in W: without work, and besides for each core that is
// busy. A real one is not so even: see the plugins that measure.
const (
	IdleWatts = 9
	CoreWatts = 15
)

const (
	machineCores = 4
	// otherWork is what runs beside the pods, in hundredths of a core.
	otherWork = 15
	// untilWrap is what the meter counts until it goes over its end, in µJ: some seconds,
	// so that a demo has a wrap in it.
	untilWrap = 60_000_000
)

// machineZone is the folder of the machine's one zone, machineRange the value at which its
// counter begins at 0 again.
const (
	machineZone  = "intel-rapl:0"
	machineRange = IntelRange
)

// machine is the energy meter of a Node and what its CPUs did, in plain files: a powercap
// tree with one package, and the first line of /proc/stat. The package draws IdleWatts,
// and CoreWatts for each busy core. Times are whole microseconds, so that energies are
// whole microjoules.
type machine struct {
	dir   string
	tree  *Powercap
	stat  *os.File
	began time.Time

	mu           sync.Mutex
	passed, pods time.Duration // until now: time, and the pods' CPU time
	counted      uint64        // energy until now, in µJ
}

// newMachine makes the files in a new folder for temporary files.
func newMachine(began time.Time) (_ *machine, err error) {
	name, err := runName(os.Getpid())
	if err != nil {
		return nil, fmt.Errorf("make an energy meter: %w", err)
	}
	m := &machine{began: began}
	if m.dir, err = os.MkdirTemp("", demoDir+"-"+name+"-*"); err != nil {
		return nil, fmt.Errorf("make an energy meter: %w; set TMPDIR to a folder in which files may be made", err)
	}
	m.tree, err = NewPowercap(m.sysfs(), PowercapZone{
		Folder: machineZone, Name: "package-0", Range: machineRange, Start: machineRange - untilWrap,
		MaxPower: (IdleWatts + machineCores*CoreWatts) * watt,
	})
	if err == nil {
		err = os.Mkdir(m.procfs(), 0o755)
	}
	if err == nil {
		m.stat, err = os.Create(filepath.Join(m.procfs(), "stat"))
	}
	if err == nil {
		err = m.step(began, 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make an energy meter: %w", err), m.close())
	}
	return m, nil
}

// sysfs and procfs are the folders that stand for /sys and /proc.
func (m *machine) sysfs() string  { return filepath.Join(m.dir, "sys") }
func (m *machine) procfs() string { return filepath.Join(m.dir, "proc") }

func (m *machine) describe() string {
	return fmt.Sprintf("The energy meter is simulated: it counts %d W, and %d W more while a core is busy, with the pods or with what is made up beside them.",
		IdleWatts, CoreWatts)
}

// step brings the files up to a moment, at which the pods have used some CPU time.
func (m *machine) step(now time.Time, pods time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.passed, m.pods = max(m.passed, now.Sub(m.began)), max(m.pods, pods)
	other := m.passed * otherWork / 100
	energy := IdleWatts*uint64(m.passed.Microseconds()) + costOf(m.pods) + costOf(other)
	if err := m.tree.Spend(machineZone, energy-m.counted); err != nil {
		return err
	}
	m.counted = energy
	// As the kernel has it, in ticks: user, nice, system, idle and so on. With leading
	// zeros a reader never sees half of it.
	tick := func(d time.Duration) int64 { return int64(max(d, 0) * userHZ / time.Second) }
	text := fmt.Appendf(nil, "cpu  %010d 0 %010d %010d 0 0 0 0 0 0\n", tick(m.pods), tick(other), tick(machineCores*m.passed-m.pods-other))
	if _, err := m.stat.WriteAt(text, 0); err != nil {
		return fmt.Errorf("write what the CPUs did: %w", err)
	}
	return nil
}

// costOf is what CPU time costs on the machine, in µJ.
func costOf(cpu time.Duration) uint64 { return CoreWatts * uint64(cpu.Microseconds()) }

// close removes the folder.
func (m *machine) close() error {
	var errs []error
	if m.tree != nil {
		errs = append(errs, m.tree.Close())
	}
	if m.stat != nil {
		errs = append(errs, m.stat.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(m.dir))...)
}
