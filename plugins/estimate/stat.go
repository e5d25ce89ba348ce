package estimate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"strconv"
)

// reading is what /proc/stat tells at one moment.
type reading struct {
	busy    uint64 // ticks of 10 ms, of all threads together
	threads uint64 // hardware threads that are online
}

// mostThreads is more than any machine has that Linux runs on.
const mostThreads = 8192

// errCut is the error of a text that ends among the lines of the CPUs.
var errCut = errors.New("it ends among the lines of the CPUs")

// parseStat reads the first lines of /proc/stat. Busy is user (which holds guest), nice
// (which holds guest_nice), system, irq and softirq. Idle and iowait are not, nor is steal,
// in which the hypervisor let others work. See proc_stat(5).
func parseStat(text []byte) (reading, error) {
	var r reading
	first := true
	for {
		line, rest, whole := bytes.Cut(text, []byte("\n"))
		if !bytes.HasPrefix(line, []byte("cpu")) {
			if first {
				return reading{}, errors.New("its first line is not that of all CPUs")
			}
			if len(line) < len("cpu") && !whole {
				return reading{}, errCut
			}
			break
		}
		if !whole {
			return reading{}, errCut
		}
		text = rest
		if first {
			var err error
			if r.busy, err = busyTicks(line); err != nil {
				return reading{}, err
			}
			first = false
			continue
		}
		if r.threads++; r.threads > mostThreads {
			return reading{}, fmt.Errorf("it has more than %d CPUs", mostThreads)
		}
	}
	if r.threads == 0 {
		return reading{}, errors.New("it has no line of a CPU of its own")
	}
	return r, nil
}

// busyTicks adds up the busy columns of the line of all CPUs.
func busyTicks(line []byte) (uint64, error) {
	const user, nice, system, idle, iowait, irq, softirq = 0, 1, 2, 3, 4, 5, 6
	name, line, _ := bytes.Cut(line, []byte(" "))
	if string(name) != "cpu" {
		return 0, fmt.Errorf("its first line is that of %q, not that of all CPUs", name)
	}
	sum, column := uint64(0), 0
	for ; column <= softirq; column++ {
		line = bytes.TrimLeft(line, " ")
		field, rest, _ := bytes.Cut(line, []byte(" "))
		if len(field) == 0 {
			break
		}
		line = rest
		if column == idle || column == iowait {
			continue
		}
		n, err := strconv.ParseUint(string(field), 10, 64) // no allocation: the string is not kept
		if err != nil {
			return 0, fmt.Errorf("column %d of all CPUs is %q, no number", column+1, field)
		}
		var carry uint64
		if sum, carry = bits.Add64(sum, n, 0); carry != 0 {
			return 0, errors.New("the columns of all CPUs are too large to be added")
		}
	}
	if column <= idle { // Linux 2.4 had four
		return 0, fmt.Errorf("the line of all CPUs has %d columns, want at least %d", column, idle+1)
	}
	return sum, nil
}

// statFile reads /proc/stat, which stays open.
type statFile struct {
	path string
	file *os.File
	buf  []byte
}

// mostStat is how much of the file is looked at: 8192 CPUs take less.
const mostStat = 2 << 20

// read takes a reading. After an error the file is opened anew the next time.
func (s *statFile) read() (reading, error) {
	r, err := s.tryRead()
	if err != nil {
		s.close()
		return reading{}, fmt.Errorf("read the CPUs' time in %s: %w", s.path, err)
	}
	return r, nil
}

func (s *statFile) tryRead() (reading, error) {
	if s.file == nil {
		f, err := os.Open(s.path)
		if err != nil {
			return reading{}, bare(err)
		}
		s.file = f
	}
	if s.buf == nil {
		s.buf = make([]byte, 16<<10)
	}
	for {
		n, err := s.file.ReadAt(s.buf, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return reading{}, bare(err)
		}
		r, err := parseStat(s.buf[:n])
		if n < len(s.buf) || !errors.Is(err, errCut) || len(s.buf) >= mostStat {
			return r, err
		}
		s.buf = make([]byte, min(4*len(s.buf), mostStat))
	}
}

// bare takes the path out of an error that will name it anyway.
func bare(err error) error {
	var of *os.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

func (s *statFile) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
}

// nsOfTicks is the time of ticks of 10 ms, or the longest that there is.
func nsOfTicks(n uint64) uint64 {
	const tick = 10_000_000
	if n > math.MaxUint64/tick {
		return math.MaxUint64
	}
	return n * tick
}
