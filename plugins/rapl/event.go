package rapl

import (
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// event is the counter of a zone of perf: an event that is counted on a CPU, whatever runs
// there. It begins at 0 when it is opened, and the kernel follows the register's wraps.
type event struct {
	what   string // its file in sysfs and its CPU, for people
	pmu    uint32 // the kernel's number
	config uint64
	cpu    int
	scale  *scale
}

func (e *event) open(k *kernel) (int, error) {
	attr := unix.PerfEventAttr{
		Type:        e.pmu,
		Size:        unix.PERF_ATTR_SIZE_VER0, // nothing beyond it is used
		Config:      e.config,
		Read_format: unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING,
	}
	fd, err := k.event(&attr, -1, e.cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	for errors.Is(err, unix.EINTR) {
		fd, err = k.event(&attr, -1, e.cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	}
	if err != nil {
		return -1, explainEvent(fmt.Errorf("open %s: %w", e.what, err))
	}
	return fd, nil
}

// eventSize is the size of a reading: the count, and for how long the event was wanted and
// was counted, in ns.
const eventSize = 24

func (e *event) read(k *kernel, fd int, buf []byte) (reading, error) {
	n, err := k.read(fd, buf[:eventSize])
	for errors.Is(err, unix.EINTR) {
		n, err = k.read(fd, buf[:eventSize])
	}
	switch {
	case err != nil:
		return reading{}, fmt.Errorf("read %s: %w", e.what, err)
	case n == 0: // the kernel has put it into a state of error
		return reading{}, fmt.Errorf("read %s: %w", e.what, errStopped)
	case n != eventSize:
		return reading{}, fmt.Errorf("read %s: want %d bytes, have %d", e.what, eventSize, n)
	}
	return reading{
		energy: e.scale.microjoules(binary.NativeEndian.Uint64(buf)),
		ran:    binary.NativeEndian.Uint64(buf[16:]),
	}, nil
}

// errStopped is why a counter is not read that stood still.
var errStopped = errors.New("it was not counted all the time, as when its CPU goes offline; it is opened anew")

func (e *event) limits(p place, _ *limits) (limits, error) {
	l := defaultLimits(p)
	l.span = e.scale.span()
	return l, nil
}
