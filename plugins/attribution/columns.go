package attribution

import "slices"

// The quantities that are followed of each pod. After the last one comes the CPU time
// on each socket.
const (
	ofCPU           = iota // CPU time in ns, since the agent began
	ofPlaced               // of that, what is told by sockets
	ofMemory               // resident memory in bytes
	ofCPURequest           // CPU that is reserved, in thousandths of a core
	ofMemoryRequest        // memory that is reserved, in bytes
	ofSockets
)

// columns hold one number for each quantity and pod. Pods have the same place in all of
// them, so that what is done to all pods goes through memory in order.
type columns [][]uint64

// insert makes room for a pod at a place.
func (c columns) insert(place int) {
	for q := range c {
		c[q] = slices.Insert(c[q], place, 0)
	}
}

// remove drops the pods that are gone.
func (c columns) remove(gone []bool) {
	for q := range c {
		c[q] = dropped(c[q], gone)
	}
}

// dropped returns a slice without the elements that are gone, and forgets these.
func dropped[T any](all []T, gone []bool) []T {
	kept := all[:0]
	for i := range all {
		if !gone[i] {
			kept = append(kept, all[i])
		}
	}
	clear(all[len(kept):])
	return kept
}
