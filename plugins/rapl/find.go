package rapl

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// controlType is the control type of RAPL, of AMD's too. Others whose names begin with
// it, such as intel-rapl-mmio, show the same silicon by another way.
const controlType = "intel-rapl"

// found is a zone as the machine shows it.
type found struct {
	folder string   // its name, such as "intel-rapl:0:1"
	path   string   // where it was found, for people
	names  []string // its own, and before it those of the zones above
	place  place
	die    uint64
	dies   bool // it is one of several dies, perhaps
	access access
	anew   bool // its counter begins at 0 whenever it is opened
}

// key identifies a zone over time: the driver may give its folder to another one.
func (f *found) key() string { return f.folder + " " + strings.Join(f.names, "/") }

// register identifies what a zone shows, whatever its folder.
func (f *found) register() string { return f.control() + " " + strings.Join(f.names, "/") }

// control is the zone's control type.
func (f *found) control() string { return controlOf(f.folder) }

func controlOf(folder string) string {
	control, _, _ := strings.Cut(folder, ":")
	return control
}

// search looks for zones.
type search struct {
	roots    []string          // where the tree is or would be
	trees    int               // roots that are there
	paths    map[string]string // of folders of zones
	names    map[string]string // of zones, by folder
	troubles map[string]error  // by folder, or by path for what is above
}

// find looks for the zones of RAPL below sysfs: in class/powercap, where links or folders
// are, flat or nested, and in devices/virtual/powercap, whither the links lead. Zones come
// in the order of their folders, those of controlType first.
func find(sysfs string) ([]found, *search) {
	s := &search{
		roots: []string{filepath.Join(sysfs, "class/powercap"), filepath.Join(sysfs, "devices/virtual/powercap")},
		paths: make(map[string]string), names: make(map[string]string), troubles: make(map[string]error),
	}
	for _, root := range s.roots {
		entries, err := os.ReadDir(root)
		if err == nil {
			s.trees++
		} else if !absent(err) {
			s.troubles[root] = err
		}
		for _, e := range entries {
			if control := controlOf(e.Name()); control == controlType || strings.HasPrefix(control, controlType+"-") {
				s.visit(filepath.Join(root, e.Name()), e.Name())
			}
		}
	}
	var zones []found
	for _, folder := range slices.SortedFunc(maps.Keys(s.paths), byFolder) {
		f := found{folder: folder, path: s.paths[folder], names: s.chain(folder)}
		f.place, f.die, f.dies = placeOf(f.names)
		f.access = energyFileIn(f.path)
		zones = append(zones, f)
	}
	return zones, s
}

// surveyPowercap looks for the zones of powercap below sysfs.
func surveyPowercap(sysfs string) survey {
	zones, tree := find(sysfs)
	s := survey{zones: zones}
	if len(zones) == 0 {
		s.status, s.err = tree.diagnose()
	}
	for _, root := range tree.roots {
		delete(tree.troubles, root) // what was found was found by another way
	}
	s.trouble = tree.first()
	return s
}

// visit takes in a control type or a zone, and the zones below it.
func (s *search) visit(path, folder string) {
	if s.paths[folder] != "" {
		return // found by another way
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		s.note(folder, fmt.Errorf("list %s: %w", path, err))
		return
	}
	if strings.Contains(folder, ":") {
		text, err := os.ReadFile(filepath.Join(path, "name"))
		if err != nil {
			s.note(folder, fmt.Errorf("read the name of a zone: %w", err))
			return
		}
		s.paths[folder], s.names[folder] = path, cleanName(text, folder)
	}
	delete(s.troubles, folder)
	for _, e := range entries {
		// A zone's folder begins with that of the one above; links lead elsewhere.
		if strings.HasPrefix(e.Name(), folder+":") {
			s.visit(filepath.Join(path, e.Name()), e.Name())
		}
	}
}

// note keeps the first trouble with a folder; another way to it may have none.
func (s *search) note(folder string, err error) {
	if s.troubles[folder] == nil {
		s.troubles[folder] = err
	}
}

// chain returns the names of a zone and of those above it.
func (s *search) chain(folder string) []string {
	var names []string
	for end := strings.IndexByte(folder, ':'); end < len(folder); {
		next := strings.IndexByte(folder[end+1:], ':')
		if end += 1 + next; next < 0 {
			end = len(folder)
		}
		name, ok := s.names[folder[:end]]
		if !ok {
			name = folder[:end]
		}
		names = append(names, name)
	}
	return names
}

// first returns the first trouble, the uppermost folder's.
func (s *search) first() error {
	if len(s.troubles) == 0 {
		return nil
	}
	return s.troubles[slices.SortedFunc(maps.Keys(s.troubles), byFolder)[0]]
}

// parentOf returns the folder of the zone above, or of the control type.
func parentOf(folder string) string { return folder[:max(0, strings.LastIndexByte(folder, ':'))] }

// absent tells that a path leads nowhere.
func absent(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// byFolder orders folders: controlType before others, then by number.
func byFolder(a, b string) int {
	x, y := strings.Split(a, ":"), strings.Split(b, ":")
	for i := range min(len(x), len(y)) {
		// Numbers are hexadecimal, so that the longer one is the greater.
		if c := cmp.Or(cmp.Compare(len(x[i]), len(y[i])), cmp.Compare(x[i], y[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x), len(y))
}
