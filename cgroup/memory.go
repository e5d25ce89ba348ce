package cgroup

// Memory is what a cgroup and all its descendants hold now, in bytes.
type Memory struct {
	// Usage is all memory charged to the cgroup, caches included.
	Usage Value
	// Anonymous is memory without a file behind it. On version 1 it includes
	// swap cache.
	Anonymous Value
	// File is the page cache, with tmpfs and shared memory.
	File Value
	// KernelStack and PageTables are not told by version 1.
	KernelStack, PageTables Value
}

// parseMemoryStat parses version 2's memory.stat.
func parseMemoryStat(text []byte, m *Memory) error {
	return parseKeyed(text, 1,
		keyed{"anon", &m.Anonymous}, keyed{"file", &m.File},
		keyed{"kernel_stack", &m.KernelStack}, keyed{"pagetables", &m.PageTables})
}

// parseMemoryStatV1 parses version 1's memory.stat. The keys without "total_"
// leave out the descendants, in which all processes of a pod are.
func parseMemoryStatV1(text []byte, m *Memory) error {
	return parseKeyed(text, 1, keyed{"total_rss", &m.Anonymous}, keyed{"total_cache", &m.File})
}
