package simnode

import (
	"fmt"
	"time"
)

// Memory is what a cgroup has charged, in bytes. Its parts do not overlap.
type Memory struct {
	// Anon is anonymous memory, File the page cache.
	Anon, File uint64
	// KernelStack, PageTables and Slab are memory of the kernel.
	KernelStack, PageTables, Slab uint64
}

// Usage is the sum of all parts.
func (m Memory) Usage() uint64 {
	return m.Anon + m.File + m.KernelStack + m.PageTables + m.Slab
}

// replace takes one child's old share out of a sum and puts the new one in.
func (m Memory) replace(was, is Memory) Memory {
	return Memory{
		Anon: m.Anon - was.Anon + is.Anon, File: m.File - was.File + is.File,
		KernelStack: m.KernelStack - was.KernelStack + is.KernelStack,
		PageTables:  m.PageTables - was.PageTables + is.PageTables,
		Slab:        m.Slab - was.Slab + is.Slab,
	}
}

// Counters is what a cgroup has used.
type Counters struct {
	// User and System are the CPU time so far, of everything that ever ran in
	// the cgroup and below it.
	User, System time.Duration
	// Memory is what is charged now, to the cgroup and everything below it.
	Memory Memory
}

// CPU is the CPU time so far, user and system.
func (c Counters) CPU() time.Duration { return c.User + c.System }

// userHZ is how many clock ticks a second has in cpuacct.stat.
const userHZ = 100

// Numbers that change are written with leading zeros, %016d, so that a text
// keeps its length. When a file gets longer or shorter while it is read, the
// reader may see the new text with the old length: a number without its last
// digits. Without a change in length that cannot be.

func textUsage(g *group, b []byte) []byte     { return number(b, g.CPU().Nanoseconds()) }
func textUsageUser(g *group, b []byte) []byte { return number(b, g.User.Nanoseconds()) }
func textUsageSys(g *group, b []byte) []byte  { return number(b, g.System.Nanoseconds()) }

func textUsagePerCPU(g *group, b []byte) []byte {
	for _, spent := range g.perCPU {
		b = fmt.Appendf(b, "%016d ", spent.Nanoseconds())
	}
	return append(b, '\n')
}

func textCPUSet(g *group, b []byte) []byte { return fmt.Appendln(b, g.cpus) }

func number(b []byte, n int64) []byte { return fmt.Appendf(b, "%016d\n", n) }

func textCPUAcctStat(g *group, b []byte) []byte {
	tick := time.Second / userHZ
	return fmt.Appendf(b, "user %016d\nsystem %016d\n", int64(g.User/tick), int64(g.System/tick))
}

// textCPUStat is v2: each number is rounded down on its own.
func textCPUStat(g *group, b []byte) []byte {
	return append(textCPUStatBare(g, b), "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\nnr_bursts 0\nburst_usec 0\n"...)
}

// textCPUStatBare is v2 without a cpu controller.
func textCPUStatBare(g *group, b []byte) []byte {
	return fmt.Appendf(b, "usage_usec %016d\nuser_usec %016d\nsystem_usec %016d\nnice_usec 0\n",
		g.CPU().Microseconds(), g.User.Microseconds(), g.System.Microseconds())
}

// textThrottling is the cpu.stat of v1, which has no CPU time in it.
func textThrottling(_ *group, b []byte) []byte {
	return append(b, "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n"...)
}

func textMemoryUsage(g *group, b []byte) []byte { return number(b, int64(g.Memory.Usage())) }

// textEvents tells whether a process lives in the cgroup or below it.
func textEvents(g *group, b []byte) []byte {
	populated := 0
	if g.processes > 0 {
		populated = 1
	}
	return fmt.Appendf(b, "populated %d\nfrozen 0\n", populated)
}

func textProcs(g *group, b []byte) []byte {
	if g.pid == 0 {
		return b
	}
	return fmt.Appendln(b, g.pid)
}

func textControllers(_ *group, b []byte) []byte {
	return append(b, "cpuset cpu io memory hugetlb pids rdma misc\n"...)
}

func textNothing(_ *group, b []byte) []byte { return append(b, '\n') }
