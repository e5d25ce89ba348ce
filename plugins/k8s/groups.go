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
	groupRequests     = "requests"
	groupSockets      = "sockets"
)

// groups are the groups of metrics that are wanted. Those of cgroup.Groups are read
// from control groups, the others are not.
type groups struct {
	cgroup.Groups
	Requests, Sockets bool
}

// metricGroups are all groups, in the order of their metrics in the documents.
func metricGroups() []string {
	return []string{groupCPU, groupMemory, groupMemoryDetail, groupPressure, groupThrottling, groupIO, groupPIDs, groupRequests, groupSockets}
}

func defaultGroups() []string { return []string{groupCPU, groupMemory} }

// groupsOf tells which groups are among the names.
func groupsOf(names []string) groups {
	has := func(name string) bool { return slices.Contains(names, name) }
	return groups{
		Groups: cgroup.Groups{
			CPU: has(groupCPU), Memory: has(groupMemory), MemoryDetail: has(groupMemoryDetail), Pressure: has(groupPressure),
			Throttling: has(groupThrottling), IO: has(groupIO), PIDs: has(groupPIDs),
			PerCPU: has(groupSockets), CPUSet: has(groupSockets),
		},
		Requests: has(groupRequests), Sockets: has(groupSockets),
	}
}

// detailed tells whether there is a group of details.
func detailed(g groups) bool {
	return g.MemoryDetail || g.Pressure || g.Throttling || g.IO || g.PIDs
}
