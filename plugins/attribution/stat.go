package attribution

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// nsPerTick is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go
// runs on.
const nsPerTick = 10_000_000

// nodeTime is what the node's CPUs did since it was booted, summed over them, in
// nanoseconds, counted in ticks of 10 ms.
type nodeTime struct {
	// busy is all time but idle, waiting for input or output, and stolen by a
	// hypervisor for others. Guests of this node are in it once.
	busy uint64
	// all is busy and idle time. What was stolen was nobody's here.
	all uint64
}

// The fields of the first line of /proc/stat, after its name. The kernel counts guests
// in user and nice already. See proc_stat(5).
const (
	statUser = iota
	statNice
	statSystem
	statIdle
	statIOWait
	statIRQ
	statSoftIRQ
	statFields // how many are needed
)

// parseStat parses /proc/stat, of which the first line is that of all CPUs.
func parseStat(text []byte) (nodeTime, error) {
	line, _, whole := bytes.Cut(text, []byte("\n"))
	rest, ok := bytes.CutPrefix(line, []byte("cpu "))
	if !ok || !whole {
		return nodeTime{}, errors.New("it does not begin with the line of all CPUs")
	}
	var ticks [statFields]uint64
	for i := range ticks {
		rest = bytes.TrimLeft(rest, " ")
		end := bytes.IndexByte(rest, ' ')
		if end < 0 {
			end = len(rest)
		}
		n, ok := parseNumber(rest[:end])
		if !ok {
			return nodeTime{}, fmt.Errorf("field %d is %q, want a number", i+1, rest[:end])
		}
		ticks[i], rest = n, rest[end:]
	}
	busy := ticks[statUser] + ticks[statNice] + ticks[statSystem] + ticks[statIRQ] + ticks[statSoftIRQ]
	return nodeTime{busy: busy * nsPerTick, all: (busy + ticks[statIdle] + ticks[statIOWait]) * nsPerTick}, nil
}

// parseNumber parses a decimal number of ticks. Larger ones than a thousand years of a
// thousand CPUs are no such numbers.
func parseNumber(text []byte) (n uint64, ok bool) {
	for _, c := range text {
		if c < '0' || c > '9' || n > math.MaxUint64/(100*nsPerTick) {
			return 0, false
		}
		n = 10*n + uint64(c-'0')
	}
	return n, len(text) > 0
}

// statFile is /proc/stat, held open.
type statFile struct {
	path string
	fd   int
	buf  [512]byte // the first line has less
}

func openStat(procfs string) (*statFile, error) {
	f := &statFile{path: filepath.Join(procfs, "stat")}
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: f.path, Err: err}
	}
	f.fd = fd
	return f, nil
}

func (f *statFile) read() (nodeTime, error) {
	for {
		n, err := unix.Pread(f.fd, f.buf[:], 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nodeTime{}, fmt.Errorf("read %s: %w", f.path, err)
		}
		t, err := parseStat(f.buf[:n])
		if err != nil {
			return nodeTime{}, fmt.Errorf("read %s: %w", f.path, err)
		}
		return t, nil
	}
}

func (f *statFile) close() error { return unix.Close(f.fd) }
