package accuracy_test

// peer is the formula of another agent on the same node. What stands here is written from
// what that agent does, with none of its code. Where it leaves something open, the
// formula gets the better reading.
type peer interface {
	// title is its name in the document, and source where the formula is from.
	title() string
	source() string
	// observe is called every window.
	observe(r *reading, counts bool)
	// conclude returns what it told.
	conclude() *account
}

func peers(n *node) []peer {
	return []peer{
		&alumet{all: n.cpus(), account: newAccount(), pods: make(map[*pod]*usage)},
		&alumet{all: 1, account: newAccount(), pods: make(map[*pod]*usage)},
		&kepler{account: newAccount(), pods: n.podsByActor()},
		&scaphandre{account: newAccount(), pods: n.podsByActor()},
	}
}

// reading is what the kernel shows to everybody at one moment.
type reading struct {
	second    int
	energy    [domains][]uint64 // µJ by socket
	busy, all uint64            // ticks of /proc/stat
	processes []process         // in the order of their birth
	groups    []group
}

// process is what /proc shows of an actor: one process each, in ticks.
type process struct {
	*actor
	ticks uint64
}

// group is a pod's control group: its CPU time in µs.
type group struct {
	*pod
	us uint64
}

func (n *node) reading() *reading {
	r := &reading{second: int(n.now / window)}
	for d, sockets := range n.joules {
		for _, nJ := range sockets {
			r.energy[d] = append(r.energy[d], nJ/1000)
		}
	}
	r.busy, r.all = n.ticks()
	for _, a := range n.actors() {
		r.processes = append(r.processes, process{a, a.cpuTime() / tickUS})
	}
	for _, p := range n.alive {
		r.groups = append(r.groups, group{p, p.cpuTime()})
	}
	return r
}

func (n *node) podsByActor() map[*actor]*pod {
	all := make(map[*actor]*pod)
	for _, p := range n.pods {
		all[p.actor] = p
	}
	return all
}

// energyBetween is what a domain of all sockets used between two readings, in µJ.
func (r *reading) energyBetween(before *reading, domain int) (sum float64) {
	for i, n := range r.energy[domain] {
		sum += float64(n - before.energy[domain][i])
	}
	return sum
}

// ticksBetween are the ticks of every process that is there, since the reading before or
// since its birth.
func (r *reading) ticksBetween(before *reading) (each []float64, sum float64) {
	was := make(map[*actor]uint64)
	for _, p := range before.processes {
		was[p.actor] = p.ticks
	}
	for _, p := range r.processes {
		n := float64(p.ticks - was[p.actor])
		each = append(each, n)
		sum += n
	}
	return each, sum
}

// kepler divides what is active, the measured energy times the busy part of all CPUs'
// time, by the CPU time of the processes that are there at the end of the window. Idle
// is what is left. It reads as often as the agent does, which is oftener than by default.
type kepler struct {
	*account
	pods map[*actor]*pod
	last *reading
}

func (k *kepler) title() string { return "Kepler" }
func (k *kepler) source() string {
	return "`internal/monitor/{node,process,pod}.go` and `internal/resource/procfs_reader.go` of version 0.11"
}
func (k *kepler) conclude() *account { return k.account }

func (k *kepler) observe(r *reading, counts bool) {
	before := k.last
	if k.last = r; before == nil {
		return
	}
	k.tellsSystem, k.tellsIdle = true, true
	ratio := float64(r.busy-before.busy) / float64(r.all-before.all)
	each, sum := r.ticksBetween(before)
	if !counts {
		return
	}
	var given, measured float64
	for d := range domains {
		energy := r.energyBetween(before, d)
		active := energy * ratio
		k.idle[d] += energy - active
		measured += energy
		for i, n := range each {
			if n == 0 {
				continue
			}
			part := active * n / sum
			if p := k.pods[r.processes[i].actor]; p != nil {
				k.give(p, d, part)
				given += part
			} else {
				k.system[d] += part
			}
		}
	}
	k.closeWindow(given, measured)
}

// scaphandre gives each process the part of the host's energy, memory included, that its
// CPU time is of all CPUs' time, and keeps nothing for idle. It never reads oftener than
// every two seconds.
type scaphandre struct {
	*account
	pods map[*actor]*pod
	last *reading
}

const scaphandreEvery = 2 // windows

func (s *scaphandre) title() string { return "Scaphandre" }
func (s *scaphandre) source() string {
	return "`src/sensors/mod.rs`, `get_process_power_consumption_microwatts`, of version 1.0"
}
func (s *scaphandre) conclude() *account { return s.account }

func (s *scaphandre) observe(r *reading, counts bool) {
	if r.second%scaphandreEvery != 0 {
		return
	}
	before := s.last
	if s.last = r; before == nil {
		return
	}
	s.tellsSystem = true
	each, _ := r.ticksBetween(before)
	if !counts {
		return
	}
	var given, measured float64
	for d := range domains {
		energy := r.energyBetween(before, d)
		measured += energy
		for i, n := range each {
			part := energy * n / float64(r.all-before.all)
			if p := s.pods[r.processes[i].actor]; p != nil {
				s.give(p, d, part)
				given += part
			} else {
				s.system[d] += part
			}
		}
	}
	s.closeWindow(given, measured)
}
