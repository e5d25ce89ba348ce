package estimate

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// meter looks whether the node's CPU packages have an energy meter. With it nothing is to
// be estimated, unless to compare.
type meter struct {
	sysfs  string
	looked time.Time

	packages []string          // folders of zones that can be read
	before   map[string]uint64 // µJ at the end of the window before, by folder
	at       time.Time         // that end
}

// again is how often the meter is looked for: drivers come and go.
const again = time.Minute

// look finds the packages' zones, if it is time to. A zone that has counted nothing is
// none: some hypervisors show a register that stands still.
func (m *meter) look(now time.Time) {
	if since := now.Sub(m.looked); !m.looked.IsZero() && since >= 0 && since < again {
		return
	}
	m.looked, m.packages = now, nil
	for _, place := range []struct{ folder, prefix string }{
		{"class/powercap", "intel-rapl:"},
		{"devices/virtual/powercap/intel-rapl", "intel-rapl:"},
		{"class/powercap", "intel-rapl-mmio:"}, // the same packages on another way
	} {
		for _, zone := range zonesIn(filepath.Join(m.sysfs, place.folder), place.prefix) {
			if n, err := readEnergy(zone); err == nil && n > 0 && strings.HasPrefix(nameOf(zone), "package-") {
				m.packages = append(m.packages, zone)
			}
		}
		if len(m.packages) > 0 {
			return
		}
	}
}

// found tells whether there is a meter.
func (m *meter) found() bool { return len(m.packages) > 0 }

// zonesIn returns the folders whose names begin so.
func zonesIn(folder, prefix string) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // no such tree, or not ours to read: no meter for us
	}
	var zones []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			zones = append(zones, filepath.Join(folder, entry.Name()))
		}
	}
	return zones
}

func nameOf(zone string) string {
	text, err := os.ReadFile(filepath.Join(zone, "name"))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// readEnergy returns what a zone has counted, in µJ.
func readEnergy(zone string) (uint64, error) {
	text, err := os.ReadFile(filepath.Join(zone, "energy_uj"))
	if err != nil {
		return 0, err
	}
	return strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
}

// memoryOf returns the zones of the memory of a package, which is not in the package's own.
// They lie in its folder, and beside it too where all zones lie in one.
func memoryOf(zone string) []string {
	prefix := filepath.Base(zone) + ":"
	zones := zonesIn(zone, prefix)
	if len(zones) == 0 {
		zones = zonesIn(filepath.Dir(zone), prefix)
	}
	return slices.DeleteFunc(zones, func(z string) bool { return nameOf(z) != "dram" })
}

// errNoWindow is the error of a measurement that is not to be compared.
var errNoWindow = errors.New("there is no window to compare")

// longest is how long a window may be. No register of those known runs over within it, so
// that one that did can be told by its lower value.
const longest = time.Minute

// measured returns what all packages and their memory took in a window, in µJ. It has to
// have been called at the window's start. A window in which a register ran over is left out.
func (m *meter) measured(end time.Time, window time.Duration) (uint64, error) {
	now := make(map[string]uint64)
	for _, zone := range m.packages {
		for _, z := range append(memoryOf(zone), zone) {
			n, err := readEnergy(z)
			if err != nil {
				return 0, fmt.Errorf("compare with the meter: %w", err)
			}
			now[z] = n
		}
	}
	before, passed := m.before, end.Sub(m.at)
	m.before, m.at = now, end
	if passed != window || passed <= 0 || passed > longest || len(before) != len(now) {
		return 0, errNoWindow
	}
	var sum uint64
	for zone, n := range now {
		was, known := before[zone]
		if !known || n < was {
			return 0, errNoWindow
		}
		sum += n - was
	}
	return sum, nil
}
