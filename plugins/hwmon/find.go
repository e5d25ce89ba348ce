package hwmon

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/podjoule/podjoule/sysfs"
)

// sensor is a sensor of energy or power, as the tree shows it.
type sensor struct {
	chip    string // its chip's name
	device  string // the path of the chip's device below /sys; empty where it has none
	label   string // empty where it has none
	channel string // as in "power1"
	kind    kind
	files   []string // one, or two whose product is the power
	average string   // the file of the averaging interval
	battery bool     // it tells what a battery gives or takes
	part    bool     // it says that it measures parts of the machine only
}

// key identifies a sensor over time: hwmonN may be another chip after the next start of a
// driver.
func (f *sensor) key() string {
	return strings.Join([]string{f.chip, f.device, cmp.Or(f.label, f.channel), f.kind.String()}, "\x00")
}

// String names a sensor for people.
func (f *sensor) String() string {
	parts := []string{f.chip}
	if f.device != "" {
		parts = append(parts, filepath.Base(f.device))
	}
	return strings.Join(append(parts, cmp.Or(f.label, f.channel)), "/")
}

// search looks for sensors.
type search struct {
	sysfs   string
	root    string // where the chips are
	chips   int
	trouble error // the first one
	found   []sensor
}

// find looks for all sensors of energy and power below sysfs. They come in the order of
// their chips' folders.
func find(root string) *search {
	s := &search{sysfs: root, root: filepath.Join(root, "class/hwmon")}
	if path, err := filepath.EvalSymlinks(root); err == nil {
		s.sysfs = path
	}
	entries, err := os.ReadDir(s.root)
	if err != nil {
		s.trouble = fmt.Errorf("list the chips of hwmon: %w", err)
		return s
	}
	folders := make(map[uint64]string, len(entries))
	var order []uint64
	for _, e := range entries {
		number, ok := strings.CutPrefix(e.Name(), "hwmon")
		if n, is := sysfs.ParseIndex(number); ok && is {
			folders[n] = filepath.Join(s.root, e.Name())
			order = append(order, n)
		}
	}
	slices.Sort(order)
	for _, n := range order {
		s.chips++
		if err := s.visit(folders[n]); err != nil && s.trouble == nil {
			s.trouble = err
		}
	}
	return s
}

// visit takes in the sensors of a chip. Their files are in its folder, or in that of its
// device, as older drivers have it.
func (s *search) visit(folder string) error {
	device := filepath.Join(folder, "device")
	name, err := nameIn(folder, device)
	if err != nil {
		return err
	}
	one := sensor{chip: name, device: s.deviceOf(device)}
	for i, place := range []string{folder, device} {
		entries, err := os.ReadDir(place)
		if err != nil {
			if i > 0 && absent(err) {
				return nil // it has no device
			}
			return fmt.Errorf("list the sensors of chip %s: %w", name, err)
		}
		names := make(map[string]bool, len(entries))
		for _, e := range entries {
			names[e.Name()] = true
		}
		if found := sensorsIn(place, one, names); len(found) > 0 {
			s.found = append(s.found, found...)
			return nil
		}
	}
	return nil
}

// nameIn returns the name of a chip, which is in its folder or in that of its device.
func nameIn(folders ...string) (string, error) {
	var first error
	for _, folder := range folders {
		text, err := os.ReadFile(filepath.Join(folder, "name"))
		if err == nil {
			if name := sysfs.Name(text); name != "" {
				return name, nil
			}
			err = fmt.Errorf("read %s: it is empty", filepath.Join(folder, "name"))
		}
		// What is refused says more than what is not there.
		if first == nil || absent(first) && !absent(err) {
			first = err
		}
	}
	return "", fmt.Errorf("find the name of a chip: %w", first)
}

// deviceOf returns the path of a chip's device below /sys. It is the same whatever number
// the chip has.
func (s *search) deviceOf(link string) string {
	info, err := os.Lstat(link)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return ""
	}
	path, err := filepath.EvalSymlinks(link)
	if err != nil {
		return ""
	}
	if below, err := filepath.Rel(s.sysfs, path); err == nil && filepath.IsLocal(below) {
		return sysfs.Printable(below)
	}
	return sysfs.Printable(path)
}

// absent tells that a path leads nowhere.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }
