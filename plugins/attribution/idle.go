package attribution

import (
	"math/bits"
	"time"
)

// idle learns how much power a domain draws while nothing works, as the lower envelope
// of its power in windows of little work. It is not "1 - utilisation" of what was
// measured: that would be 0 on a node at full load, whose idle power is drawn all the
// same.
type idle struct {
	fixed bool
	power uint64 // in µW
	seen  int    // windows of little work
}

const (
	// calm is the part of the CPUs' time, one in so many, that is busy at most in a
	// window of little work.
	calm = 10
	// enough is how many of these it takes until the power counts as known.
	enough = 12
	// upward is how long it takes to believe in a higher power. A lower one is
	// believed at once: work only adds to it.
	upward = time.Hour
)

// learn takes note of a window: its energy in µJ, its length, and how much of the CPUs'
// time was busy.
func (x *idle) learn(energy uint64, passed time.Duration, node nodeTime) {
	if x.fixed || passed <= 0 || node.all == 0 || node.busy > node.all/calm {
		return
	}
	power := powerOf(energy, passed)
	switch {
	case x.seen == 0 || power < x.power:
		x.power = power
	default:
		x.power += scaled(power-x.power, uint64(min(passed, upward)), uint64(upward))
	}
	x.seen++
}

// energy is the idle part of a window's energy, and never more than that. It reports
// false while the power is not known.
func (x *idle) energy(measured uint64, passed time.Duration) (uint64, bool) {
	if passed <= 0 || !x.fixed && x.seen < enough {
		return 0, false
	}
	return min(measured, scaled(x.power, uint64(passed), uint64(time.Second))), true
}

// powerOf returns the power in µW at which an energy in µJ was drawn.
func powerOf(energy uint64, passed time.Duration) uint64 {
	return scaled(energy, uint64(time.Second), uint64(passed))
}

// scaled returns n * by / of, rounded down, and the largest number where that is too large.
func scaled(n, by, of uint64) uint64 {
	high, low := bits.Mul64(n, by)
	if high >= of {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(high, low, of)
	return q
}
