package cgroup

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// budget is how many files and folders a hierarchy's readers and finders may keep
// open. What has no place in it is opened, read and closed each time. The zero value
// has room for any number.
//
// Places go to whoever comes first, but files of CPU time and folders go before all
// others: as long as one of them waits for a place, the others give theirs up when
// they are read next.
type budget struct {
	mu      sync.Mutex
	bounded bool
	most    int // may be kept, if bounded
	kept    int
	waiting int // that go first, and have no place

	// The system may refuse to open a file although there is room, as when the rest
	// of the process holds more than was thought: then fewer are kept for a while.
	lowered int       // may be kept then
	since   time.Time // when it was last lowered; zero while it is not

	spare    int // a file that is given up when the system refuses one
	hasSpare bool

	reopened atomic.Uint64
}

const (
	// recovery is how long fewer files are kept after the system refused one.
	recovery = time.Minute
	// relief is how many of the kept files are given up then: an eighth, and at least so many.
	relief = 8
)

// claim is what a file has of the budget.
type claim uint8

const (
	unclaimed claim = iota
	waits           // for a place; only files that go first do
	keeps           // a place
)

// handle is a file or folder that may stay open.
type handle struct {
	fd     int
	opened bool
	first  bool // it goes before those that do not
	claim  claim
}

// KeepOpen bounds how many files all readers and finders of h together keep open: 0
// is none, below 0 any number, which is the default. Those beyond are opened for
// each reading, which costs some four times as much and one small allocation. One
// file more may be open for each reading that is under way, and one is held in reserve
// until Close: where the system refuses to open a file, it makes room for it.
//
// It may be called at any time. Where fewer may be open than before, files are closed
// when they are read next.
func (h *Hierarchy) KeepOpen(files int) {
	b := &h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bounded, b.most = files >= 0, files
	b.restock()
}

// Reopened returns how often a file or folder was opened for one reading alone,
// because no more may be kept open.
func (h *Hierarchy) Reopened() uint64 { return h.budget.reopened.Load() }

// Close gives back the file that KeepOpen holds in reserve. Readers and finders
// have a Close of their own.
func (h *Hierarchy) Close() {
	b := &h.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bounded = false
	b.spendSpare()
}

// room is how many more may be kept; it is negative when too many are.
func (b *budget) room() int {
	most := math.MaxInt
	if b.bounded {
		most = b.most
	}
	if !b.since.IsZero() {
		if time.Since(b.since) < recovery {
			most = min(most, b.lowered)
		} else {
			b.since = time.Time{}
		}
	}
	return most - b.kept
}

// open opens a file. It returns the system's error as it is.
func (b *budget) open(h *handle, path string, flags int) error {
	fd, err := openPath(path, flags)
	if (err == unix.EMFILE || err == unix.ENFILE) && b.relieve() {
		fd, err = openPath(path, flags)
	}
	if err != nil {
		return err
	}
	h.fd, h.opened = fd, true
	return nil
}

func openPath(path string, flags int) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|flags, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// relieve makes room after the system refused to open a file: for one at once, and
// for others as soon as kept ones are read. It reports whether to try again.
func (b *budget) relieve() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	lower := max(0, b.kept-max(relief, b.kept/8))
	if !b.since.IsZero() {
		lower = min(lower, b.lowered)
	}
	b.lowered, b.since = lower, time.Now()
	return b.spendSpare()
}

// settle decides what becomes of a file that was read: it stays open where there is
// a place for it.
func (b *budget) settle(h *handle) {
	if b.stays(h) {
		return
	}
	had := h.claim == keeps
	b.close(h)
	if had {
		return // it was not opened for this reading
	}
	b.reopened.Add(1)
	if h.first {
		b.await(h)
	}
}

// stays reports whether a file has a place, or gets one.
func (b *budget) stays(h *handle) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	room := b.room()
	if !h.first {
		room -= b.waiting // is not for this one
	}
	if h.claim == keeps {
		return room >= 0
	}
	if room <= 0 {
		return false
	}
	if h.claim == waits {
		b.waiting--
	}
	h.claim = keeps
	b.kept++
	return true
}

// await notes that a file that goes first has no place.
func (b *budget) await(h *handle) {
	b.mu.Lock()
	defer b.mu.Unlock()
	h.claim = waits
	b.waiting++
}

// close closes a file and gives back what it has of the budget.
func (b *budget) close(h *handle) {
	if h.opened {
		_ = unix.Close(h.fd) // nothing was written, so nothing can be lost
		h.opened = false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch h.claim {
	case keeps:
		b.kept--
	case waits:
		b.waiting--
	}
	h.claim = unclaimed
	b.restock()
}

// restock opens the spare, if there is to be one and there is none. Where that fails
// it is tried again when the next file is closed.
func (b *budget) restock() {
	if !b.bounded || b.hasSpare {
		return
	}
	if fd, err := openPath("/", unix.O_PATH|unix.O_DIRECTORY); err == nil {
		b.spare, b.hasSpare = fd, true
	}
}

// spendSpare gives the spare up, and reports whether there was one.
func (b *budget) spendSpare() bool {
	had := b.hasSpare
	if had {
		_ = unix.Close(b.spare)
		b.hasSpare = false
	}
	return had
}
