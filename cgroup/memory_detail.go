package cgroup

import "errors"

// MemoryDetail is what else the kernel tells of the memory of a cgroup and all
// its descendants. What is an amount is in bytes, and is held now; what is a
// number was counted since the cgroup was made, the dead descendants included.
type MemoryDetail struct {
	// WorkingSet is the memory charged to the cgroup without the part of the
	// page cache that the kernel drops first (inactive_file), at least 0. The
	// kubelet takes it for what cannot be taken away.
	WorkingSet Value
	// Max is the limit of the cgroup itself; one of a cgroup above it may be
	// lower. It is not known where there is none.
	Max Value
	// SwapCurrent is what is swapped out, SwapMax its limit. Version 1 limits
	// only the sum of memory and swap, so that SwapMax is not known there.
	SwapCurrent, SwapMax Value
	// SlabReclaimable and SlabUnreclaimable are the kernel's own objects, those
	// that it can drop and those in use. Version 1 does not tell them.
	SlabReclaimable, SlabUnreclaimable Value
	// PageFaults counts all page faults, MajorPageFaults those among them that
	// had to read.
	PageFaults, MajorPageFaults Value
	// OOMKills counts the processes that were killed since there was no memory
	// left. Version 1 does not tell it for a cgroup with its descendants.
	OOMKills Value
	// OwnOOMKills counts those that were killed in the cgroup itself, without
	// its descendants. Only version 1 tells it, since Linux 4.13.
	OwnOOMKills Value
}

// Positions in memoryDetailFiles and memoryDetailFilesV1.
const (
	fileMemoryMax = iota
	fileMemoryEvents
	fileSwapCurrent
	fileSwapMax
)

func memoryDetailFiles() []string {
	return []string{"memory.max", "memory.events", "memory.swap.current", "memory.swap.max"}
}

func memoryDetailFilesV1() []string {
	return []string{"memory.limit_in_bytes", "memory.oom_control"}
}

// MemoryAndDetail reads the memory in use and its detail, which share files, on
// the same terms as CPU. With a nil m, only the detail is wanted.
func (r *Reader) MemoryAndDetail(buf *Buffer, m *Memory, d *MemoryDetail) error {
	*d = MemoryDetail{}
	var none Memory
	if m == nil {
		m = &none
	}
	*m = Memory{}
	if r.h.memory.dir == "" {
		return nil
	}
	errUsage := r.number(&r.memoryUsage, buf, &m.Usage)
	if errUsage != nil && errors.Is(errUsage, ErrGone) {
		return errUsage
	}
	var inactive Value
	errStat := r.parse(&r.memoryStat, buf, func(text []byte) error {
		if r.h.memory.v2 {
			return parseMemoryStatDetail(text, m, d, &inactive)
		}
		return parseMemoryStatDetailV1(text, m, d, &inactive)
	})
	d.WorkingSet = workingSet(m.Usage, inactive)
	err := r.memoryDetail(buf, d)
	if errUsage == nil && errStat == nil && err == nil {
		return nil // the usual way, without the allocation of a join
	}
	return errors.Join(errUsage, errStat, err)
}

// memoryDetail reads the files that have nothing but detail.
func (r *Reader) memoryDetail(buf *Buffer, d *MemoryDetail) error {
	if !r.h.memory.v2 {
		f := r.files(&r.detail, r.h.memory, memoryDetailFilesV1())
		errMax := r.limit(&f[fileMemoryMax], buf, &d.Max)
		errKills := r.parseAside(&f[fileMemoryEvents], buf, func(text []byte) error {
			return parseKeyed(text, 1, keyed{"oom_kill", &d.OwnOOMKills})
		})
		return join(errMax, errKills)
	}
	f := r.files(&r.detail, r.h.memory, memoryDetailFiles())
	errMax := r.limit(&f[fileMemoryMax], buf, &d.Max)
	errKills := r.parseAside(&f[fileMemoryEvents], buf, func(text []byte) error {
		return parseKeyed(text, 1, keyed{"oom_kill", &d.OOMKills})
	})
	errCurrent := r.parseAside(&f[fileSwapCurrent], buf, func(text []byte) (err error) {
		d.SwapCurrent, err = parseNumber(text)
		return err
	})
	errSwapMax := r.limit(&f[fileSwapMax], buf, &d.SwapMax)
	return join(join(errMax, errKills), join(errCurrent, errSwapMax))
}

// join is errors.Join without its allocation where all is well.
func join(a, b error) error {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return errors.Join(a, b)
}

// workingSet is the memory in use without the inactive page cache. The two are
// read one after the other, so that the latter can be the larger.
func workingSet(usage, inactive Value) Value {
	switch {
	case !usage.Known || !inactive.Known:
		return Value{}
	case inactive.N >= usage.N:
		return Value{Known: true}
	}
	return Value{N: usage.N - inactive.N, Known: true}
}

// parseMemoryStatDetail parses version 2's memory.stat.
func parseMemoryStatDetail(text []byte, m *Memory, d *MemoryDetail, inactive *Value) error {
	return parseKeyed(text, 1,
		keyed{"anon", &m.Anonymous}, keyed{"file", &m.File},
		keyed{"kernel_stack", &m.KernelStack}, keyed{"pagetables", &m.PageTables},
		keyed{"inactive_file", inactive},
		keyed{"slab_reclaimable", &d.SlabReclaimable}, keyed{"slab_unreclaimable", &d.SlabUnreclaimable},
		keyed{"pgfault", &d.PageFaults}, keyed{"pgmajfault", &d.MajorPageFaults})
}

// parseMemoryStatDetailV1 parses version 1's memory.stat.
func parseMemoryStatDetailV1(text []byte, m *Memory, d *MemoryDetail, inactive *Value) error {
	return parseKeyed(text, 1,
		keyed{"total_rss", &m.Anonymous}, keyed{"total_cache", &m.File},
		keyed{"total_inactive_file", inactive}, keyed{"total_swap", &d.SwapCurrent},
		keyed{"total_pgfault", &d.PageFaults}, keyed{"total_pgmajfault", &d.MajorPageFaults})
}
