package hwmon

import "time"

// tally keeps what was counted until it is taken, so that a reading that fails loses
// nothing.
type tally struct {
	known   bool      // there is a last reading
	at      time.Time // when it was taken
	sum     uint64    // µJ counted since it was last taken
	counted bool      // there was a reading since then that had one before it
}

// outcome is what a reading turned out to be.
type outcome uint8

const (
	baseline outcome = iota // the first reading
	forward
	reset   // the counter began anew, or jumped: a new baseline
	dropped // too long after the one before: a new baseline
)

func (t *tally) add(n uint64) {
	t.sum += n
	t.counted = true
}

// take returns what was counted since it was last called, and false when there was no
// second reading in that time.
func (t *tally) take() (uint64, bool) {
	sum, ok := t.sum, t.counted
	t.sum, t.counted = 0, false
	return sum, ok
}

// mostPower is what no machine draws, in µW: 100 kW. More is no power, as the 4.3 MW that
// ACPI shows for one that is not known.
const mostPower = 100_000_000_000

// counter follows an energy counter. Nothing says where it ends, so one that went back was
// reset.
type counter struct {
	tally
	n uint64 // the last reading
}

// read takes a reading in µJ.
func (c *counter) read(n uint64, at time.Time) outcome {
	was, known, passed := c.n, c.known, at.Sub(c.at)
	c.known, c.n, c.at = true, n, at
	switch {
	case !known:
		return baseline
	// A second more, since a driver may bring its counter up to date late.
	case n < was, float64(n-was) > mostPower*(passed+time.Second).Seconds():
		return reset
	}
	c.add(n - was)
	return forward
}
