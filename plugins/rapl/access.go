package rapl

import (
	"path/filepath"

	"github.com/podjoule/podjoule/sysfs"
)

// access is how the counter of a zone is reached: a file of powercap, or an event of perf.
type access interface {
	// open makes the counter readable until its descriptor is closed.
	open(k *kernel) (fd int, err error)
	// read reads it. buf has room for any reading.
	read(k *kernel, fd int, buf []byte) (reading, error)
	// limits are what it can count. above are those of the zone above, nil for none.
	// With an error they are the defaults for what could not be read.
	limits(p place, above *limits) (limits, error)
}

// reading is what a counter shows.
type reading struct {
	// energy is in µJ.
	energy uint64
	// ran is for how long it has counted, in ns. It stands still when the counter
	// does. Files do not tell it.
	ran uint64
}

// energyFile is the counter of a zone of powercap: energy_uj in the zone's folder.
type energyFile string

func (f energyFile) path() string { return filepath.Join(string(f), "energy_uj") }

func (f energyFile) open(*kernel) (int, error) { return sysfs.Open(f.path()) }

// read reads from the start, which makes the kernel ask the CPU.
func (f energyFile) read(k *kernel, fd int, buf []byte) (reading, error) {
	energy, err := sysfs.ReadNumber(k.pread, fd, f.path(), buf)
	return reading{energy: energy}, err
}

func (f energyFile) limits(p place, above *limits) (limits, error) {
	return limitsOf(string(f), p, above)
}
