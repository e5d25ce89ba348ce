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

// energyFile is the path of the counter of a zone of powercap.
type energyFile string

// energyFileIn is the counter in a zone's folder.
func energyFileIn(folder string) energyFile { return energyFile(filepath.Join(folder, "energy_uj")) }

func (f energyFile) open(*kernel) (int, error) { return sysfs.Open(string(f)) }

// read reads from the start, which makes the kernel ask the CPU.
func (f energyFile) read(k *kernel, fd int, buf []byte) (reading, error) {
	energy, err := sysfs.ReadNumber(k.pread, fd, string(f), buf)
	return reading{energy: energy}, err
}

func (f energyFile) limits(p place, above *limits) (limits, error) {
	return limitsOf(filepath.Dir(string(f)), p, above)
}
