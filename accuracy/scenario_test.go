package accuracy_test

import "time"

// A scenario has a time of rest in which idle power can be learned, one of work, and one
// of rest again. What is told of the first counts only where there is none of it.
const (
	restEnds = 20 * time.Second
	workEnds = 80 * time.Second
	timeline = 90 * time.Second
)

// scenario is what happens on a machine. Each run has actors of its own.
type scenario struct {
	name  string
	about string // for the document: why it is there
	machine
	restless bool // work begins at once
	unseen   bool // the agent sees pods at its ticks only
	actors   func(m *machine) (pods []*pod, system *actor)
}

// begins is when work does, and what is told begins to count.
func (s *scenario) begins() time.Duration {
	if s.restless {
		return 0
	}
	return restEnds
}

// pod is a pod of the node.
type pod struct {
	*actor
	uid        string
	born, ends time.Duration // zero: it is there from the beginning; to the end
	short      bool          // it lives for a part of a window
	memory     uint64        // resident, in bytes
}

// request is the CPU time that a pod reserves, in thousandths of a CPU: what its threads
// could use.
func (p *pod) request() uint64 { return 1000 * uint64(len(p.threads)) }

// Kinds of work. Computing has a core draw most and memory nearly nothing; streaming
// waits for memory, which draws more for it than the core does. What is between them is
// the system's.
func computing() work { return work{"computing", 6000, 200} }
func streaming() work { return work{"streaming", 3000, 4000} }
func serving() work   { return work{"serving", 4500, 800} }

// oneSocket has eight cores of one thread.
func oneSocket() machine {
	return machine{cores: 8, threads: 1, sockets: []socket{{idle: 24_000, memoryIdle: 3_000, draws: 100}}}
}

// siblings has eight cores of two threads.
func siblings() machine {
	m := oneSocket()
	m.threads = 2
	return m
}

// twoSockets differ in what they draw, idle and at work.
func twoSockets() machine {
	return machine{cores: 8, threads: 1, sockets: []socket{
		{idle: 24_000, memoryIdle: 3_000, draws: 100}, {idle: 30_000, memoryIdle: 3_500, draws: 125},
	}}
}

// system is what runs beside the pods all the time, at 3 % of one CPU.
func system(m *machine, cpu int) *actor {
	return newActor(m, "system", thread{cpu, serving(), steady(3)})
}

// scenarios are all of them, in the order of the document.
func scenarios() []*scenario {
	return []*scenario{
		{name: "compute", about: "All pods do the same kind of work on cores of their own: what CPU time can tell.",
			machine: oneSocket(), actors: sameWork},
		{name: "memory", about: "Some pods wait for memory: a second of their CPU time draws less in the cores and far more in memory.",
			machine: oneSocket(), actors: mixedWork},
		{name: "bursts", about: "Pods work now and then, each for itself, so that windows hold parts of bursts.",
			machine: oneSocket(), actors: burstyWork},
		{name: "siblings", about: "Cores have two threads, and two busy ones draw little more than one: a pod that shares its cores is cheaper than its CPU time.",
			machine: siblings(), actors: sharedCores},
		{name: "two sockets", about: "Pods on one socket or both, of which the second draws more.",
			machine: twoSockets(), actors: pinnedPods},
		{name: "short", about: "Beside pods that stay, pods live for less than a window. The agent hears of births and ends from the kernel, and reads a pod before it goes.",
			machine: oneSocket(), actors: shortPods},
		{name: "short, unseen", about: "The same where the kernel tells nothing of births and ends: the agent sees pods at its ticks only, and what the others used it tells as that of ended pods.",
			machine: oneSocket(), unseen: true, actors: shortPods},
		{name: "idle", about: "Next to nothing runs, and does so all the time, also while idle power is learned.",
			machine: oneSocket(), restless: true, actors: restingPods},
		{name: "full", about: "After a rest, every CPU is busy all the time.",
			machine: oneSocket(), actors: func(m *machine) ([]*pod, *actor) { return fullLoad(m, restEnds) }},
		{name: "full at once", about: "The same without any rest before it: idle power cannot be learned.",
			machine: oneSocket(), restless: true, actors: func(m *machine) ([]*pod, *actor) { return fullLoad(m, 0) }},
	}
}
