package k8s

import (
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
)

// Attribute keys of devices.
const (
	keyDevice    = "device"
	keyDirection = "direction"
)

// The counters of the groups besides CPU and memory, in the order of
// counterTraits.
const (
	pageFaults = iota
	majorPageFaults
	oomKills
	cpuSome
	cpuFull
	memorySome
	memoryFull
	ioSome
	ioFull
	quotaPeriods
	throttledPeriods
	throttledTime
	detailCounters // how many

	memoryCounters = oomKills + 1 // the first ones are read with memory
)

// The gauges of these groups, in the order of gaugeTraits.
const (
	workingSet = iota
	memoryMax
	swapCurrent
	swapMax
	slabReclaimable
	slabUnreclaimable
	pidsCurrent
	pidsMax
	detailGauges // how many

	memoryGauges = slabUnreclaimable + 1 // the first ones are read with memory
)

// The counters of a device.
const (
	readBytes = iota
	writeBytes
	readOperations
	writeOperations
	deviceCounters // how many
)

// trait describes the metric of a counter or of a gauge. Those with one name and
// different kinds are one metric.
type trait struct {
	group, name, kind string
	unit              measure.Unit
	help              string // with what is measured at its end
}

func counterTraits() [detailCounters]trait {
	const (
		faults   = "Page faults: total, and the major ones among them, which had to read; of the "
		stalled  = "Time in which some task waited for "
		stood    = "Time in which every task that had something to do waited for "
		throttle = "Periods of the CPU quota in which something ran: total, and throttled, in which the quota was used up; of the "
	)
	return [detailCounters]trait{
		pageFaults:       {groupMemoryDetail, "memory_page_faults_delta", "total", measure.One, faults},
		majorPageFaults:  {groupMemoryDetail, "memory_page_faults_delta", "major", measure.One, faults},
		oomKills:         {groupMemoryDetail, "memory_oom_kills_delta", "", measure.One, "Processes killed for want of memory, of the "},
		cpuSome:          {groupPressure, "cpu_pressure_some_total", "", measure.Nanosecond, stalled + "CPU, of the "},
		cpuFull:          {groupPressure, "cpu_pressure_full_total", "", measure.Nanosecond, stood + "CPU, of the "},
		memorySome:       {groupPressure, "memory_pressure_some_total", "", measure.Nanosecond, stalled + "memory, of the "},
		memoryFull:       {groupPressure, "memory_pressure_full_total", "", measure.Nanosecond, stood + "memory, of the "},
		ioSome:           {groupPressure, "io_pressure_some_total", "", measure.Nanosecond, stalled + "input or output, of the "},
		ioFull:           {groupPressure, "io_pressure_full_total", "", measure.Nanosecond, stood + "input or output, of the "},
		quotaPeriods:     {groupThrottling, "cpu_throttling_periods_delta", "total", measure.One, throttle},
		throttledPeriods: {groupThrottling, "cpu_throttling_periods_delta", "throttled", measure.One, throttle},
		throttledTime:    {groupThrottling, "cpu_throttled_time_delta", "", measure.Nanosecond, "Time for which the CPU quota stopped it, summed over CPUs, of the "},
	}
}

func gaugeTraits() [detailGauges]trait {
	return [detailGauges]trait{
		workingSet:        {groupMemoryDetail, "memory_working_set", "", measure.Byte, "Memory without the inactive page cache, of the "},
		memoryMax:         {groupMemoryDetail, "memory_max", "", measure.Byte, "Memory limit of the "},
		swapCurrent:       {groupMemoryDetail, "cgroup_memory_swap_current", "", measure.Byte, "Swapped memory of the "},
		swapMax:           {groupMemoryDetail, "cgroup_memory_swap_max", "", measure.Byte, "Swap limit of the "},
		slabReclaimable:   {groupMemoryDetail, "cgroup_slab_reclaimable", "", measure.Byte, "Kernel objects that can be dropped, of the "},
		slabUnreclaimable: {groupMemoryDetail, "cgroup_slab_unreclaimable", "", measure.Byte, "Kernel objects in use, of the "},
		pidsCurrent:       {groupPIDs, "pids_current", "", measure.One, "Processes and threads of the "},
		pidsMax:           {groupPIDs, "pids_max", "", measure.One, "Limit of processes and threads of the "},
	}
}

// detailMetrics are the metrics of one level for the groups besides CPU and memory.
type detailMetrics struct {
	counters              [detailCounters]*measure.Metric
	gauges                [detailGauges]*measure.Metric
	ioBytes, ioOperations *measure.Metric
}

// newDetailMetrics declares them, with the sorted keys that every series may have.
func newDetailMetrics(prefix, what string, keys []string) (d detailMetrics) {
	declare := func(t trait, kind measure.Kind, keys []string) *measure.Metric {
		return &measure.Metric{Name: prefix + t.name, Unit: t.unit, Kind: kind, Help: t.help + what, Attributes: keys}
	}
	with := func(more ...string) []string {
		more = append(more, keys...)
		slices.Sort(more)
		return more
	}
	for i, t := range counterTraits() {
		switch {
		case t.kind == "":
			d.counters[i] = declare(t, measure.Delta, keys)
		case i > 0 && d.counters[i-1].Name == prefix+t.name:
			d.counters[i] = d.counters[i-1]
		default:
			d.counters[i] = declare(t, measure.Delta, with(keyKind))
		}
	}
	for i, t := range gaugeTraits() {
		d.gauges[i] = declare(t, measure.Gauge, keys)
	}
	device := with(keyDevice, keyDirection)
	d.ioBytes = declare(trait{name: "io_bytes_delta", unit: measure.Byte, help: "Bytes read from a block device and written to it, by the "}, measure.Delta, device)
	d.ioOperations = declare(trait{name: "io_operations_delta", unit: measure.One, help: "Operations on a block device, by the "}, measure.Delta, device)
	return d
}

// list returns the metrics of the groups that are wanted.
func (d *detailMetrics) list(g groups) []*measure.Metric {
	var all []*measure.Metric
	for _, group := range metricGroups() {
		if !wants(g, group) {
			continue
		}
		if group == groupIO {
			all = append(all, d.ioBytes, d.ioOperations)
		}
		for i, t := range gaugeTraits() {
			if t.group == group {
				all = append(all, d.gauges[i])
			}
		}
		for i, t := range counterTraits() {
			if t.group == group && !slices.Contains(all, d.counters[i]) {
				all = append(all, d.counters[i])
			}
		}
	}
	return all
}

func wants(g groups, group string) bool {
	switch group {
	case groupMemoryDetail:
		return g.MemoryDetail
	case groupPressure:
		return g.Pressure
	case groupThrottling:
		return g.Throttling
	case groupIO:
		return g.IO
	case groupPIDs:
		return g.PIDs
	}
	return false // of the others the metrics are in metricSet
}
