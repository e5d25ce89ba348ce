package accuracy_test

import (
	"fmt"
	"time"
)

const mebi = 1 << 20

// cast makes the pods of a scenario.
type cast struct {
	*machine
	pods []*pod
}

// pod makes a pod whose threads run on CPUs in turn.
func (c *cast) pod(name string, memory uint64, threads ...thread) *pod {
	p := &pod{actor: newActor(c.machine, name, threads...), memory: memory,
		uid: fmt.Sprintf("00000000-0000-4000-8000-%012d", len(c.pods)+1)}
	c.pods = append(c.pods, p)
	return p
}

// working is a load in the time of work.
func working(l load) load { return during(restEnds, workEnds, l) }

// on is the same thread on several CPUs.
func on(w work, l load, cpus ...int) (all []thread) {
	for _, cpu := range cpus {
		all = append(all, thread{cpu, w, l})
	}
	return all
}

func sameWork(m *machine) ([]*pod, *actor) {
	c := cast{machine: m}
	c.pod("one", 512*mebi, on(computing(), working(steady(100)), 0)...)
	c.pod("half", 256*mebi, on(computing(), working(steady(50)), 1)...)
	c.pod("two", 1024*mebi, on(computing(), working(steady(80)), 2, 3)...)
	c.pod("little", 128*mebi, on(computing(), working(steady(5)), 4)...)
	return c.pods, system(m, 7)
}

func mixedWork(m *machine) ([]*pod, *actor) {
	c := cast{machine: m}
	c.pod("compute", 256*mebi, on(computing(), working(steady(100)), 0, 1)...)
	c.pod("stream", 8192*mebi, on(streaming(), working(steady(100)), 2, 3)...)
	c.pod("web", 512*mebi, on(serving(), working(steady(50)), 4)...)
	c.pod("cache", 4096*mebi, on(streaming(), working(steady(30)), 5)...)
	return c.pods, system(m, 7)
}

func burstyWork(m *machine) ([]*pod, *actor) {
	c := cast{machine: m}
	for i, name := range []string{"first", "second", "third", "fourth"} {
		c.pod(name, 256*mebi, on(computing(), working(bursts(uint64(i+1))), i)...)
	}
	c.pod("steady", 256*mebi, on(computing(), working(steady(30)), 5)...)
	return c.pods, system(m, 7)
}

func sharedCores(m *machine) ([]*pod, *actor) {
	c := cast{machine: m}
	core := func(core, thread int) int { return m.cpu(0, core, thread) }
	c.pod("alone", 256*mebi, on(computing(), working(steady(100)), core(0, 0), core(1, 0))...)
	c.pod("pair", 256*mebi, on(computing(), working(steady(100)), core(2, 0), core(2, 1))...)
	c.pod("left", 256*mebi, on(computing(), working(steady(100)), core(3, 0))...)
	c.pod("right", 256*mebi, on(computing(), working(steady(50)), core(3, 1))...)
	return c.pods, system(m, core(7, 0))
}

func pinnedPods(m *machine) ([]*pod, *actor) {
	c := cast{machine: m}
	c.pod("first socket", 1024*mebi, on(computing(), working(steady(100)), 0, 1, 2, 3)...)
	c.pod("second socket", 1024*mebi, on(computing(), working(steady(60)), 8, 9)...)
	c.pod("both", 1024*mebi, on(computing(), working(steady(50)), 4, 10)...)
	return c.pods, system(m, 7)
}

// Short pods follow each other at a pace that moves against the ticks, so that some live
// over a tick and others between two.
const (
	shortLife = 300 * time.Millisecond
	shortPace = 1100 * time.Millisecond
)

func shortPods(m *machine) ([]*pod, *actor) {
	c := cast{machine: m}
	c.pod("web", 256*mebi, on(computing(), working(steady(40)), 0)...)
	c.pod("queue", 256*mebi, on(computing(), working(steady(10)), 1)...)
	for born := restEnds + shortPace; born+shortLife < workEnds; born += shortPace {
		p := c.pod(fmt.Sprint("job-", len(c.pods)-1), 128*mebi, on(computing(), steady(100), 2, 3, 4, 5)...)
		p.born, p.ends, p.short = born, born+shortLife, true
	}
	return c.pods, system(m, 7)
}

func restingPods(m *machine) ([]*pod, *actor) {
	c := cast{machine: m}
	for i, percent := range []float64{0.5, 1, 2} {
		c.pod(fmt.Sprint("rest-", i+1), 128*mebi, on(serving(), steady(percent), i)...)
	}
	return c.pods, system(m, 7)
}

// fullLoad works until the end.
func fullLoad(m *machine, from time.Duration) ([]*pod, *actor) {
	c := cast{machine: m}
	always := during(from, timeline, steady(100))
	c.pod("four", 1024*mebi, on(computing(), always, 0, 1, 2, 3)...)
	c.pod("three", 1024*mebi, on(computing(), always, 4, 5, 6)...)
	c.pod("most of one", 256*mebi, on(computing(), during(from, timeline, steady(97)), 7)...)
	return c.pods, system(m, 7)
}
