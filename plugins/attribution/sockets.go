package attribution

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mostCPUs is more than any machine has that Linux runs on.
const mostCPUs = 8192

// sockets follow what the CPUs of each socket do.
type sockets struct {
	sysfs string
	ids   []string // of sockets, as the meters' resources have them
	of    []int    // the socket's place in ids, by the CPU's number; unknown where it is not known
	last  []nodeTime
	met   []bool // a CPU that comes later does not count from zero
	begun bool
}

const unknown = -1

// openSockets returns the sockets of the machine, or nil where it has one alone.
func openSockets(sysfs string) (*sockets, error) {
	x := &sockets{sysfs: sysfs}
	folder := filepath.Join(sysfs, "devices/system/cpu")
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, fmt.Errorf("find the sockets of the CPUs: %w", err)
	}
	found := 0
	for _, e := range entries {
		digits, ok := strings.CutPrefix(e.Name(), "cpu")
		cpu, err := strconv.ParseUint(digits, 10, 16)
		if !ok || err != nil || cpu >= mostCPUs {
			continue // cpufreq, cpuidle
		}
		err = x.place(int(cpu))
		switch {
		case err == nil:
			found++
		case !errors.Is(err, fs.ErrNotExist): // a CPU that is offline tells nothing
			return nil, err
		}
	}
	if found == 0 {
		return nil, fmt.Errorf("find the sockets of the CPUs: no folder cpuN in %s tells one", folder)
	}
	if len(x.ids) < 2 {
		return nil, nil
	}
	return x, nil
}

// place learns on which socket a CPU is.
func (x *sockets) place(cpu int) error {
	path := filepath.Join(x.sysfs, "devices/system/cpu", "cpu"+strconv.Itoa(cpu), "topology/physical_package_id")
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("read the socket of a CPU: %w", err)
	}
	id := string(bytes.TrimSpace(text))
	// Machines that do not tell have -1, all CPUs alike, which is one socket.
	if n, err := strconv.ParseInt(id, 10, 32); err != nil || strconv.FormatInt(n, 10) != id {
		return fmt.Errorf("read the socket of a CPU: %s holds %q, want a number", path, id)
	}
	socket := x.index(id)
	if socket < 0 {
		if x.begun {
			return fmt.Errorf("CPU %d is on socket %s, which had none before; restart the agent", cpu, id)
		}
		socket = len(x.ids)
		x.ids = append(x.ids, id)
	}
	for len(x.of) <= cpu {
		x.of, x.last, x.met = append(x.of, unknown), append(x.last, nodeTime{}), append(x.met, false)
	}
	x.of[cpu] = socket
	return nil
}

// index returns the place of a socket, or -1.
func (x *sockets) index(id string) int { return slices.Index(x.ids, id) }

// read adds what the CPUs of each socket did since the last time, from the lines of
// /proc/stat: one of all CPUs, then one of each that is online. What a CPU did while its
// line could not be read counts when it is read again.
func (x *sockets) read(text []byte, sums []nodeTime) error {
	_, text, _ = nextLine(text)
	cpus := 0
	for {
		line, rest, whole := nextLine(text)
		name, isCPU := bytes.CutPrefix(line, []byte("cpu"))
		switch {
		case !whole:
			return errors.New("it ends among the lines of the CPUs")
		case !isCPU && cpus == 0:
			return errors.New("it has no line of a single CPU")
		case !isCPU:
			x.begun = true
			return nil
		}
		if err := x.readLine(name, sums); err != nil {
			return err
		}
		text = rest
		cpus++
	}
}

// readLine adds what one CPU did.
func (x *sockets) readLine(line []byte, sums []nodeTime) error {
	digits, fields, _ := bytes.Cut(line, []byte(" "))
	n, ok := parseNumber(digits)
	if !ok || n >= mostCPUs {
		return fmt.Errorf("it has a line of CPU %q, want a number below %d", digits, mostCPUs)
	}
	cpu := int(n)
	now, err := parseTimes(fields)
	if err != nil {
		return fmt.Errorf("CPU %d: %w", cpu, err)
	}
	if cpu >= len(x.of) || x.of[cpu] == unknown { // it came online
		if err := x.place(cpu); err != nil {
			return err
		}
	}
	if x.met[cpu] {
		sum, more := &sums[x.of[cpu]], now.minus(x.last[cpu])
		sum.busy, sum.all = sum.busy+more.busy, sum.all+more.all
	}
	x.last[cpu], x.met[cpu] = now, true
	return nil
}
