package attribution

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// memory is the node's memory in bytes.
type memory struct {
	// used is what is not available to programs: the kernel counts most of the page cache as
	// available.
	used, total uint64
}

// memoryFile is /proc/meminfo.
type memoryFile struct{ procFile }

func openMemory(procfs string) (*memoryFile, error) {
	f, err := openProc(procfs, "meminfo", 4096) // what is needed is in the first lines
	return &memoryFile{f}, err
}

func (f *memoryFile) read() (memory, error) {
	text, err := f.procFile.read()
	if err != nil {
		return memory{}, err
	}
	m, err := parseMemory(text)
	return m, f.named(err)
}

// parseMemory parses the beginning of /proc/meminfo. See proc_meminfo(5).
func parseMemory(text []byte) (memory, error) {
	total, err := parseAmount(text, "MemTotal:")
	if err != nil {
		return memory{}, err
	}
	available, err := parseAmount(text, "MemAvailable:")
	if err != nil {
		return memory{}, err
	}
	if total == 0 || available > total {
		return memory{}, fmt.Errorf("of %d bytes of memory %d are available", total, available)
	}
	return memory{used: total - available, total: total}, nil
}

// parseAmount returns the bytes in the line of a name.
func parseAmount(text []byte, name string) (uint64, error) {
	for len(text) > 0 {
		line, rest, whole := nextLine(text)
		value, ok := bytes.CutPrefix(line, []byte(name))
		if text = rest; !ok || !whole {
			continue
		}
		number, ok := bytes.CutSuffix(bytes.Trim(value, " \t"), []byte(" kB"))
		n, isNumber := parseNumber(bytes.TrimRight(number, " "))
		if !ok || !isNumber || n > math.MaxUint64>>20 {
			return 0, fmt.Errorf("%s %q, want a number of kB", name, value)
		}
		return n << 10, nil
	}
	return 0, errors.New("it has no line " + name)
}
