package attribution

import (
	"math/bits"
	"slices"
)

// divider divides amounts in proportion to weights, in integers, so that nothing is
// lost. It keeps its memory from one call to the next.
type divider struct {
	rests  []uint64 // what was cut off each share, shifted as the sum of the weights
	rivals []uint64
	// counts is how many rests have which first bits.
	counts [1 << rankBits]uint32
}

const rankBits = 6

// divide fills shares with parts of an amount that are in proportion to the weights and
// add up to it. Each is rounded down, and what is left then goes, one by one, to those of
// which the most was cut off, of equal ones to the first (the method of the largest
// remainder). Without any weight nobody gets a share, and it reports false.
func (d *divider) divide(amount uint64, weights, shares []uint64) bool {
	var whole uint64
	for _, w := range weights {
		var carry uint64
		if whole, carry = bits.Add64(whole, w, 0); carry != 0 {
			return d.divideHalved(amount, weights, shares)
		}
	}
	if whole == 0 {
		clear(shares)
		return false
	}
	d.rests = resized(d.rests, len(weights))
	rests, shares := d.rests[:len(weights)], shares[:len(weights)]
	clear(d.counts[:])
	number, inverse, shift := inverseOf(whole)
	left := amount
	for i, w := range weights {
		if w == 0 {
			shares[i], rests[i] = 0, 0
			d.counts[0]++
			continue
		}
		// This is amount * w / whole with multiplications: see inverseOf.
		high, low := bits.Mul64(amount, w<<(shift&63))
		share, part := bits.Mul64(inverse, high)
		part, carry := bits.Add64(part, low, 0)
		share += high + carry + 1
		rest := low - share*number
		_, over := bits.Sub64(part, rest, 0)
		share -= over
		rest += number & -over
		if rest >= number {
			share++
			rest -= number
		}
		shares[i], rests[i] = share, rest
		left -= share
		d.counts[rest>>(64-rankBits)]++
	}
	d.spread(int(left), shares)
	return true
}

// divideHalved is divide for weights whose sum does not fit: no span of time that is
// measured is so long, but a wrong input must not do harm.
func (d *divider) divideHalved(amount uint64, weights, shares []uint64) bool {
	halved := make([]uint64, len(weights))
	for i, w := range weights {
		halved[i] = w / uint64(2*len(weights))
	}
	return d.divide(amount, halved, shares)
}

// spread gives one more to so many of the shares, fewer than there are: to those with the
// largest rests.
func (d *divider) spread(left int, shares []uint64) {
	if left == 0 {
		return
	}
	// The last one to get more is among the rests with some first bits, of which there are
	// few: looking for it there is quicker than among all.
	first, need := len(d.counts)-1, left
	for need > int(d.counts[first]) {
		need -= int(d.counts[first])
		first--
	}
	d.rivals = d.rivals[:0]
	for _, rest := range d.rests {
		if rest>>(64-rankBits) == uint64(first) {
			d.rivals = append(d.rivals, rest)
		}
	}
	least := largest(d.rivals, need)
	for i, rest := range d.rests {
		_, more := bits.Sub64(least, rest, 0) // 1 where rest is larger: no branch to be guessed
		shares[i] += more
		left -= int(more)
	}
	for i := 0; left > 0; i++ {
		if d.rests[i] == least {
			shares[i]++
			left--
		}
	}
}

// largest returns the n-th largest value, from 1 on. It changes their order.
func largest(values []uint64, n int) uint64 {
	slices.Sort(values)
	return values[len(values)-n]
}

// inverseOf prepares the division by a number above 0, which is shifted so that its first
// bit is set, with its inverse: Möller and Granlund, Improved division by invariant
// integers, algorithm 4.
func inverseOf(n uint64) (number, inverse uint64, shift uint) {
	shift = uint(bits.LeadingZeros64(n))
	number = n << shift
	inverse, _ = bits.Div64(^number, ^uint64(0), number)
	return number, inverse, shift
}
