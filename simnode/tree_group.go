package simnode

import (
	"errors"
	"time"
)

// group is one cgroup of a tree.
type group struct {
	Counters
	parent    *group
	path      string // below each hierarchy's root
	own       Memory // the part of Memory that is charged to the group itself
	processes int    // in the group and below it
	perCPU    [TreeCPUs]time.Duration
	cpus      string // on which it may run
	pid       int    // of the process in the group itself; 0 for none
	files     []*liveFile
}

// spend adds CPU time on one CPU to the group and to all above it.
func (g *group) spend(cpu int, user, system time.Duration) error {
	return g.change(cpuTime, func(g *group) {
		g.User += user
		g.System += system
		g.perCPU[cpu] += user + system
	})
}

// setMemory sets what is charged to the group itself.
func (g *group) setMemory(m Memory) error {
	old := g.own
	if old == m {
		return nil
	}
	g.own = m
	return g.change(memoryUse, func(g *group) { g.Memory = g.Memory.replace(old, m) })
}

// populate adds processes to the group, or takes them away.
func (g *group) populate(n int) error {
	return g.change(processCount, func(g *group) { g.processes += n })
}

// change applies a step to the group and all above it, from the root down, so
// that no reader finds less in a group than in what is below it.
func (g *group) change(of quantity, step func(*group)) error {
	var errs []error
	if g.parent != nil {
		errs = append(errs, g.parent.change(of, step))
	}
	step(g)
	return errors.Join(append(errs, g.rewrite(of))...)
}

// rewrite writes the group's files of a quantity anew.
func (g *group) rewrite(of quantity) error {
	var errs []error
	for _, f := range g.files {
		if f.of == of {
			errs = append(errs, f.update(g))
		}
	}
	return errors.Join(errs...)
}

func (g *group) close() error {
	var errs []error
	for _, f := range g.files {
		errs = append(errs, f.file.Close())
	}
	g.files = nil
	return errors.Join(errs...)
}
