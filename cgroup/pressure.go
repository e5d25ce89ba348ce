package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// Stalls is how long work stood still for want of a resource since the cgroup
// was made, in nanoseconds.
type Stalls struct {
	// Some is when at least one task waited, Full when all tasks did that had
	// something to do. Before Linux 5.13, Full is not told of CPU.
	Some, Full Value
}

// Pressure is the pressure stall information (PSI) of a cgroup with all its
// descendants, see https://docs.kernel.org/accounting/psi.html. Only version 2
// tells it; on a hybrid node, its tree does where it has the same cgroup. A
// kernel in which it is built in but turned off (psi=0) tells nothing.
type Pressure struct {
	CPU, Memory, IO Stalls
}

func pressureFiles() []string { return []string{"cpu.pressure", "memory.pressure", "io.pressure"} }

// Pressure reads the pressure. What the kernel does not tell, and what could not
// be read, is not known in the result; for the latter the error says why. That
// the cgroup is gone is no error here: see CPU.
func (r *Reader) Pressure(buf *Buffer, p *Pressure) error {
	*p = Pressure{}
	if r.h.pressure.dir == "" {
		return nil
	}
	f := r.files(&r.pressure, r.h.pressure, pressureFiles())
	var err error
	for i, stalls := range [...]*Stalls{&p.CPU, &p.Memory, &p.IO} {
		err = join(err, r.parseAside(&f[i], buf, func(text []byte) error { return parsePressure(text, stalls) }))
	}
	return err
}

var errNoStalls = errors.New(`no line "some" in it`)

// parsePressure parses lines such as "some avg10=0.00 avg60=0.00 avg300=0.00
// total=12", whose totals are in microseconds.
func parsePressure(text []byte, s *Stalls) (err error) {
	if len(text) == 0 {
		return errEmpty
	}
	seen := false
	for len(text) > 0 {
		line := cutLine(&text)
		word := cutWord(&line)
		var into *Value
		switch string(word) {
		case "some":
			into, seen = &s.Some, true
		case "full":
			into = &s.Full
		}
		if into == nil || into.Known {
			continue
		}
		n, ok := digits(totalOf(line))
		if !ok || n > math.MaxUint64/nsPerMicrosecond {
			err = fmt.Errorf("want total= and a number after %s, have %s", word, excerpt(line))
			continue
		}
		*into = Value{N: n * nsPerMicrosecond, Known: true}
	}
	if !seen {
		return errNoStalls
	}
	return err
}

// totalOf returns what stands behind "total=" in a line, or nothing.
func totalOf(line []byte) []byte {
	for len(line) > 0 {
		if value, ok := bytes.CutPrefix(cutWord(&line), []byte("total=")); ok {
			return value
		}
	}
	return nil
}
