package k8s

import (
	"slices"

	"github.com/podjoule/podjoule/cgroup"
)

// Groups of metrics, as the key metrics chooses them.
const (
	groupCPU          = "cpu"
	groupMemory       = "memory"
	groupMemoryDetail = "memory_detail"
	groupPressure     = "pressure"
	groupThrottling   = "throttling"
	groupIO           = "io"
	groupPIDs         = "pids"
)

// metricGroups are all groups, in the order of their metrics in the documents.
func metricGroups() []string {
	return []string{groupCPU, groupMemory, groupMemoryDetail, groupPressure, groupThrottling, groupIO, groupPIDs}
}

func defaultGroups() []string { return []string{groupCPU, groupMemory} }

// groupsOf tells which groups are among the names.
func groupsOf(names []string) cgroup.Groups {
	has := func(name string) bool { return slices.Contains(names, name) }
	return cgroup.Groups{
		CPU: has(groupCPU), Memory: has(groupMemory), MemoryDetail: has(groupMemoryDetail), Pressure: has(groupPressure),
		Throttling: has(groupThrottling), IO: has(groupIO), PIDs: has(groupPIDs),
	}
}

// detailed tells whether there is a group besides CPU and memory.
func detailed(g cgroup.Groups) bool {
	return g.MemoryDetail || g.Pressure || g.Throttling || g.IO || g.PIDs
}
