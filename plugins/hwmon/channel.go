package hwmon

import (
	"bytes"
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podjoule/podjoule/sysfs"
)

// kind is how a sensor tells energy. Of one sensor that has several ways, the first counts.
type kind uint8

const (
	energyCounter kind = iota // µJ since some moment
	powerAverage              // the mean of some time until now, in µW
	powerInput                // now, in µW
	powerProduct              // mV times mA
)

func (k kind) String() string {
	return [...]string{"energy", "average", "input", "product"}[k]
}

// parseFile takes apart the name of a sensor's file, as "power1_average": its class, its
// channel and what it tells of it.
func parseFile(name string) (class, channel, what string, ok bool) {
	channel, what, ok = strings.Cut(name, "_")
	class = strings.TrimRight(channel, "0123456789")
	_, numbered := sysfs.ParseIndex(channel[len(class):])
	return class, channel, what, ok && numbered && class != "" && what != ""
}

// kindOf tells how a file tells energy, if it does.
func kindOf(class, what string) (kind, bool) {
	switch {
	case class == "energy" && what == "input":
		return energyCounter, true
	case class == "power" && what == "average":
		return powerAverage, true
	case class == "power" && what == "input":
		return powerInput, true
	}
	return 0, false
}

// sensorsIn returns the sensors of a chip from the names of the files in a folder, by
// channel. What a chip tells of one label in several ways is one sensor, and so is a
// channel that tells both its mean and its momentary power.
func sensorsIn(folder string, chip sensor, files map[string]bool) []sensor {
	best := make(map[string]sensor)
	take := func(f sensor) {
		id := cmp.Or(f.label, f.channel)
		other, there := best[id]
		switch {
		case !there || f.kind < other.kind:
			best[id] = f
		case f.kind == other.kind && f.channel != other.channel: // two that nobody can tell apart
			best[id+"\x00"+f.channel] = f
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		class, channel, what, ok := parseFile(name)
		k, tells := kindOf(class, what)
		if !ok || !tells {
			continue
		}
		f := chip
		f.channel, f.kind, f.files = channel, k, []string{filepath.Join(folder, name)}
		f.label = labelIn(folder, channel+"_label")
		if chip.chip == chipACPI {
			f.acpi(folder)
		}
		if interval := channel + "_average_interval"; k == powerAverage && files[interval] {
			f.average = filepath.Join(folder, interval)
		}
		take(f)
	}
	if chip.chip == chipINA3221 {
		for _, f := range rails(folder, chip, files) {
			take(f)
		}
	}
	found := slices.Collect(maps.Values(best))
	slices.SortFunc(found, func(a, b sensor) int {
		return cmp.Or(cmp.Compare(len(a.channel), len(b.channel)), cmp.Compare(a.channel, b.channel))
	})
	return found
}

// rails returns the channels of an INA3221, which tells the voltage and the current of
// three rails: channel N of one belongs to channel N of the other.
func rails(folder string, chip sensor, files map[string]bool) []sensor {
	var found []sensor
	for _, n := range []string{"1", "2", "3"} {
		voltage, current := "in"+n+"_input", "curr"+n+"_input"
		if files[voltage] && files[current] {
			f := chip
			f.channel, f.kind = "in"+n, powerProduct
			f.label = labelIn(folder, "in"+n+"_label")
			f.files = []string{filepath.Join(folder, voltage), filepath.Join(folder, current)}
			found = append(found, f)
		}
	}
	return found
}

// acpi takes in what ACPI says of its meter: a text of the vendor's, whether it is a
// battery, and what is measured, if that is not the whole system.
func (f *sensor) acpi(folder string) {
	f.label = cmp.Or(f.label, labelIn(folder, f.channel+"_oem_info"))
	text, err := os.ReadFile(filepath.Join(folder, f.channel+"_is_battery"))
	f.battery = err == nil && string(bytes.TrimSpace(text)) == "1"
	for _, place := range []string{folder, filepath.Join(folder, "device")} {
		entries, err := os.ReadDir(filepath.Join(place, "measures"))
		if err != nil {
			continue
		}
		whole := func(e os.DirEntry) bool {
			return strings.HasPrefix(e.Name(), "LNXSYBUS:") || strings.HasPrefix(e.Name(), "LNXSYSTM:")
		}
		f.part = len(entries) > 0 && !slices.ContainsFunc(entries, whole)
	}
}

// labelIn returns what a file of a label says, and "" where there is none.
func labelIn(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return sysfs.Name(text)
}
