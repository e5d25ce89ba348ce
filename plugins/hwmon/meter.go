package hwmon

import (
	"bytes"
	"fmt"
	"math/bits"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/sysfs"
)

// meter is a sensor that is used. Its files stay open.
type meter struct {
	sensor
	place  place
	series *measure.Series

	fds  []int         // one for each file; none while they are not open
	pace time.Duration // between two samples of power
	next time.Time     // when the next one is due

	counter  counter  // of an energy counter
	integral integral // of power

	begun bool      // a new baseline was made since the last tick
	end   time.Time // of the window that was told last; zero before
	gone  time.Time // since when the tree does not show it; zero while it does
	over  bool      // it is told of once more, and then no more

	status  status
	trouble error
}

// tally returns what the meter has counted.
func (m *meter) tally() *tally {
	if m.kind == energyCounter {
		return &m.counter.tally
	}
	return &m.integral.tally
}

// open opens the meter's files. It does nothing when they are open.
func (m *meter) open() error {
	if len(m.fds) > 0 {
		return nil
	}
	for _, path := range m.files {
		fd, err := sysfs.Open(path)
		if err != nil {
			m.close()
			return err
		}
		m.fds = append(m.fds, fd)
	}
	return nil
}

func (m *meter) close() {
	for _, fd := range m.fds {
		_ = unix.Close(fd)
	}
	m.fds = m.fds[:0]
}

// pread reads from a file, as unix.Pread does.
type pread = func(fd int, p []byte, offset int64) (int, error)

// value returns what the meter shows, in µJ or µW.
func (m *meter) value(pread pread, buf []byte) (uint64, error) {
	n, err := sysfs.ReadNumber(pread, m.fds[0], m.files[0], buf)
	if err != nil {
		return 0, err
	}
	if m.kind == powerProduct {
		text, err := sysfs.Read(pread, m.fds[1], m.files[1], buf)
		if err != nil {
			return 0, err
		}
		current, err := parseCurrent(text)
		if err != nil {
			return 0, fmt.Errorf("read %s: %w", m.files[1], err)
		}
		high, low := bits.Mul64(n, current) // mV times mA is µW
		if n = low; high > 0 {
			n = mostPower + 1
		}
	}
	if m.kind != energyCounter && n > mostPower {
		return 0, fmt.Errorf("read %s: %d W is no power of a machine; the meter does not know it now", m.files[0], n/1_000_000)
	}
	return n, nil
}

// parseCurrent parses a current in mA. One that flows back is the noise of a rail at rest,
// and counts as 0.
func parseCurrent(text []byte) (uint64, error) {
	rest, negative := bytes.CutPrefix(text, []byte{'-'})
	n, err := sysfs.ParseNumber(rest)
	if negative {
		n = 0
	}
	return n, err
}

// read takes a reading.
func (m *meter) read(pread pread, buf []byte) (outcome, error) {
	at := time.Now()
	n, err := m.value(pread, buf)
	if err != nil {
		return baseline, err
	}
	if m.kind == energyCounter {
		return m.counter.read(n, at), nil
	}
	return m.integral.read(n, at, m.kind == powerAverage, m.longest()), nil
}

// few is how many samples may be missing in a row.
const few = 5

// longest is the longest time between two samples that is integrated over.
func (m *meter) longest() time.Duration { return few * m.pace }

// due tells whether it is time to read. Counters are read at ticks. Power is read at ticks
// too, so that windows end with it, unless it is a mean whose time has not passed; timers
// are not exact, so an eighth of that may be left. Between ticks, nothing begins.
func (m *meter) due(now time.Time, tick bool) bool {
	switch {
	case len(m.fds) == 0 || !m.gone.IsZero():
		return false
	case tick:
		return m.kind != powerAverage || !m.integral.known || now.Sub(m.integral.at) >= m.pace-m.pace/8
	}
	return m.kind != energyCounter && m.integral.known && !now.Before(m.next)
}

// plan says when the next sample is due, in step with the ticks.
func (m *meter) plan(now time.Time, tick bool) {
	if m.next = m.next.Add(m.pace); tick || !m.next.After(now) {
		m.next = now.Add(m.pace)
	}
}

// longestAverage is the longest averaging interval that is believed.
const longestAverage = time.Hour

// paceOf returns how often a sensor is sampled: no quicker than its averaging interval.
func paceOf(f *sensor, sample time.Duration) time.Duration {
	if f.average == "" {
		return sample
	}
	text, err := os.ReadFile(f.average)
	if err != nil {
		return sample
	}
	n, err := sysfs.ParseNumber(text)
	if err != nil || n > uint64(longestAverage/time.Millisecond) {
		return sample
	}
	return max(sample, time.Duration(n)*time.Millisecond)
}
