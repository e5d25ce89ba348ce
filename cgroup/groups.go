package cgroup

// Groups are quantities that are read together, and belong to one method of
// Reader each. Those that nobody reads cost nothing: none of their files is
// opened.
type Groups struct {
	CPU, Memory, MemoryDetail, Pressure, Throttling, IO, PIDs, PerCPU, CPUSet bool
}

// sharesCPUStat reports whether CPU time and throttling are in one file.
func (h *Hierarchy) sharesCPUStat() bool { return h.cpu.v2 && h.throttling == h.cpu }

// CountsOOMKills reports whether MemoryDetail.OOMKills can be known: version 1
// counts only for the cgroup in which a process was killed.
func (h *Hierarchy) CountsOOMKills() bool { return h.memory.v2 }

// Files is how many files a Reader of these groups holds open at most.
func (h *Hierarchy) Files(g Groups) int {
	files := 0
	add := func(wanted bool, c controller, v1, v2 int) {
		switch {
		case !wanted || c.dir == "":
		case c.v2:
			files += v2
		default:
			files += v1
		}
	}
	add(g.CPU, h.cpu, 3, 1)
	add(g.Throttling && !(g.CPU && h.sharesCPUStat()), h.throttling, 1, 1)
	add(g.Memory || g.MemoryDetail, h.memory, 2, 2)
	add(g.MemoryDetail, h.memory, len(memoryDetailFilesV1()), len(memoryDetailFiles()))
	add(g.Pressure, h.pressure, 0, len(pressureFiles()))
	add(g.IO, h.io, len(ioFilesV1()), len(ioFiles()))
	add(g.PIDs, h.pids, len(pidsFiles()), len(pidsFiles()))
	add(g.PerCPU, h.cpu, len(perCPUFiles()), 0)
	add(g.CPUSet, h.cpu, 0, len(cpuSetFiles()))
	return files
}
