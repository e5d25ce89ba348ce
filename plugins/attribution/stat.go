package attribution

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// nsPerTick is the unit of /proc/stat: USER_HZ is 100 on every architecture that Go
// runs on.
const nsPerTick = 10_000_000

// nodeTime is what CPUs did since the node was booted, summed over them, in
// nanoseconds, counted in ticks of 10 ms.
type nodeTime struct {
	// busy is all time but idle, waiting for input or output, and stolen by a
	// hypervisor for others. Guests of this node are in it once.
	busy uint64
	// all is busy and idle time. What was stolen was nobody's here.
	all uint64
}

// minus is the difference of two readings, and 0 of what went back, as the time of waiting
// does now and then.
func (t nodeTime) minus(before nodeTime) nodeTime {
	busy := less(t.busy, before.busy)
	return nodeTime{busy: busy, all: max(busy, less(t.all, before.all))}
}

// less is the difference of two readings of a counter, and 0 of one that went back.
func less(now, before uint64) uint64 {
	if now < before {
		return 0
	}
	return now - before
}

// The fields of a line of /proc/stat, after its name. The kernel counts guests in user
// and nice already. See proc_stat(5).
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

// parseFirst parses the first line of /proc/stat, that of all CPUs.
func parseFirst(text []byte, t *nodeTime) error {
	line, _, whole := nextLine(text)
	rest, ok := bytes.CutPrefix(line, []byte("cpu "))
	if !ok || !whole {
		return errors.New("it does not begin with the line of all CPUs")
	}
	var err error
	*t, err = parseTimes(rest)
	return err
}

// parseTimes parses the numbers of a line.
func parseTimes(rest []byte) (nodeTime, error) {
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

// firstLine is more than the line of all CPUs has.
const firstLine = 512

// mostStat is how much of /proc/stat is looked at: its lines of 8192 CPUs take less.
const mostStat = 2 << 20

// statFile is /proc/stat.
type statFile struct {
	procFile
	each bool // the line of each CPU is needed
}

func openStat(procfs string) (*statFile, error) {
	f, err := openProc(procfs, "stat", firstLine)
	return &statFile{procFile: f}, err
}

// read returns the line of all CPUs, and those of each if they are needed.
func (f *statFile) read() ([]byte, error) {
	for {
		text, err := f.procFile.read()
		if err != nil || !f.each || len(text) < len(f.buf) || len(f.buf) >= mostStat || endsCPUs(text) {
			return text, err
		}
		f.buf = make([]byte, min(4*len(f.buf), mostStat))
	}
}

// endsCPUs tells that a text goes beyond the lines of the CPUs.
func endsCPUs(text []byte) bool {
	last := bytes.LastIndexByte(text, '\n')
	if last < 0 {
		return false
	}
	begin := bytes.LastIndexByte(text[:last], '\n') + 1
	return !bytes.HasPrefix(text[begin:last], []byte("cpu"))
}
