package rapl

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/podjoule/podjoule/sysfs"
)

// The PMUs of energy. That of cores has one counter for each core; newer AMD have it.
const (
	pmuPower = "power"
	pmuCores = "power_core"
)

// pmu is a unit of the kernel that counts events, as sysfs shows it.
type pmu struct {
	name string
	path string
	kind uint32     // the kernel's number for it
	cpus []position // on which it counts, by package; each for one counter
	at   field      // where the term event stands
}

// readPMU reads what sysfs tells of a PMU. It is an error that is absent when there is
// none. CPUs whose place is not known are left out; trouble says why.
func readPMU(root, name string, byPackage bool) (p pmu, trouble, err error) {
	p = pmu{name: name, path: filepath.Join(root, "bus/event_source/devices", name), at: eventField()}
	text, err := readText(filepath.Join(p.path, "type"))
	if err != nil {
		return p, nil, err
	}
	kind, ok := sysfs.ParseIndex(text)
	if !ok {
		return p, nil, fmt.Errorf("read %s: want a number, have %.40q", filepath.Join(p.path, "type"), text)
	}
	p.kind = uint32(kind) // sysfs.ParseIndex takes 32 bits
	if text, err = readText(filepath.Join(p.path, "format/event")); err == nil {
		if p.at, err = parseFormat(text); err != nil {
			return p, nil, fmt.Errorf("read %s: %w", filepath.Join(p.path, "format/event"), err)
		}
	}
	file := filepath.Join(p.path, "cpumask")
	if text, err = readText(file); err != nil {
		return p, nil, err
	}
	cpus, err := parseCPUs(text)
	if err != nil {
		return p, nil, fmt.Errorf("read %s: %w", file, err)
	}
	for _, cpu := range cpus {
		where, err := topologyOf(root, cpu)
		if err != nil {
			trouble = cmp.Or(trouble, err)
			continue
		}
		p.cpus = append(p.cpus, where)
	}
	p.tellApart(byPackage)
	return p, trouble, nil
}

// tellApart settles which CPUs stand for different counters: those of different dies do,
// but where all of a package share one. Where the kernel knows no dies, it lists one CPU
// for each counter all the same.
func (p *pmu) tellApart(byPackage bool) {
	listed := make(map[uint64]int)
	for _, c := range p.cpus {
		listed[c.socket]++
	}
	for i := range p.cpus {
		c := &p.cpus[i]
		switch {
		case p.name == pmuCores:
			if !c.knownCore {
				c.core = uint64(c.cpu)
			}
		case byPackage:
			c.die, c.knownDie = 0, false
		case !c.knownDie && listed[c.socket] > 1:
			c.die, c.knownDie = uint64(c.cpu), true
		}
	}
	slices.SortStableFunc(p.cpus, func(a, b position) int {
		return cmp.Or(cmp.Compare(a.socket, b.socket), cmp.Compare(a.die, b.die), cmp.Compare(a.cpu, b.cpu))
	})
}

// zones returns the zones of a PMU: each of its events on each of its CPUs.
func (p *pmu) zones() (zones []found, trouble error) {
	folder := filepath.Join(p.path, "events")
	entries, err := os.ReadDir(folder)
	if err != nil && !absent(err) {
		return nil, err
	}
	seen := make(map[string]bool)
	for _, entry := range entries {
		name, ok := strings.CutPrefix(entry.Name(), "energy-")
		if !ok || strings.Contains(name, ".") {
			continue
		}
		path := filepath.Join(folder, entry.Name())
		config, worth, err := p.readEvent(path)
		if err != nil {
			trouble = cmp.Or(trouble, err)
			continue
		}
		for _, c := range p.cpus {
			f := p.zone(c, cleanName([]byte(name), entry.Name()))
			f.folder = fmt.Sprintf("%s:%x:%x:%s", p.name, c.socket, f.die, entry.Name())
			if seen[f.folder] {
				continue // another CPU of the same counter
			}
			seen[f.folder] = true
			f.path, f.anew = path, true
			f.access = &event{fmt.Sprintf("%s on CPU %d", path, c.cpu), p.kind, config, c.cpu, worth}
			zones = append(zones, f)
		}
	}
	return zones, trouble
}

// readEvent reads the files of an event.
func (p *pmu) readEvent(path string) (config uint64, worth *scale, err error) {
	text, err := readText(path)
	if err != nil {
		return 0, nil, err
	}
	if config, err = parseEvent(text, p.at); err != nil {
		return 0, nil, fmt.Errorf("read %s: %w", path, err)
	}
	if text, err = readText(path + ".unit"); err != nil {
		return 0, nil, err
	}
	if text != "Joules" {
		return 0, nil, fmt.Errorf("read %s.unit: want Joules, have %.40q", path, text)
	}
	if text, err = readText(path + ".scale"); err != nil {
		return 0, nil, err
	}
	s, err := parseScale(text)
	if err != nil {
		return 0, nil, fmt.Errorf("read %s.scale: %w", path, err)
	}
	return config, &s, nil
}

// zone names what an event measures on a CPU as powercap names it.
func (p *pmu) zone(c position, event string) found {
	above := "package-" + strconv.FormatUint(c.socket, 10)
	if c.knownDie {
		above += "-die-" + strconv.FormatUint(c.die, 10)
	}
	names := []string{above}
	switch event {
	case "pkg":
	case "psys":
		names[0] = "psys"
		if first := p.cpus[0].socket; c.socket != first {
			names[0] += "-" + strconv.FormatUint(c.socket, 10)
		}
	default:
		if own, ok := map[string]string{"cores": domainCore, "core": domainCore, "ram": domainDRAM, "gpu": domainUncore}[event]; ok {
			event = own
		}
		names = append(names, event)
	}
	f := found{names: names}
	f.place, f.die, f.dies = placeOf(names)
	if p.name == pmuCores { // the cores of a package add up
		f.names[len(f.names)-1] += "-" + strconv.FormatUint(c.core, 10)
		f.die, f.dies = c.die<<32|c.core, true
	}
	return f
}
