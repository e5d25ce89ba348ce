// Package accuracy_test holds what the agent says that pods used against a machine whose
// truth is scripted, beside what the formulas of comparable agents say of the same
// machine, and writes docs/accuracy.md.
package accuracy_test

import "time"

const (
	// step is how finely the machine is simulated. What works in a step does so from
	// its beginning, threads of one CPU one after the other.
	step   = 10 * time.Millisecond
	stepUS = uint64(step / time.Microsecond)
	// sharing is what each of several busy threads of a core draws, in percent of what it
	// would draw there alone: two draw little more than one.
	sharing = 55
)

// Powers are in mW and times in µs, so that energies are whole nJ.

// machine is what there is to draw power.
type machine struct {
	cores   int // of each socket
	threads int // of each core
	sockets []socket
}

// socket is a package with its memory.
type socket struct {
	idle, memoryIdle uint64 // mW
	draws            uint64 // what work draws here, in percent of what it says
}

func (m *machine) cpus() int { return len(m.sockets) * m.cores * m.threads }

// cpu is the number of a CPU. Those of one core follow each other.
func (m *machine) cpu(socket, core, thread int) int {
	return (socket*m.cores+core)*m.threads + thread
}

func (m *machine) socketOf(cpu int) int { return cpu / (m.cores * m.threads) }

// work is a kind of work: what it draws beyond idle power while it is done.
type work struct {
	name         string
	core, memory uint64 // mW of a CPU that has its core for itself, and of memory for its traffic
}

// actor is who works: a pod, or the system. It keeps what it truly used.
type actor struct {
	name    string
	threads []thread

	joules [domains][]uint64 // nJ by socket
	busy   []uint64          // µs by CPU
}

// thread is a part of an actor that runs on one CPU.
type thread struct {
	cpu int
	work
	load
}

// The domains of a socket.
const (
	inPackage = iota
	inMemory
	domains
)

func newActor(m *machine, name string, threads ...thread) *actor {
	a := &actor{name: name, threads: threads, busy: make([]uint64, m.cpus())}
	for d := range a.joules {
		a.joules[d] = make([]uint64, len(m.sockets))
	}
	return a
}

// cpuTime is all its CPU time in µs.
func (a *actor) cpuTime() (sum uint64) {
	for _, n := range a.busy {
		sum += n
	}
	return sum
}

// total is all that it used of a domain, in nJ.
func (a *actor) total(domain int) (sum uint64) {
	for _, n := range a.joules[domain] {
		sum += n
	}
	return sum
}

// silicon is a machine that runs.
type silicon struct {
	machine
	now    time.Duration
	joules [domains][]uint64 // nJ by socket, as a perfect meter has it
	idle   [domains][]uint64 // of that, what would be drawn without any work
	busy   []uint64          // µs by CPU
	queues [][]turn          // of the step, by CPU
}

// turn is what one thread does in a step.
type turn struct {
	actor  *actor
	thread *thread
	left   uint64 // µs
}

func newSilicon(m machine) *silicon {
	s := &silicon{machine: m, busy: make([]uint64, m.cpus()), queues: make([][]turn, m.cpus())}
	for d := range s.joules {
		s.joules[d], s.idle[d] = make([]uint64, len(m.sockets)), make([]uint64, len(m.sockets))
	}
	return s
}

// advance lets one step pass. It reports false when a CPU is to do more than it can.
func (s *silicon) advance(actors []*actor) bool {
	for cpu := range s.queues {
		s.queues[cpu] = s.queues[cpu][:0]
	}
	for _, a := range actors {
		for i := range a.threads {
			t := &a.threads[i]
			if n := t.at(s.now); n > 0 {
				s.queues[t.cpu] = append(s.queues[t.cpu], turn{a, t, n})
			}
		}
	}
	for _, queue := range s.queues {
		var sum uint64
		for i := range queue {
			sum += queue[i].left
		}
		if sum > stepUS {
			return false
		}
	}
	for core := 0; core < len(s.queues); core += s.threads {
		s.runCore(s.queues[core : core+s.threads])
	}
	for i, x := range s.sockets {
		for d, power := range [domains]uint64{x.idle, x.memoryIdle} {
			s.idle[d][i] += power * stepUS
			s.joules[d][i] += power * stepUS
		}
	}
	s.now += step
	return true
}

// runCore runs the threads of one core until all are done.
func (s *silicon) runCore(queues [][]turn) {
	for {
		passed, running := stepUS, 0
		for _, queue := range queues {
			if len(queue) > 0 {
				passed = min(passed, queue[0].left)
				running++
			}
		}
		if running == 0 {
			return
		}
		for i := range queues {
			if len(queues[i]) == 0 {
				continue
			}
			t := &queues[i][0]
			s.draw(t, passed, running > 1)
			if t.left -= passed; t.left == 0 {
				queues[i] = queues[i][1:]
			}
		}
	}
}

// draw books what a thread uses in a time in which the rest of its core does not change.
func (s *silicon) draw(t *turn, passed uint64, shared bool) {
	cpu := t.thread.cpu
	socket := s.socketOf(cpu)
	power := t.thread.core * s.sockets[socket].draws / 100
	if shared {
		power = power * sharing / 100
	}
	for d, n := range [domains]uint64{power * passed, t.thread.memory * passed} {
		t.actor.joules[d][socket] += n
		s.joules[d][socket] += n
	}
	t.actor.busy[cpu] += passed
	s.busy[cpu] += passed
}
