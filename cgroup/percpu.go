package cgroup

import (
	"bytes"
	"errors"
	"fmt"
)

// PerCPU is CPU.Total on each CPU, in nanoseconds. Only version 1 tells it.
type PerCPU struct {
	// Known says that the kernel tells it here.
	Known bool
	// Times has an entry for each CPU that the machine can have, online or not, in the
	// order of their numbers. Its memory is reused. Together they are CPU.Total, but for
	// what was counted between two readings.
	Times []uint64
}

// CPURange is the CPUs from First to Last.
type CPURange struct{ First, Last int }

// CPUSet is the CPUs on which a cgroup's processes may run. Only version 2's is read,
// where the cpuset controller is on for the cgroup.
type CPUSet struct {
	Known bool
	// Ranges are in the kernel's order. Their memory is reused.
	Ranges []CPURange
}

func perCPUFiles() []string { return []string{"cpuacct.usage_percpu"} }

func cpuSetFiles() []string { return []string{"cpuset.cpus.effective"} }

// TellsPerCPU reports whether PerCPU can be known.
func (h *Hierarchy) TellsPerCPU() bool { return h.cpu.dir != "" && !h.cpu.v2 }

// PerCPU reads the CPU time by CPU, on the same terms as CPU.
func (r *Reader) PerCPU(buf *Buffer, p *PerCPU) error {
	p.Known, p.Times = false, p.Times[:0]
	if !r.h.TellsPerCPU() {
		return nil
	}
	f := r.files(&r.perCPU, r.h.cpu, perCPUFiles())
	f[0].first = true // a counter is read when its pod begins and ends, too
	return r.parse(&f[0], buf, func(text []byte) (err error) {
		p.Times, err = parsePerCPU(text, p.Times)
		p.Known = err == nil
		return err
	})
}

// CPUSet reads on which CPUs the cgroup may run, on the same terms as CPU.
func (r *Reader) CPUSet(buf *Buffer, c *CPUSet) error {
	c.Known, c.Ranges = false, c.Ranges[:0]
	if !r.h.cpu.v2 {
		return nil
	}
	f := r.files(&r.cpuSet, r.h.cpu, cpuSetFiles())
	return r.parse(&f[0], buf, func(text []byte) (err error) {
		c.Ranges, err = ParseCPUs(text, c.Ranges)
		c.Known = err == nil
		return err
	})
}

// parsePerCPU parses numbers with a space behind each of them.
func parsePerCPU(text []byte, into []uint64) ([]uint64, error) {
	into = into[:0]
	text, _ = bytes.CutSuffix(text, []byte{'\n'})
	for len(text) > 0 {
		word := cutWord(&text)
		n, ok := digits(word)
		if !ok {
			return into[:0], fmt.Errorf("want a number for each CPU, have %s", excerpt(word))
		}
		into = append(into, n)
	}
	if len(into) == 0 {
		return into, errEmpty
	}
	return into, nil
}

// mostCPUs is more than Linux can be built for.
const mostCPUs = 1 << 16

var errCPUOrder = errors.New("a CPU comes twice or out of order")

// ParseCPUs parses a list of CPUs as the kernel writes it, such as "0-3,8", in the
// memory of into. An empty list is none.
func ParseCPUs(text []byte, into []CPURange) ([]CPURange, error) {
	into = into[:0]
	text, _ = bytes.CutSuffix(text, []byte{'\n'})
	for next, more := 0, len(text) > 0; more; {
		word := cutAt(&text, ',')
		more = text != nil // else there was no comma
		last := word
		first := cutAt(&last, '-')
		if last == nil {
			last = first
		}
		from, ok := digits(first)
		to, okTo := digits(last)
		if !ok || !okTo || from > to || to >= mostCPUs {
			return into[:0], fmt.Errorf("want a list of CPUs such as 0-3,8, have %s", excerpt(word))
		}
		if int(from) < next {
			return into[:0], errCPUOrder
		}
		into = append(into, CPURange{int(from), int(to)})
		next = int(to) + 1
	}
	return into, nil
}
