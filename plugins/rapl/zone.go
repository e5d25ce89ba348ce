package rapl

import (
	"errors"
	"fmt"
	"time"
)

// zone is one zone that is measured. Its counter stays open.
type zone struct {
	found
	fd      int // of the counter; -1 while it is not open
	limits  limits
	counter counter
	ran     uint64    // for how long it had counted, in ns
	moved   time.Time // soon after that was so
	used    bool      // it counts for its domain; else it shows what another one does
	shared  bool      // other dies count for the same domain
	stale   bool      // the last reading failed
	gone    bool      // the tree does not show it now
	refused error     // why it is not open
	limited error     // what is not known of its limits
}

// open opens the counter. It does nothing when it is open.
func (z *zone) open(k *kernel) {
	if z.fd < 0 {
		z.fd, z.refused = z.access.open(k)
		z.ran, z.moved = 0, time.Time{}
	}
}

// close closes the counter. One that begins anew when it is opened has no baseline then.
func (z *zone) close(k *kernel) {
	if z.fd < 0 {
		return
	}
	_ = k.close(z.fd)
	z.fd = -1
	if z.anew {
		z.counter.known = false
	}
}

// errClosed is why a zone without a file is not read; its refused says more.
var errClosed = errors.New("its file is not open")

// still is for how long a counter may stand still until it is taken for stopped, and so is
// a sixteenth of longer times: the kernel counts its time by another clock.
const still = 100 * time.Millisecond

// read returns the counter's value, in µJ. One that is not counted any more shows its last
// value for ever, which would be taken for no energy.
func (z *zone) read(k *kernel, buf []byte) (uint64, error) {
	if z.fd < 0 {
		return 0, errClosed
	}
	before := time.Now()
	r, err := z.access.read(k, z.fd, buf)
	if err != nil {
		return 0, err
	}
	if z.anew && !z.counts(r.ran, before) {
		return 0, fmt.Errorf("read %s: %w", z.label(), errStopped)
	}
	return r.energy, nil
}

// counts tells whether the counter counted all the time, from for how long it did. before is
// a moment before it was read, and moved one after: what passed in between was not longer
// than it seems, however slow this program is.
func (z *zone) counts(ran uint64, before time.Time) bool {
	passed := before.Sub(z.moved)
	switch {
	case z.moved.IsZero():
	case time.Duration(ran-z.ran)+still+passed/16 < passed:
		return false
	case passed < time.Second:
		return true // too short a time to tell, perhaps
	}
	z.ran, z.moved = ran, time.Now()
	return true
}

// longest is how long the zone's baseline is good for while it cannot be read: beyond it,
// the counter may have gone round, or others have waited long enough.
func (z *zone) longest() time.Duration {
	if z.shared {
		return min(patience, z.limits.wrapTime())
	}
	return z.limits.wrapTime()
}
