package k8s

import (
	"context"
	"errors"
	"time"

	"github.com/podjoule/podjoule/cgroup"
)

// details is what is kept of a target for the groups besides CPU and memory.
type details struct {
	counters [detailCounters]counter
	gauges   [detailGauges]gauge
	devices  []device
	refused  int // devices that were counted as refused, since there was no room for their series
	// told is when the devices were last known, and toldEnd the end of the window
	// before that: a device that comes later has counted from zero since then.
	told, toldEnd time.Time
}

// gauge is a state as it was last told.
type gauge struct {
	value cgroup.Value
	fresh bool // the last reading told it
	shown bool // it was emitted, at least once
}

// device is what a target counted on a block device.
type device struct {
	cgroup.Device
	counters [deviceCounters]counter
}

// detailBuffers are what is read into.
type detailBuffers struct {
	memory     cgroup.MemoryDetail
	throttling cgroup.Throttling
	pressure   cgroup.Pressure
	io         cgroup.IO
	pids       cgroup.PIDs
}

// newDetails returns the details of a target, or nil where no group wants any.
func (s *source) newDetails() *details {
	if !detailed(s.groups) {
		return nil
	}
	return new(details)
}

// born tells that the cgroup was made between two moments: see bornCounter.
func (d *details) born(after, end time.Time) {
	if d == nil {
		return
	}
	for i := range d.counters {
		d.counters[i] = bornCounter(after, end)
	}
	d.told, d.toldEnd = after, end
}

// carry takes over what other details have counted and nobody has taken.
func (d *details) carry(old *details) {
	if d == nil {
		return
	}
	for i := range d.counters {
		d.counters[i].carry(&old.counters[i])
	}
	for i := range d.gauges {
		d.gauges[i].shown = old.gauges[i].shown
	}
	for i := range old.devices {
		fresh := d.add(old.devices[i].Device)
		for j := range fresh.counters {
			fresh.counters[j].carry(&old.devices[i].counters[j])
		}
	}
	d.refused = old.refused
}

// add makes the entry of a device.
func (d *details) add(id cgroup.Device) *device {
	fresh := device{Device: id}
	if !d.told.IsZero() {
		for i := range fresh.counters {
			fresh.counters[i] = bornCounter(d.told, d.toldEnd)
		}
	}
	d.devices = append(d.devices, fresh)
	return &d.devices[len(d.devices)-1]
}

func (g *gauge) read(v cgroup.Value) {
	if g.fresh = v.Known; g.fresh {
		g.value = v
	}
}

// begin is that of its counters.
func (d *details) begin(start time.Time) {
	if d == nil {
		return
	}
	for i := range d.counters {
		d.counters[i].begin(start)
	}
	for i := range d.devices {
		for j := range d.devices[i].counters {
			d.devices[i].counters[j].begin(start)
		}
	}
	if d.toldEnd.IsZero() {
		d.toldEnd = start
	}
}

// count has a counter take a reading.
func (s *source) count(c *counter, v cgroup.Value, at time.Time) {
	if c.read(v, at, s.windowEnd) {
		s.self.resets.Add(context.Background(), 1)
	}
}

// readThrottling reads the throttling, and CPU time into s.cpu if that is measured.
func (s *source) readThrottling(t *target, at time.Time) error {
	cpu := &s.cpu
	if !s.measuresCPU {
		cpu = nil
	}
	read, d := &s.details.throttling, t.details
	err := t.reader.CPUAndThrottling(&s.buf, cpu, read)
	s.count(&d.counters[quotaPeriods], read.Periods, at)
	s.count(&d.counters[throttledPeriods], read.Throttled, at)
	s.count(&d.counters[throttledTime], read.Time, at)
	return err
}

// readMemoryDetail reads the detail, and memory into s.memory if that is measured.
func (s *source) readMemoryDetail(t *target) error {
	memory := &s.memory
	if !s.measuresMemory {
		memory = nil
	}
	at := time.Now()
	read, d := &s.details.memory, t.details
	err := t.reader.MemoryAndDetail(&s.buf, memory, read)
	s.count(&d.counters[pageFaults], read.PageFaults, at)
	s.count(&d.counters[majorPageFaults], read.MajorPageFaults, at)
	kills := read.OOMKills
	if !t.isPod() && !kills.Known {
		kills = read.OwnOOMKills // nothing runs in a pod's own cgroup: there it is always 0
	}
	s.count(&d.counters[oomKills], kills, at)
	d.gauges[workingSet].read(read.WorkingSet)
	d.gauges[memoryMax].read(read.Max)
	d.gauges[swapCurrent].read(read.SwapCurrent)
	d.gauges[swapMax].read(read.SwapMax)
	d.gauges[slabReclaimable].read(read.SlabReclaimable)
	d.gauges[slabUnreclaimable].read(read.SlabUnreclaimable)
	return err
}

// readDetails reads what is not read together with CPU time or memory.
func (s *source) readDetails(t *target) error {
	if t.details == nil {
		return nil
	}
	var errPressure, errIO, errPIDs error
	if s.groups.Pressure {
		errPressure = s.readPressure(t)
	}
	if s.groups.IO {
		errIO = s.readIO(t)
	}
	if s.groups.PIDs {
		errPIDs = t.reader.PIDs(&s.buf, &s.details.pids)
		t.details.gauges[pidsCurrent].read(s.details.pids.Current)
		t.details.gauges[pidsMax].read(s.details.pids.Max)
	}
	return errors.Join(errPressure, errIO, errPIDs)
}

func (s *source) readPressure(t *target) error {
	at := time.Now()
	read, d := &s.details.pressure, t.details
	err := t.reader.Pressure(&s.buf, read)
	s.count(&d.counters[cpuSome], read.CPU.Some, at)
	s.count(&d.counters[cpuFull], read.CPU.Full, at)
	s.count(&d.counters[memorySome], read.Memory.Some, at)
	s.count(&d.counters[memoryFull], read.Memory.Full, at)
	s.count(&d.counters[ioSome], read.IO.Some, at)
	s.count(&d.counters[ioFull], read.IO.Full, at)
	return err
}

// readIO reads what was counted on each device. One that was not there at the last
// reading has counted from zero since.
func (s *source) readIO(t *target) error {
	at := time.Now()
	read, d := &s.details.io, t.details
	err := t.reader.IO(&s.buf, read)
	for i := range d.devices {
		for j := range d.devices[i].counters {
			d.devices[i].counters[j].stale = true // unless it is told below
		}
	}
	for i := range read.Devices {
		told := &read.Devices[i]
		known := d.device(told.Device)
		s.count(&known.counters[readBytes], told.ReadBytes, at)
		s.count(&known.counters[writeBytes], told.WriteBytes, at)
		s.count(&known.counters[readOperations], told.Reads, at)
		s.count(&known.counters[writeOperations], told.Writes, at)
	}
	if read.Known {
		d.told, d.toldEnd = at, s.windowEnd
	}
	return err
}

func (d *details) device(id cgroup.Device) *device {
	for i := range d.devices {
		if d.devices[i].Device == id {
			return &d.devices[i]
		}
	}
	return d.add(id)
}
