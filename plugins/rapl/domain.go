package rapl

import (
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// domain is one series: a zone, or the dies of one socket together.
type domain struct {
	place  place
	way    *way // by which it is measured
	series *measure.Series
	zones  []*zone
	before []*zone // while zones are chosen anew
	whole  *domain // the package of a core or uncore, where it has one

	rest    uint64    // counted by zones that left, and not emitted yet
	counted bool      // there is such a rest
	end     time.Time // of the window in which it was taken last; zero before
	amount  uint64    // what was emitted last
	since   time.Time // when that began; zero when nothing was emitted in this tick
}

// patience is how long the dies of a socket wait for one that cannot be read, so that
// each sample is of all of them. Then it is left out.
const patience = time.Minute

// waits tells whether a zone of the domain could not be read now and has a baseline:
// its next reading tells of this window too.
func (d *domain) waits() bool {
	for _, z := range d.zones {
		if z.stale && z.counter.known {
			return true
		}
	}
	return false
}

// take returns what was counted since it was last taken, and since when that is. It is
// called for the window that ends at end.
func (d *domain) take(end time.Time) (sum uint64, since time.Time, ok bool) {
	sum, since, ok = d.rest, d.end, d.counted
	for _, z := range d.zones {
		n, counted := z.counter.take()
		sum, ok = sum+n, ok || counted
	}
	d.rest, d.counted, d.end = 0, false, end
	return sum, since, ok
}

// leave keeps what a zone counted that leaves the domain.
func (d *domain) leave(z *zone) {
	sum, ok := z.counter.take()
	d.rest, d.counted = d.rest+sum, d.counted || ok
}

// exceeds tells whether a part counted more than the whole that holds it, in the same
// time. Some CPUs show a register of one core as that of all.
func (d *domain) exceeds(sum uint64, since time.Time) bool {
	w := d.whole
	if w == nil || w.since.IsZero() || !w.since.Equal(since) {
		return false
	}
	slack := 0.0
	for _, z := range w.zones {
		slack += float64(z.limits.told) * jitter.Seconds()
	}
	return float64(sum) > float64(w.amount)+slack
}
