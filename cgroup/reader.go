package cgroup

import (
	"errors"
	"fmt"
	"path/filepath"
)

// Reader reads one cgroup. Its files stay open until Close, within the bounds of
// Hierarchy.KeepOpen. Readers may be used concurrently with each other if each use has a
// Buffer of its own.
type Reader struct {
	h    *Hierarchy
	path string

	cpuTotal, cpuUser, cpuSystem file // version 2: cpuTotal is cpu.stat, with all three
	cpuTicks                     file // version 1 of old kernels: user and system in ticks

	memoryUsage, memoryStat file

	detail, pressure, throttling, io, pids, perCPU, cpuSet aside // of groups that are read
}

// Reader returns a reader of the cgroup at a path below the hierarchy's root,
// such as "/kubepods/burstable/pod7c…". Nothing is opened before the first read.
func (h *Hierarchy) Reader(path string) *Reader {
	r := &Reader{h: h, path: path}
	cpu, memory := filepath.Join(h.cpu.dir, path), filepath.Join(h.memory.dir, path)
	if h.cpu.v2 {
		r.cpuTotal = newFile(cpu, "cpu.stat")
	} else {
		r.cpuTotal = newFile(cpu, "cpuacct.usage")
		r.cpuUser = newFile(cpu, "cpuacct.usage_user")
		r.cpuSystem = newFile(cpu, "cpuacct.usage_sys")
		r.cpuTicks = newFile(cpu, "cpuacct.stat")
	}
	if h.memory.v2 {
		r.memoryUsage = newFile(memory, "memory.current")
	} else {
		r.memoryUsage = newFile(memory, "memory.usage_in_bytes")
	}
	r.memoryStat = newFile(memory, "memory.stat")
	for _, f := range []*file{&r.cpuTotal, &r.cpuUser, &r.cpuSystem, &r.cpuTicks} {
		f.first = true // a counter is read when its pod begins and ends, too
	}
	return r
}

// Path returns the path that the reader was made for.
func (r *Reader) Path() string { return r.path }

var errNoUsage = errors.New("no usage_usec in it")

// CPU reads the CPU time. What the kernel does not tell, and what could not be
// read, is not known in the result; for the latter the error says why. It wraps
// ErrGone when the cgroup was removed.
func (r *Reader) CPU(buf *Buffer, cpu *CPU) error {
	*cpu = CPU{}
	if r.h.cpu.dir == "" {
		return nil
	}
	if r.h.cpu.v2 {
		return r.cpuStat(buf, cpu, nil)
	}
	if err := r.number(&r.cpuTotal, buf, &cpu.Total); errors.Is(err, ErrGone) {
		return err
	} else if err != nil {
		return errors.Join(err, r.split(buf, cpu))
	}
	return r.split(buf, cpu)
}

// CPUTotal reads CPU.Total alone, on the same terms as CPU.
func (r *Reader) CPUTotal(buf *Buffer, total *Value) error {
	if r.h.cpu.v2 {
		var cpu CPU
		err := r.CPU(buf, &cpu)
		*total = cpu.Total
		return err
	}
	*total = Value{}
	if r.h.cpu.dir == "" {
		return nil
	}
	return r.number(&r.cpuTotal, buf, total)
}

// split reads version 1's user and system time.
func (r *Reader) split(buf *Buffer, cpu *CPU) error {
	errUser := r.number(&r.cpuUser, buf, &cpu.User)
	errSystem := r.number(&r.cpuSystem, buf, &cpu.System)
	if errUser != nil || errSystem != nil {
		return errors.Join(errUser, errSystem)
	}
	if cpu.User.Known || cpu.System.Known {
		return nil
	}
	return r.parse(&r.cpuTicks, buf, func(text []byte) error { return parseCPUAcctStat(text, cpu) })
}

// Memory reads the memory in use, on the same terms as CPU.
func (r *Reader) Memory(buf *Buffer, m *Memory) error {
	*m = Memory{}
	if r.h.memory.dir == "" {
		return nil
	}
	err := r.number(&r.memoryUsage, buf, &m.Usage)
	if errors.Is(err, ErrGone) {
		return err
	}
	errStat := r.parse(&r.memoryStat, buf, func(text []byte) error {
		if r.h.memory.v2 {
			return parseMemoryStat(text, m)
		}
		return parseMemoryStatV1(text, m)
	})
	if err == nil {
		return errStat // the usual way, without the allocation of a join
	}
	return errors.Join(err, errStat)
}

func (r *Reader) number(f *file, buf *Buffer, into *Value) error {
	return r.parse(f, buf, func(text []byte) (err error) {
		*into, err = parseNumber(text)
		return err
	})
}

// parse reads a file and hands its text on. An absent file is no error.
func (r *Reader) parse(f *file, buf *Buffer, parse func(text []byte) error) error {
	text, err := f.read(buf, r.h)
	if err == errAbsent {
		return nil
	}
	if err != nil {
		return err
	}
	if err := parse(text); err != nil {
		return fmt.Errorf("read %s: %w", f.path, err)
	}
	return nil
}

// Close closes the files. The reader can still be used: it opens them again.
func (r *Reader) Close() {
	for _, f := range []*file{&r.cpuTotal, &r.cpuUser, &r.cpuSystem, &r.cpuTicks, &r.memoryUsage, &r.memoryStat} {
		r.h.budget.close(&f.handle)
	}
	for _, group := range [...]aside{r.detail, r.pressure, r.throttling, r.io, r.pids, r.perCPU, r.cpuSet} {
		r.closeAside(group)
	}
}
