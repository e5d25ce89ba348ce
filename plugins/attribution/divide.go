package attribution

import "math/bits"

// divider divides amounts in proportion to weights, in integers, so that nothing is
// lost. It keeps its memory from one call to the next.
type divider struct{ rests, ranked []uint64 }

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
	clear(shares)
	if whole == 0 {
		return false
	}
	d.rests = d.rests[:0]
	left := amount
	for i, w := range weights {
		high, low := bits.Mul64(amount, w)
		share, rest := bits.Div64(high, low, whole) // w <= whole, so that it fits
		shares[i] = share
		left -= share
		d.rests = append(d.rests, rest)
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
	d.ranked = append(d.ranked[:0], d.rests...)
	least := largest(d.ranked, left)
	for i, rest := range d.rests {
		if rest > least {
			shares[i]++
			left--
		}
	}
	for i, rest := range d.rests {
		if left == 0 {
			return
		}
		if rest == least {
			shares[i]++
			left--
		}
	}
}

// largest returns the n-th largest value, from 1 on. It changes their order.
func largest(values []uint64, n int) uint64 {
	low, high := 0, len(values)-1
	for low < high {
		pivot := values[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for values[i] > pivot {
				i++
			}
			for values[j] < pivot {
				j--
			}
			if i <= j {
				values[i], values[j] = values[j], values[i]
				i, j = i+1, j-1
			}
		}
		switch {
		case n-1 <= j:
			high = j
		case n-1 >= i:
			low = i
		default:
			return values[n-1]
		}
	}
	return values[n-1]
}
