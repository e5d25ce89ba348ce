package k8s

import (
	"time"

	"github.com/podjoule/podjoule/cgroup"
)

// counter follows one cumulative counter. What it counts is kept until it is
// taken, so that a reading that fails loses nothing, nor does an end between two
// ticks.
type counter struct {
	known bool
	n     uint64    // the last reading
	at    time.Time // when it was read
	stale bool      // it was to be read since, and could not be

	sum     uint64    // counted since the last time that it was taken
	counted bool      // there was a reading since then that had one before it
	from    time.Time // when that began to be counted
	// end is the end of the window after which that was counted: in which the counter was
	// taken last, or else of the last one before its first reading. It is zero for what is
	// read before there is a window: see begin.
	end time.Time
}

// bornCounter is a counter that was made between two moments, and so began at zero.
// The window that ended last is the one after which it counts.
func bornCounter(after, end time.Time) counter {
	return counter{known: true, at: after, from: after, end: end}
}

// begin tells what was read before the first window when that begins.
func (c *counter) begin(start time.Time) {
	if c.known && c.end.IsZero() {
		c.end = start
	}
}

// read takes a reading, which is the last one of its window at the tick that ends it: window
// is the end of the last one. It reports whether the counter went backwards, which makes a
// new baseline.
func (c *counter) read(v cgroup.Value, at, window time.Time) (back bool) {
	if c.stale = !v.Known; c.stale {
		return false
	}
	switch {
	case !c.known:
		c.follow(at, window)
	case v.N < c.n:
		back = true
	default:
		c.sum += v.N - c.n
		c.counted = true
	}
	c.known, c.n, c.at = true, v.N, at
	return back
}

// follow notes from when on the counter is known.
func (c *counter) follow(at, window time.Time) {
	c.from = at
	if c.end.IsZero() {
		c.end = window
	}
}

// amount is what was counted from one time to another.
type amount struct {
	n      uint64
	passed time.Duration // between the readings
	since  time.Time     // the end of the window after which it was counted
}

// take returns what was counted since it was last called, for the window that ends
// at end. It reports false when there was no second reading in that time.
func (c *counter) take(end time.Time) (amount, bool) {
	if !c.known {
		return amount{}, false
	}
	a, ok := amount{c.sum, c.at.Sub(c.from), c.end}, c.counted
	c.sum, c.counted, c.from, c.end = 0, false, c.at, end
	return a, ok
}

// rebase takes a reading as a new baseline, whatever it is.
func (c *counter) rebase(v cgroup.Value, at, window time.Time) {
	if c.stale = !v.Known; c.stale {
		return
	}
	if !c.known {
		c.follow(at, window)
	}
	c.known, c.n, c.at = true, v.N, at
}

// carry takes over what another counter has counted and nobody has taken.
func (c *counter) carry(old *counter) {
	c.sum, c.counted, c.from, c.end = old.sum, old.counted, old.from, old.end
}
