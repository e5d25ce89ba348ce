package attribution

import (
	"context"
	"math/bits"
	"time"
)

// basis is what the energy of a domain is divided by.
type basis uint8

const (
	byCPUTime    basis = iota // of the whole node
	bySocketTime              // CPU time on the domain's own socket
	byMemory                  // resident memory
)

// String returns the value of the attribute.
func (x basis) String() string {
	return [...]string{byCPUTime: "cpu_time", bySocketTime: "socket_cpu_time", byMemory: "memory"}[x]
}

// Kinds of resources.
const (
	kindPackage = "cpu_package"
	kindDRAM    = "dram"
)

// base sets what a domain of some name is divided by.
func (a *attribution) base(d *domain, name string) {
	resource := d.measured[0].Resource
	d.needs = []int{ofCPU}
	if a.files.memory != nil && (resource.Kind == kindDRAM || name == kindDRAM) {
		d.basis, d.needs = byMemory, []int{ofMemory}
		return
	}
	if a.files.sockets == nil || resource.Kind != kindPackage && resource.Kind != kindDRAM {
		return
	}
	if socket := a.files.sockets.index(resource.ID); socket >= 0 {
		d.basis, d.socket, d.needs = bySocketTime, socket, []int{ofCPU, ofPlaced, ofSockets + socket}
	}
}

// knows tells whether what a basis needs is known at a moment.
func (x basis) knows(m *moment) bool {
	switch x {
	case bySocketTime:
		return m.knowsTime && m.knowsSockets
	case byMemory:
		return m.knowsTime && m.knowsMemory
	default:
		return m.knowsTime
	}
}

// window is what there was between two moments, beside the pods.
type window struct {
	passed time.Duration
	node   nodeTime // of all CPUs
	cpu    nodeTime // of those that the domain belongs to
	spare  uint64   // what nobody used, though it could have been, in the unit of the weights
}

// weigh sets the weights of a domain: one of each pod, and then that of the rest of the
// system.
func (a *attribution) weigh(ctx context.Context, d *domain, w *window) {
	a.weights = a.weights[:0]
	whole := w.cpu
	switch d.basis {
	case bySocketTime:
		a.weighSocket(d)
	case byMemory:
		// The mean of both ends, twice.
		was, is := d.at.counts[ofMemory], a.now.counts[ofMemory]
		for i := range is {
			a.weights = append(a.weights, plus(was[i], is[i]))
		}
		whole = nodeTime{busy: plus(d.at.memory.used, a.now.memory.used), all: plus(d.at.memory.total, a.now.memory.total)}
	default:
		was, is := d.at.counts[ofCPU], a.now.counts[ofCPU]
		for i := range is {
			a.weights = append(a.weights, is[i]-was[i])
		}
	}
	var pods uint64
	for _, weight := range a.weights {
		pods = plus(pods, weight)
	}
	if pods > whole.busy { // which is counted in ticks, or, of memory, without the page cache
		if d == a.first() {
			a.exceeded.Add(ctx, 1)
		}
		whole.busy = pods
	}
	a.weights = append(a.weights, whole.busy-pods)
	w.spare = less(whole.all, whole.busy)
}

// weighSocket sets the weights of pods on a domain's socket. A pod of which the kernel does
// not tell where it ran is spread over the sockets in proportion to what they were busy
// beyond the pods of which it does.
func (a *attribution) weighSocket(d *domain) {
	own, of := a.beyond(d)
	was, is := d.at.counts, a.now.counts
	q := ofSockets + d.socket
	for i := range is[q] {
		if is[ofPlaced][i] != was[ofPlaced][i] {
			a.weights = append(a.weights, is[q][i]-was[q][i])
			continue
		}
		anywhere := is[ofCPU][i] - was[ofCPU][i]
		if anywhere > 0 && of > 0 {
			anywhere = scaled(anywhere, own, of)
		}
		a.weights = append(a.weights, anywhere)
	}
}

// beyond returns what a domain's socket was busy beyond what pods told of it, and what
// all were. Where none was, as ticks are coarser, it is what they were there.
func (a *attribution) beyond(d *domain) (own, all uint64) {
	for _, there := range []bool{false, true} {
		own, all = 0, 0
		for i := range a.now.sockets {
			t := a.now.sockets[i].minus(d.at.sockets[i])
			n := less(t.busy, a.now.placed[i]-d.at.placed[i])
			if there {
				n = t.all
			}
			if i == d.socket {
				own = n
			}
			all = plus(all, n)
		}
		if all > 0 {
			break
		}
	}
	return own, all
}

// first returns the domain that stands for all that are divided by CPU time.
func (a *attribution) first() *domain {
	for _, d := range a.domains {
		if d.basis != byMemory {
			return d
		}
	}
	return nil
}

// plus is a sum, and the largest number where that is too large.
func plus(x, y uint64) uint64 {
	sum, carry := bits.Add64(x, y, 0)
	return sum | -carry
}

// claim sets what pods reserved, by which idle energy may be divided, and what nobody did:
// CPU, and memory where that is what a domain is divided by.
func (a *attribution) claim(d *domain, w *window) {
	a.claims = a.claims[:0]
	var sum uint64
	for i := range a.ordered {
		var n uint64
		if d.basis == byMemory {
			n = a.now.counts[ofMemoryRequest][i]
		} else {
			n = scaled(a.now.counts[ofCPURequest][i], uint64(w.passed), 1000)
		}
		a.claims = append(a.claims, n)
		sum = plus(sum, n)
	}
	all := w.node.all
	if d.basis == byMemory {
		all = a.now.memory.total
	}
	a.claims = append(a.claims, less(all, sum))
}
