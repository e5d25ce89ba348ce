package cgroup

import (
	"bytes"
	"fmt"
	"math"
)

// Device is the number of a block device, as in /sys/dev/block.
type Device struct{ Major, Minor uint32 }

// String returns "8:0".
func (d Device) String() string { return fmt.Sprintf("%d:%d", d.Major, d.Minor) }

// DeviceIO is what a cgroup with all its descendants, the dead ones included,
// has read from a block device and written to it since it was made. What the
// page cache holds is not read, and what is written counts when it goes to the
// device.
type DeviceIO struct {
	Device
	// ReadBytes and WriteBytes are in bytes, Reads and Writes are operations.
	ReadBytes, WriteBytes, Reads, Writes Value
}

// IO is the traffic between a cgroup and block devices.
type IO struct {
	// Known says that the kernel tells it here: then a device that is not
	// listed had none so far.
	Known bool
	// Devices is in the kernel's order. Its memory is reused.
	Devices []DeviceIO
}

func ioFiles() []string { return []string{"io.stat"} }

func ioFilesV1() []string {
	return []string{"blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"}
}

// IO reads the traffic by device, on the same terms as Pressure. On version 1,
// recent kernels (seen with 6.18) tell nothing of a device before somebody has
// set a limit on it, for any cgroup.
func (r *Reader) IO(buf *Buffer, io *IO) error {
	io.Known, io.Devices = false, io.Devices[:0]
	if r.h.io.dir == "" {
		return nil
	}
	if r.h.io.v2 {
		f := r.files(&r.io, r.h.io, ioFiles())
		return r.parseAside(&f[0], buf, func(text []byte) error {
			err := parseIOStat(text, io)
			io.Known = err == nil
			return err
		})
	}
	f := r.files(&r.io, r.h.io, ioFilesV1())
	told := 0
	errBytes := r.parseAside(&f[0], buf, func(text []byte) error {
		told++
		return parseBlkio(text, io, func(d *DeviceIO) (read, write *Value) { return &d.ReadBytes, &d.WriteBytes })
	})
	errOperations := r.parseAside(&f[1], buf, func(text []byte) error {
		told++
		return parseBlkio(text, io, func(d *DeviceIO) (read, write *Value) { return &d.Reads, &d.Writes })
	})
	err := join(errBytes, errOperations)
	io.Known = err == nil && told == len(f)
	return err
}

// device returns the entry of a device, and makes one where there is none.
func (io *IO) device(d Device) *DeviceIO {
	for i := range io.Devices {
		if io.Devices[i].Device == d {
			return &io.Devices[i]
		}
	}
	io.Devices = append(io.Devices, DeviceIO{Device: d})
	return &io.Devices[len(io.Devices)-1]
}

// parseIOStat parses version 2's io.stat: lines such as "8:0 rbytes=1 wbytes=2
// rios=3 wios=4 dbytes=5 dios=6", whose keys come in any order. The file is
// empty while there was no traffic. Some kernels write a device without any
// values, and then no end of its line.
func parseIOStat(text []byte, io *IO) (err error) {
	for len(text) > 0 {
		line := cutLine(&text)
		var device Device
		var known bool
		var into *DeviceIO
		for len(line) > 0 {
			word := cutWord(&line)
			key, value, isPair := bytes.Cut(word, []byte{'='})
			if !isPair {
				if len(word) > 0 {
					device, known = parseDevice(word)
					into = nil
				}
				continue
			}
			if !known || !wantedOfIO(key) {
				continue
			}
			n, ok := digits(value)
			if !ok {
				err = fmt.Errorf("want a number after %s, have %s", key, excerpt(value))
				continue
			}
			if into == nil {
				into = io.device(device)
			}
			*into.value(key) = Value{N: n, Known: true}
		}
	}
	return err
}

func wantedOfIO(key []byte) bool { return new(DeviceIO).value(key) != nil }

// value returns where the value of a key of io.stat goes, or nil.
func (d *DeviceIO) value(key []byte) *Value {
	switch string(key) {
	case "rbytes":
		return &d.ReadBytes
	case "wbytes":
		return &d.WriteBytes
	case "rios":
		return &d.Reads
	case "wios":
		return &d.Writes
	}
	return nil
}

// parseBlkio parses a file of version 1 with lines such as "8:0 Read 123". Lines
// of other kinds, and the sum in the last line, are skipped.
func parseBlkio(text []byte, io *IO, values func(*DeviceIO) (read, write *Value)) (err error) {
	if len(text) == 0 {
		return errEmpty
	}
	for len(text) > 0 {
		line := cutLine(&text)
		device, ok := parseDevice(cutWord(&line))
		if !ok {
			continue
		}
		kind := cutWord(&line)
		reads := string(kind) == "Read"
		if !reads && string(kind) != "Write" {
			continue
		}
		n, ok := digits(line)
		if !ok {
			err = fmt.Errorf("want a number after %s %s, have %s", device, kind, excerpt(line))
			continue
		}
		read, write := values(io.device(device))
		if reads {
			*read = Value{N: n, Known: true}
		} else {
			*write = Value{N: n, Known: true}
		}
	}
	return err
}

// parseDevice parses "8:0".
func parseDevice(word []byte) (Device, bool) {
	major, minor, ok := bytes.Cut(word, []byte{':'})
	if !ok {
		return Device{}, false
	}
	a, okA := digits(major)
	b, okB := digits(minor)
	if !okA || !okB || a > math.MaxUint32 || b > math.MaxUint32 {
		return Device{}, false
	}
	return Device{uint32(a), uint32(b)}, true
}
