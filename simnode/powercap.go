package simnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// PowercapZone is one zone of a powercap tree.
type PowercapZone struct {
	// Folder is the zone's folder, which says what is above it: "intel-rapl:0:1" is below
	// "intel-rapl:0" of the control type "intel-rapl".
	Folder string
	// Name is what its file name says, such as "package-0" or "dram".
	Name string
	// Range is the value at which the counter begins at 0 again, in µJ.
	Range uint64
	// Start is what the counter shows at first, in µJ.
	Start uint64
	// MaxPower is the design power in µW; 0 leaves out the zone's constraint.
	MaxPower uint64
}

// Powercap is the powercap tree of a machine in plain files: folders in
// devices/virtual/powercap, and links to them in class/powercap. Energy is spent zone by
// zone: what a zone holds is not spent with it, nor does a zone spend what is in it.
//
// It differs from a real tree in two points. Energies have leading zeros, so that whoever
// reads while they are written never sees half of one. And a file that a reader keeps open
// stays readable after its zone was removed.
//
// All methods may be called from any goroutine.
type Powercap struct {
	sysfs string

	mu    sync.Mutex
	zones map[string]*powercapZone
}

type powercapZone struct {
	PowercapZone
	shown, spent uint64
	file         *os.File
}

// NewPowercap makes a tree in a folder that stands for /sys. Zones come after those above
// them.
func NewPowercap(sysfs string, zones ...PowercapZone) (*Powercap, error) {
	p := &Powercap{sysfs: sysfs, zones: make(map[string]*powercapZone)}
	err := os.MkdirAll(p.class(""), 0o755)
	for i := range zones {
		if err == nil {
			err = p.add(zones[i])
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a powercap tree in %s: %w", sysfs, err), p.Close())
	}
	return p, nil
}

func (p *Powercap) class(folder string) string {
	return filepath.Join(p.sysfs, "class/powercap", folder)
}

// Path returns the path of a zone's folder in devices/virtual/powercap.
func (p *Powercap) Path(folder string) string { return filepath.Join(p.sysfs, below(folder)) }

// below returns a zone's path below /sys: "intel-rapl:0:1" is in "intel-rapl:0", and that
// in "intel-rapl".
func below(folder string) string {
	path := "devices/virtual/powercap"
	for i, c := range folder + ":" {
		if c == ':' {
			path = filepath.Join(path, folder[:i])
		}
	}
	return path
}

func (p *Powercap) add(z PowercapZone) error {
	control, _, isZone := strings.Cut(z.Folder, ":")
	if !isZone || z.Range == 0 || z.Start > z.Range || p.zones[z.Folder] != nil {
		return fmt.Errorf("zone %q: want a folder such as intel-rapl:0 that is not there yet, and a start within its range", z.Folder)
	}
	path := p.Path(z.Folder)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	files := map[string]string{"name": z.Name, "max_energy_range_uj": strconv.FormatUint(z.Range, 10), "enabled": "1"}
	if z.MaxPower > 0 {
		files["constraint_0_name"] = "long_term"
		files["constraint_0_max_power_uw"] = strconv.FormatUint(z.MaxPower, 10)
		files["constraint_0_power_limit_uw"] = strconv.FormatUint(z.MaxPower, 10)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(path, name), []byte(text+"\n"), 0o644); err != nil {
			return err
		}
	}
	file, err := os.OpenFile(filepath.Join(path, "energy_uj"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o400)
	if err != nil {
		return err
	}
	one := &powercapZone{PowercapZone: z, file: file}
	p.zones[z.Folder] = one
	for _, folder := range []string{control, z.Folder} {
		err := os.Symlink(filepath.Join("../..", below(folder)), p.class(folder))
		if err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return one.show(z.Start)
}

// show writes the counter.
func (z *powercapZone) show(n uint64) error {
	z.shown = n
	if _, err := z.file.WriteAt(fmt.Appendf(nil, "%020d\n", n), 0); err != nil {
		return fmt.Errorf("write the energy of %s: %w", z.Folder, err)
	}
	return nil
}

func (p *Powercap) zone(folder string) (*powercapZone, error) {
	if z := p.zones[folder]; z != nil {
		return z, nil
	}
	return nil, fmt.Errorf("there is no zone %q in the powercap tree", folder)
}

// Spend has a zone consume an energy in µJ. The counter wraps as often as it must. A reader
// that checks what is possible wants time to pass for it: 1 J is 10 ms at 100 W.
func (p *Powercap) Spend(folder string, energy uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	z, err := p.zone(folder)
	if err != nil {
		return err
	}
	z.spent += energy
	return z.show((z.shown + energy%z.Range) % z.Range)
}

// Reset sets what a zone's counter shows, as a suspended machine or a loaded driver does.
// It is no energy.
func (p *Powercap) Reset(folder string, n uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	z, err := p.zone(folder)
	if err != nil {
		return err
	}
	return z.show(n)
}

// Spent returns the energy in µJ that a zone has consumed since the tree was made, and 0
// for a zone that is not there.
func (p *Powercap) Spent(folder string) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if z := p.zones[folder]; z != nil {
		return z.spent
	}
	return 0
}

// Close closes the tree's files and leaves the folder as it is. The tree cannot be used
// any more.
func (p *Powercap) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, z := range p.zones {
		errs = append(errs, z.file.Close())
	}
	p.zones = nil
	return errors.Join(errs...)
}
