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

// HwmonChip is one chip of a tree of hwmon.
type HwmonChip struct {
	// Number is the chip's for now: it lies in hwmonN.
	Number int
	// Name is what its file name says, such as "power_meter".
	Name string
	// Device is the path of its device below /sys, such as "devices/i2c-1/1-0040"; empty
	// for a chip without a device.
	Device string
	// InDevice puts name and sensors into the device's folder, as older drivers do.
	InDevice bool
	// Sensors are its sensors.
	Sensors []HwmonSensor
}

// HwmonSensor is one value of a chip.
type HwmonSensor struct {
	// File is its name, such as "energy1_input" or "power1_average".
	File string
	// Start is what it shows at first, in the unit of its class: µJ, µW, mV or mA.
	Start uint64
	// Beside are files of the same channel and what they say, such as "label" or
	// "average_interval".
	Beside map[string]string
}

// Hwmon is the tree of a machine's sensors in plain files: devices with the folders of
// chips in them, and links to these in class/hwmon. What its sensors show is set one by
// one.
//
// It differs from a real tree as Powercap does: values have leading zeros, and a file that
// is open stays readable after its chip was removed.
//
// All methods may be called from any goroutine.
type Hwmon struct {
	sysfs string

	mu    sync.Mutex
	chips map[string]*HwmonChip // by device, or name where there is none
	shown map[string]*hwmonValue
}

type hwmonValue struct {
	n     uint64
	spent uint64
	file  *os.File
}

// NewHwmon makes a tree in a folder that stands for /sys.
func NewHwmon(sysfs string, chips ...HwmonChip) (*Hwmon, error) {
	h := &Hwmon{sysfs: sysfs, chips: make(map[string]*HwmonChip), shown: make(map[string]*hwmonValue)}
	err := os.MkdirAll(filepath.Join(sysfs, "class/hwmon"), 0o755)
	for i := range chips {
		if err == nil {
			err = h.add(chips[i])
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a tree of hwmon in %s: %w", sysfs, err), h.Close())
	}
	return h, nil
}

// id is what a chip is called in the tree's methods.
func (c *HwmonChip) id() string {
	if c.Device == "" {
		return c.Name
	}
	return filepath.Base(c.Device)
}

// folder is the chip's below /sys.
func (c *HwmonChip) folder() string {
	above := c.Device
	if above == "" {
		above = "devices/virtual"
	}
	return filepath.Join(above, "hwmon", c.link())
}

func (c *HwmonChip) link() string { return "hwmon" + strconv.Itoa(c.Number) }

// Path returns the folder in which a chip's sensors are.
func (h *Hwmon) Path(chip string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.chips[chip]
	switch {
	case c == nil:
		return ""
	case c.InDevice:
		return filepath.Join(h.sysfs, c.Device)
	}
	return filepath.Join(h.sysfs, c.folder())
}

func (h *Hwmon) add(c HwmonChip) error {
	if h.chips[c.id()] != nil || c.Name == "" || c.InDevice && c.Device == "" {
		return fmt.Errorf("chip %q of device %q: want a name, and a device that is not there yet", c.Name, c.Device)
	}
	h.chips[c.id()] = &c
	if err := h.link(&c); err != nil {
		return err
	}
	folder := h.Path(c.id())
	files := map[string]string{"name": c.Name}
	for _, s := range c.Sensors {
		channel, _, _ := strings.Cut(s.File, "_")
		for what, text := range s.Beside {
			files[channel+"_"+what] = text
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text+"\n"), 0o644); err != nil {
			return err
		}
	}
	for _, s := range c.Sensors {
		file, err := os.OpenFile(filepath.Join(folder, s.File), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o444)
		if err != nil {
			return err
		}
		v := &hwmonValue{file: file}
		h.shown[c.id()+"/"+s.File] = v
		if err := v.show(s.Start); err != nil {
			return err
		}
	}
	return nil
}

// link makes the folder of a chip, and the links to and from it.
func (h *Hwmon) link(c *HwmonChip) error {
	folder := filepath.Join(h.sysfs, c.folder())
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join("../..", c.folder()), filepath.Join(h.sysfs, "class/hwmon", c.link())); err != nil {
		return err
	}
	if c.Device == "" {
		return nil
	}
	if err := os.Symlink("../..", filepath.Join(folder, "device")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}

// Move gives a chip another number, as the next start of its driver may. Its values go on.
func (h *Hwmon) Move(chip string, number int) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.chips[chip]
	if c == nil {
		return fmt.Errorf("there is no chip %q in the tree of hwmon", chip)
	}
	before := filepath.Join(h.sysfs, c.folder())
	if err := os.Remove(filepath.Join(h.sysfs, "class/hwmon", c.link())); err != nil {
		return fmt.Errorf("move chip %s: %w", chip, err)
	}
	c.Number = number
	if err := os.Rename(before, filepath.Join(h.sysfs, c.folder())); err != nil {
		return fmt.Errorf("move chip %s: %w", chip, err)
	}
	return h.link(c)
}

func (v *hwmonValue) show(n uint64) error {
	v.n = n
	if _, err := v.file.WriteAt(fmt.Appendf(nil, "%020d\n", n), 0); err != nil {
		return fmt.Errorf("write a value of hwmon: %w", err)
	}
	return nil
}

func (h *Hwmon) value(chip, file string) (*hwmonValue, error) {
	if v := h.shown[chip+"/"+file]; v != nil {
		return v, nil
	}
	return nil, fmt.Errorf("there is no %s of chip %q in the tree of hwmon", file, chip)
}

// Show sets what a sensor shows: a power, or a counter that was reset, which is no energy.
// A chip is called by the last part of its device's path, or its name where it has none.
func (h *Hwmon) Show(chip, file string, n uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.value(chip, file)
	if err != nil {
		return err
	}
	return v.show(n)
}

// Spend has an energy counter count an energy in µJ.
func (h *Hwmon) Spend(chip, file string, energy uint64) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	v, err := h.value(chip, file)
	if err != nil {
		return err
	}
	v.spent += energy
	return v.show(v.n + energy)
}

// Spent returns the energy in µJ that was spent of a counter, and 0 for one that is not
// there.
func (h *Hwmon) Spent(chip, file string) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	if v := h.shown[chip+"/"+file]; v != nil {
		return v.spent
	}
	return 0
}

// Close closes the tree's files and leaves the folder as it is. The tree cannot be used any
// more.
func (h *Hwmon) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	var errs []error
	for _, v := range h.shown {
		errs = append(errs, v.file.Close())
	}
	h.shown = nil
	return errors.Join(errs...)
}
