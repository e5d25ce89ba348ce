package k8s

import (
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
)

// Attribute keys.
const (
	keyUID         = "uid"
	keyName        = "name"
	keyNamespace   = "namespace"
	keyNode        = "node"
	keyKind        = "kind"
	keyContainer   = "container"
	keyContainerID = "container_id"
)

// resourcePackage is the kind of resource that a CPU package is.
const resourcePackage = "cpu_package"

// The parts of a CPU metric, in the order of cpuKinds.
const (
	total = iota
	system
	user
	kinds // how many
)

var cpuKinds = [kinds]string{total: "total", system: "system", user: "user"}

// The parts of memory that are told, in the order of metricSet.memory.
const (
	memoryUsage = iota
	memoryAnonymous
	memoryFile
	memoryKernelStack
	memoryPageTables
	memoryParts // how many
)

// metricSet holds the metrics of one level: of pods, or of containers. The
// levels have metrics of their own, so that no sum counts anything twice.
type metricSet struct {
	cpuTime, cpuPercent *measure.Metric
	cpuPackageTime      *measure.Metric // of pods alone
	memory              [memoryParts]*measure.Metric
	details             detailMetrics
	requests            requestMetrics // of pods alone
}

var podMetrics, containerMetrics = newMetricSets()

// newMetricSet declares the metrics of a level, whose series may have the given
// keys; the CPU metrics have "kind" besides.
func newMetricSet(prefix, what string, keys ...string) metricSet {
	slices.Sort(keys)
	withKind := append([]string{keyKind}, keys...)
	slices.Sort(withKind)
	gauge := func(name, help string) *measure.Metric {
		return &measure.Metric{Name: prefix + name, Unit: measure.Byte, Kind: measure.Gauge, Help: help, Attributes: keys}
	}
	return metricSet{
		cpuTime: &measure.Metric{
			Name: prefix + "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
			Help: "CPU time spent by the " + what, Attributes: withKind,
		},
		cpuPercent: &measure.Metric{
			Name: prefix + "cpu_percent", Unit: measure.Percent, Kind: measure.Gauge,
			Help: "CPU time spent by the " + what + " over time passed, where 100 is one core fully used", Attributes: withKind,
		},
		memory: [memoryParts]*measure.Metric{
			memoryUsage:       gauge("memory_usage", "Memory charged to the "+what+", with its share of the page cache"),
			memoryAnonymous:   gauge("cgroup_memory_anonymous", "Anonymous memory of the "+what),
			memoryFile:        gauge("cgroup_memory_file", "Page cache of the "+what+", with tmpfs and shared memory"),
			memoryKernelStack: gauge("cgroup_memory_kernel_stack", "Kernel stacks of the "+what),
			memoryPageTables:  gauge("cgroup_memory_pagetables", "Page tables of the "+what),
		},
		details: newDetailMetrics(prefix, what, keys),
	}
}

// list returns the metrics of the groups that are wanted.
func (m *metricSet) list(g groups) []*measure.Metric {
	var all []*measure.Metric
	if g.CPU {
		all = append(all, m.cpuTime, m.cpuPercent)
	}
	if g.Memory {
		all = append(all, m.memory[:]...)
	}
	all = append(all, m.details.list(g)...)
	if g.Requests && m.requests.cpu != nil {
		all = append(all, m.requests.list()...)
	}
	if g.Sockets && m.cpuPackageTime != nil {
		all = append(all, m.cpuPackageTime)
	}
	return all
}
