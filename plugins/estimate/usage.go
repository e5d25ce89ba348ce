package estimate

import (
	"math"
	"math/bits"
	"time"
)

// usage follows how long the node's threads were there, and how long they were busy.
type usage struct {
	known bool
	last  reading
	at    time.Time // the end of the window of the last reading
	// carry is busy time in ns that did not fit into the windows before: ticks of 10 ms
	// are counted a bit too late now and then.
	carry uint64
}

// window is what there was between two readings.
type window struct {
	passed        time.Duration
	present, busy uint64 // ns, of all threads together; busy is at most present
	wentBackwards bool
	jumped        bool
}

// mostCarry is how much busy time is carried over, in ns for each thread: kernels that
// spare themselves ticks count a busy second late. What is more was a jump of the counter.
const mostCarry = uint64(time.Second)

// take returns the window from the reading before to this one, which is of the window that
// ends at end. It reports false where there is none: for the first reading, and for one of
// the same moment, whose time counts in the next window.
func (u *usage) take(now reading, end time.Time) (window, bool) {
	if !u.known {
		*u = usage{known: true, last: now, at: end}
		return window{}, false
	}
	w := window{passed: end.Sub(u.at)}
	switch {
	case w.passed == 0:
		return window{}, false
	case w.passed < 0:
		// A clock that was set back says nothing about how long it took.
		*u = usage{known: true, last: now, at: end}
		return window{}, false
	}
	// Whichever there were more of: a thread that is taken away leaves the server running.
	threads := max(u.last.threads, now.threads)
	w.present = saturatingMul(threads, uint64(w.passed))
	counted := u.carry
	if now.busy < u.last.busy {
		w.wentBackwards = true
	} else {
		counted = saturatingAdd(counted, nsOfTicks(now.busy-u.last.busy))
	}
	w.busy = min(counted, w.present)
	u.carry = counted - w.busy
	if most := threads * mostCarry; u.carry > most {
		u.carry, w.jumped = most, true
	}
	u.last, u.at = now, end
	return w, true
}

func saturatingMul(a, b uint64) uint64 {
	if high, low := bits.Mul64(a, b); high == 0 {
		return low
	}
	return math.MaxUint64
}

func saturatingAdd(a, b uint64) uint64 {
	if sum, carry := bits.Add64(a, b, 0); carry == 0 {
		return sum
	}
	return math.MaxUint64
}

// term turns time into energy, of one part at one level.
type term struct {
	power uint64 // µW for each thread, at most mostWatts
	rest  uint64 // of the division, below second: what windows before lack of a µJ
}

// second is how many µW·ns a µJ has.
const second = uint64(time.Second)

// take returns the energy of some ns in whole µJ. What is left counts the next time, so
// that a sum is never off by a µJ.
func (t *term) take(ns uint64) uint64 {
	high, low := bits.Mul64(t.power, ns)
	low, carry := bits.Add64(low, t.rest, 0)
	// With at most 1e8 µW the quotient fits.
	energy, rest := bits.Div64(high+carry, low, second)
	t.rest = rest
	return energy
}
