package simnode

import (
	"fmt"
	"slices"
	"time"
)

// Move has a unit count on another CPU of the same counter, as the kernel does when the one
// that it used goes offline. Events that are open count on.
func (p *PMUs) Move(unit string, from int, to PMUCPU) error {
	return p.change(unit, from, func(u *pmuUnit, i int) {
		u.CPUs[i] = to
		u.follow(from, to.CPU)
	})
}

// Stop has the CPU of a counter go offline, and no other one count instead. Events that are
// open stand still.
func (p *PMUs) Stop(unit string, cpu int) error {
	return p.change(unit, cpu, func(u *pmuUnit, i int) {
		u.CPUs = slices.Delete(u.CPUs, i, i+1)
		u.follow(cpu, -1)
	})
}

// Start has a CPU that was stopped count again. Events that were open stand still for ever.
func (p *PMUs) Start(unit string, cpu PMUCPU) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.units {
		if u.Name != unit {
			continue
		}
		for _, event := range u.Events {
			u.counters[pmuKey{event, cpu.CPU}] = &pmuCounter{cpu: cpu.CPU, since: time.Now()}
		}
		u.CPUs = append(u.CPUs, cpu)
		return p.show(u)
	}
	return fmt.Errorf("there is no PMU %q", unit)
}

func (p *PMUs) change(unit string, cpu int, how func(u *pmuUnit, i int)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.units {
		i := slices.IndexFunc(u.CPUs, func(c PMUCPU) bool { return c.CPU == cpu })
		if u.Name == unit && i >= 0 {
			u.CPUs = slices.Clone(u.CPUs)
			how(u, i)
			return p.show(u)
		}
	}
	return fmt.Errorf("%s on CPU %d: %w", unit, cpu, errNoCounter)
}

// follow lets the counters of a CPU go on with another one, or with none.
func (u *pmuUnit) follow(from, to int) {
	for _, c := range u.counters {
		if c.cpu == from {
			c.ran, c.since, c.cpu = c.counted(), time.Now(), to
		}
	}
}
