package simnode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// PMU is a unit of the kernel that counts energy as perf events.
type PMU struct {
	// Name is "power", or "power_core" for that of single cores.
	Name string
	// Events are those that it counts, such as "energy-pkg".
	Events []string
	// CPUs are those on which they are counted, one for each counter.
	CPUs []PMUCPU
}

// PMUCPU is a CPU, and where it is.
type PMUCPU struct{ CPU, Socket, Die, Core int }

// PMUs are the units of a machine: their files and those of the CPUs' topology in a folder
// that stands for /sys, and what the kernel answers to perf_event_open, read and close,
// which nobody can have from a machine without such counters. An event counts 2^-32 J,
// begins at 0 when it is opened, and tells for how long it has counted.
//
// All methods may be called from any goroutine.
type PMUs struct {
	sysfs string

	mu      sync.Mutex
	units   []*pmuUnit
	open    map[int]*pmuEvent
	next    int // descriptor
	refused error
}

type pmuUnit struct {
	PMU
	counters map[pmuKey]*pmuCounter
}

type pmuKey struct {
	event string
	cpu   int
}

type pmuCounter struct {
	total uint64
	cpu   int       // -1 while its CPU is offline
	since time.Time // it counts
	ran   time.Duration
}

// pmuEvent is one that is open.
type pmuEvent struct {
	counter *pmuCounter
	begin   uint64        // the counter's total when this showed 0
	ran     time.Duration // likewise
	at      time.Time     // it was opened
}

// firstKind is the kernel's number of the first unit.
const firstKind = 23

// configs are the numbers of events.
func configs() map[string]uint64 {
	return map[string]uint64{"energy-cores": 1, "energy-pkg": 2, "energy-ram": 3, "energy-gpu": 4, "energy-psys": 5, "energy-core": 1, "energy-npu": 6}
}

// NewPMUs makes units in a folder that stands for /sys.
func NewPMUs(sysfs string, units ...PMU) (*PMUs, error) {
	p := &PMUs{sysfs: sysfs, open: make(map[int]*pmuEvent), next: 1000}
	for i, u := range units {
		if err := p.add(u, i); err != nil {
			return nil, fmt.Errorf("make the PMU %q in %s: %w", u.Name, sysfs, err)
		}
	}
	return p, nil
}

// Path returns the path of a unit's file, or of its folder.
func (p *PMUs) Path(unit string, file ...string) string {
	return filepath.Join(append([]string{p.sysfs, "bus/event_source/devices", unit}, file...)...)
}

func (p *PMUs) add(u PMU, i int) error {
	unit := &pmuUnit{PMU: u, counters: make(map[pmuKey]*pmuCounter)}
	files := map[string]string{
		p.Path(u.Name, "type"):         strconv.Itoa(firstKind + i),
		p.Path(u.Name, "format/event"): "config:0-7",
	}
	for _, event := range u.Events {
		config, known := configs()[event]
		if !known {
			return fmt.Errorf("unknown event %q", event)
		}
		file := p.Path(u.Name, "events", event)
		files[file] = fmt.Sprintf("event=0x%02x", config)
		files[file+".unit"] = "Joules"
		files[file+".scale"] = "2.3283064365386962890625e-10"
		for _, c := range u.CPUs {
			unit.counters[pmuKey{event, c.CPU}] = &pmuCounter{cpu: c.CPU, since: time.Now()}
		}
	}
	for path, text := range files {
		if err := p.write(path, text); err != nil {
			return err
		}
	}
	p.units = append(p.units, unit)
	return p.show(unit)
}

// show writes the unit's cpumask and its CPUs' topology.
func (p *PMUs) show(u *pmuUnit) error {
	var mask []string
	for _, c := range u.CPUs {
		mask = append(mask, strconv.Itoa(c.CPU))
		topology := filepath.Join(p.sysfs, "devices/system/cpu", fmt.Sprint("cpu", c.CPU), "topology")
		for name, n := range map[string]int{"physical_package_id": c.Socket, "die_id": c.Die, "core_id": c.Core} {
			if err := p.write(filepath.Join(topology, name), strconv.Itoa(n)); err != nil {
				return err
			}
		}
	}
	return p.write(p.Path(u.Name, "cpumask"), strings.Join(mask, ","))
}

func (p *PMUs) write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text+"\n"), 0o644)
}

var errNoCounter = errors.New("there is no such counter")

func (p *PMUs) counter(unit, event string, cpu int) (*pmuCounter, error) {
	for _, u := range p.units {
		if c := u.counters[pmuKey{event, cpu}]; u.Name == unit && c != nil {
			return c, nil
		}
	}
	return nil, fmt.Errorf("%s/%s on CPU %d: %w", unit, event, cpu, errNoCounter)
}

// Spend has a counter count. It is known by the CPU that it had at first.
func (p *PMUs) Spend(unit, event string, cpu int, counts uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, err := p.counter(unit, event, cpu)
	if err == nil && c.cpu >= 0 {
		c.total += counts
	}
	return err
}

// SetBack has a counter count backwards, which no kernel should.
func (p *PMUs) SetBack(unit, event string, cpu int, counts uint64) error {
	return p.Spend(unit, event, cpu, -counts)
}

// Refuse has the kernel refuse to open events, until it is called with nil.
func (p *PMUs) Refuse(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused = err
}

// Open does what perf_event_open does for an event of a whole CPU.
func (p *PMUs) Open(kind uint32, config uint64, cpu int) (fd int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused != nil {
		return -1, p.refused
	}
	i := int(kind) - firstKind
	if i < 0 || i >= len(p.units) {
		return -1, syscall.ENOENT
	}
	known := false
	for key, c := range p.units[i].counters {
		if configs()[key.event] != config {
			continue
		}
		if known = true; c.cpu == cpu {
			p.next++
			p.open[p.next] = &pmuEvent{c, c.total, c.counted(), time.Now()}
			return p.next, nil
		}
	}
	if known {
		return -1, syscall.ENODEV
	}
	return -1, syscall.EINVAL
}

// counted is for how long the counter has counted.
func (c *pmuCounter) counted() time.Duration {
	if c.cpu < 0 {
		return c.ran
	}
	return c.ran + time.Since(c.since)
}

// Read does what read does: it tells the count, and for how long it was wanted and counted.
func (p *PMUs) Read(fd int, b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.open[fd]
	if e == nil {
		return 0, syscall.EBADF
	}
	if len(b) < 24 {
		return 0, syscall.ENOSPC
	}
	binary.NativeEndian.PutUint64(b, e.counter.total-e.begin)
	binary.NativeEndian.PutUint64(b[8:], uint64(time.Since(e.at)))
	binary.NativeEndian.PutUint64(b[16:], uint64(e.counter.counted()-e.ran))
	return 24, nil
}

// Close closes an event.
func (p *PMUs) Close(fd int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.open[fd] == nil {
		return syscall.EBADF
	}
	delete(p.open, fd)
	return nil
}

// Opened returns how many events are open.
func (p *PMUs) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.open)
}
