package prometheus

import (
	"encoding/binary"
	"math/bits"
)

const (
	// shortest is how many bytes are looked for at least: fewer are no shorter as a
	// repetition.
	shortest = 4
	// hashBits is how many kinds of such bytes are remembered, as a power of two.
	hashBits = 13
)

// place is where such bytes were; one whose part is 0 is none.
type place struct{ at, part uint32 }

// places are where they were last, the nearest first. A line has more in common with one of
// its metric than with the one just above, which may tell when a counter was created.
type places [2]place

// newPlan looks for repetitions in a page.
func newPlan(t *pageText) *plan {
	p := &plan{fixed: make([]byte, 0, len(t.bytes)), ends: make([]int, 0, len(t.numbers)+1)}
	for bytes := range t.parts() {
		p.fixed = append(p.fixed, bytes...)
		p.ends = append(p.ends, len(p.fixed))
	}
	p.steps = make([]step, 0, 5*len(p.ends)) // of each line one is its end, and few are more than three repetitions
	last := make([]places, 1<<hashBits)
	from := 0
	for part, to := range p.ends {
		p.plan(last, part, from, to)
		from = to
	}
	return p
}

// plan adds the steps of a part.
func (p *plan) plan(last []places, part, from, to int) {
	plain := from
	for at := from; at+shortest <= to; {
		best := step{plain: uint32(at - plain)}
		for _, seen := range p.note(last, part, at) {
			if seen.part == 0 || at-int(seen.at) > window {
				break // the others are no nearer
			}
			if length := p.common(int(seen.at), p.ends[seen.part-1], at, to); length > int(best.length) {
				best.length, best.back, best.part = uint32(length), uint32(at)-seen.at, seen.part-1
			}
		}
		if best.length < shortest {
			at++
			continue
		}
		p.steps = append(p.steps, best)
		plain = at + int(best.length)
		for at++; at < plain; at++ {
			if at+shortest <= to {
				p.note(last, part, at)
			}
		}
	}
	p.steps = append(p.steps, step{plain: uint32(to - plain)})
}

// note tells where the bytes at a place were, and notes that they are there.
func (p *plan) note(last []places, part, at int) places {
	hash := binary.LittleEndian.Uint32(p.fixed[at:]) * 2654435761 >> (32 - hashBits)
	seen := last[hash]
	last[hash] = places{{at: uint32(at), part: uint32(part) + 1}, seen[0]}
	return seen
}

// common is how many bytes from a to its end are the same as those from b to its end, up to
// what a repetition may have.
func (p *plan) common(a, endOfA, b, endOfB int) int {
	n := min(endOfA-a, endOfB-b, longest)
	i := 0
	for ; i+8 <= n; i += 8 {
		if x := binary.LittleEndian.Uint64(p.fixed[a+i:]) ^ binary.LittleEndian.Uint64(p.fixed[b+i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i < n && p.fixed[a+i] == p.fixed[b+i] {
		i++
	}
	return i
}
