package attribution

import (
	"errors"
	"fmt"
	"time"

	"github.com/podjoule/podjoule/agent/plugin"
)

// moment is all that was counted until a moment, by the node and of its pods. What is
// divided lies between two of them.
type moment struct {
	end  time.Time // zero for none
	node nodeTime
	// sockets is what the CPUs of each socket did, and placed what pods told of it;
	// both are empty where sockets are not told apart.
	sockets []nodeTime
	placed  []uint64
	memory  memory
	counts  columns

	// What of the node could be read.
	knowsTime, knowsSockets, knowsMemory bool
}

func newMoment(sockets int) moment {
	return moment{sockets: make([]nodeTime, sockets), placed: make([]uint64, sockets), counts: make(columns, ofSockets+sockets)}
}

// take makes it the same as another one, with the quantities that are needed.
func (m *moment) take(x *moment, quantities []int) {
	m.end, m.node, m.memory = x.end, x.node, x.memory
	m.knowsTime, m.knowsSockets, m.knowsMemory = x.knowsTime, x.knowsSockets, x.knowsMemory
	copy(m.sockets, x.sockets)
	copy(m.placed, x.placed)
	for _, q := range quantities {
		copy(m.counts[q], x.counts[q])
	}
}

// files are what the kernel tells about the node.
type files struct {
	stat    *statFile
	memory  *memoryFile // nil where it is not needed
	sockets *sockets    // nil where they are not told apart
}

// open opens those that are needed in any case, and that of memory if it is.
func (f *files) open(host *plugin.Host, memory bool) (err error) {
	if f.stat, err = openStat(host.ProcfsRoot); err != nil || !memory {
		return err
	}
	if f.memory, err = openMemory(host.ProcfsRoot); err == nil {
		_, err = f.memory.read() // old kernels do not tell what is available
	}
	if err != nil {
		err = errors.Join(err, f.close())
	}
	return err
}

// tellSockets has the sockets be told apart, and returns how many there are, or 0 where
// there is no need to.
func (f *files) tellSockets(sysfs string) (int, error) {
	var err error
	if f.sockets, err = openSockets(sysfs); err != nil {
		return 0, fmt.Errorf("the energy of sockets is divided by the CPU time of the whole node: %w; set sysfs_root of [agent] to where the host's /sys is mounted", err)
	}
	if f.sockets == nil {
		return 0, nil
	}
	f.stat.each = true
	return len(f.sockets.ids), nil
}

// read takes what they tell now.
func (f *files) read(m *moment) error {
	text, err := f.stat.read()
	if err == nil {
		err = f.stat.named(parseFirst(text, &m.node))
	}
	m.knowsTime = err == nil
	if f.sockets != nil {
		var errSockets error
		if err == nil {
			errSockets = f.stat.named(f.sockets.read(text, m.sockets))
		}
		m.knowsSockets = err == nil && errSockets == nil
		err = errors.Join(err, errSockets)
	}
	if f.memory != nil {
		var errMemory error
		m.memory, errMemory = f.memory.read()
		m.knowsMemory = errMemory == nil
		err = errors.Join(err, errMemory)
	}
	return err
}

func (f *files) close() error {
	err := f.stat.close()
	if f.memory != nil {
		err = errors.Join(err, f.memory.close())
	}
	return err
}
