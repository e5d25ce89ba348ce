package hwmon

import (
	"math/bits"
	"time"
)

// integral makes energy of power that is sampled: between two samples it is taken for a
// straight line, or, where samples are means, for the later mean. What is below a µJ is
// carried over, so that a sum is never off by one.
type integral struct {
	tally
	power uint64 // the last sample, in µW, at most mostPower
	rest  uint64 // below twiceSecond: half µW·ns that windows before lack of a µJ
}

// twiceSecond is how many halves of a µW·ns a µJ has.
const twiceSecond = 2 * uint64(time.Second)

// read takes a sample. One that comes longer than longest after the one before is a new
// baseline: what was consumed between them is not known.
func (i *integral) read(power uint64, at time.Time, mean bool, longest time.Duration) outcome {
	was, known, passed := i.power, i.known, at.Sub(i.at)
	i.known, i.power, i.at = true, power, at
	switch {
	case !known:
		return baseline
	case passed > longest:
		return dropped
	case mean:
		was = power
	}
	high, low := bits.Mul64(was+power, uint64(max(passed, 0)))
	low, carry := bits.Add64(low, i.rest, 0)
	// Powers are below 2^37 and times below 2^57 ns, so that the quotient fits.
	energy, rest := bits.Div64(high+carry, low, twiceSecond)
	i.rest = rest
	i.add(energy)
	return forward
}

// miss notes that a sample failed. The baseline expires when the last one is longer ago
// than longest: it reports whether it did so now.
func (i *integral) miss(at time.Time, longest time.Duration) (expired bool) {
	if !i.known || at.Sub(i.at) <= longest {
		return false
	}
	i.known = false
	return true
}
