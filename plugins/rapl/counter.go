package rapl

import (
	"math"
	"time"
)

// counter follows the counter of one zone. What it counts is kept until it is taken,
// so that a reading that fails loses nothing.
type counter struct {
	known bool
	n     uint64    // the last reading
	at    time.Time // when it was read

	sum     uint64 // µJ counted since it was last taken
	counted bool   // there was a reading since then that had one before it
}

// outcome is what a reading turned out to be.
type outcome uint8

const (
	baseline outcome = iota // the first reading
	forward
	wrapped // the counter went over its end
	reset   // it began anew, or jumped: a new baseline
	dropped // it may have gone over its end more than once: a new baseline
)

// read takes a reading of a counter.
//
// A counter that went back has wrapped when what it then counted can have been
// consumed in the time that passed; otherwise it was reset. What was consumed around a
// reset, or in a gap in which it may have wrapped unseen, is not known and not guessed.
func (c *counter) read(n uint64, at time.Time, l *limits) outcome {
	was, known, passed := c.n, c.known, at.Sub(c.at)
	c.known, c.n, c.at = true, n, at
	switch {
	case !known:
		return baseline
	case passed > l.wrapTime():
		return dropped
	case n >= was:
		if !possible(n-was, l.most, passed) {
			return reset
		}
		c.add(n - was)
		return forward
	case was > l.span || n > l.span: // the span is not known, or is not true
		return reset
	}
	over := l.span - was + n
	if !possible(over, l.told, passed) {
		return reset
	}
	c.add(over)
	return wrapped
}

func (c *counter) add(d uint64) {
	c.sum += d
	c.counted = true
}

// miss notes that a reading failed. The baseline expires when the last one is longer ago
// than longest: it reports whether it did so now.
func (c *counter) miss(at time.Time, longest time.Duration) (expired bool) {
	if !c.known || at.Sub(c.at) <= longest {
		return false
	}
	c.known = false
	return true
}

// take returns what was counted since it was last called, and false when there was no
// second reading in that time.
func (c *counter) take() (uint64, bool) {
	sum, ok := c.sum, c.counted
	c.sum, c.counted = 0, false
	return sum, ok
}

// jitter is by how much the moments at which two readings were counted may be farther
// apart than those at which they were read: the CPU counts about each millisecond.
const jitter = 20 * time.Millisecond

// possible tells whether an energy in µJ can be consumed in a time at a power in µW.
func possible(energy, power uint64, passed time.Duration) bool {
	return float64(energy) <= float64(power)*(passed+jitter).Seconds()
}

// limits are what a zone can count. Powers are in µW.
type limits struct {
	// span is the value after which the counter begins at 0 again, in µJ; 0 is not
	// known.
	span uint64
	// told is twice the power that the zone may draw, or a generous default.
	told uint64
	// most is what no such zone can draw.
	most uint64
	// from says where told comes from.
	from string
}

// smallestSpan is the least span of any CPU known, for zones that do not tell theirs: a
// register of 32 bits that counts 2^-16 J.
const smallestSpan = 65_000_000_000

// wrapTime is the shortest time in which the counter can go round once.
func (l *limits) wrapTime() time.Duration {
	span := l.span
	if span == 0 {
		span = smallestSpan
	}
	seconds := float64(span) / float64(max(l.told, 1))
	return time.Duration(min(seconds*float64(time.Second), math.MaxInt64/2))
}
