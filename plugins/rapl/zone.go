package rapl

import (
	"errors"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/sysfs"
)

// zone is one zone that is measured. Its file stays open.
type zone struct {
	found
	file    string // of the counter
	fd      int    // -1 while it is not open
	limits  limits
	counter counter
	used    bool  // it counts for its domain; else it shows what another one does
	shared  bool  // other dies count for the same domain
	stale   bool  // the last reading failed
	gone    bool  // the tree does not show it now
	refused error // why it is not open
	limited error // what is not known of its limits
}

// open opens the counter. It does nothing when it is open.
func (z *zone) open() {
	if z.fd >= 0 {
		return
	}
	z.file = filepath.Join(z.path, "energy_uj")
	z.fd, z.refused = sysfs.Open(z.file)
}

func (z *zone) close() {
	if z.fd >= 0 {
		_ = unix.Close(z.fd)
		z.fd = -1
	}
}

// pread reads from a file, as unix.Pread does.
type pread func(fd int, p []byte, offset int64) (int, error)

// errClosed is why a zone without a file is not read; its refused says more.
var errClosed = errors.New("its file is not open")

// read returns the counter's value. Reading from the start makes the kernel ask the CPU.
func (z *zone) read(pread pread, buf []byte) (uint64, error) {
	if z.fd < 0 {
		return 0, errClosed
	}
	return sysfs.ReadNumber(pread, z.fd, z.file, buf)
}

// longest is how long the zone's baseline is good for while it cannot be read: beyond it,
// the counter may have gone round, or others have waited long enough.
func (z *zone) longest() time.Duration {
	if z.shared {
		return min(patience, z.limits.wrapTime())
	}
	return z.limits.wrapTime()
}
