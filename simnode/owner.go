package simnode

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// owner is the process of a run.
type owner struct {
	pid   int
	start uint64 // in clock ticks since the machine started
}

// runName is what the directories of a process are called.
func runName(pid int) (string, error) {
	start, err := startTime(pid)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d-%d", pid, start), nil
}

func parseRunName(name string) (owner, error) {
	pid, start, ok := strings.Cut(name, "-")
	var o owner
	var err1, err2 error
	o.pid, err1 = strconv.Atoi(pid)
	o.start, err2 = strconv.ParseUint(start, 10, 64)
	if !ok || err1 != nil || err2 != nil || o.pid <= 0 {
		return owner{}, fmt.Errorf("%q is not the name of a run", name)
	}
	return o, nil
}

// alive tells whether the process runs. When that cannot be told, it does.
func (o owner) alive() bool {
	start, err := startTime(o.pid)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return false
	}
	return err != nil || start == o.start
}

// startTime returns when a process was started, in clock ticks.
func startTime(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	start, err := parseStartTime(text)
	if err != nil {
		return 0, fmt.Errorf("read /proc/%d/stat: %w", pid, err)
	}
	return start, nil
}

// parseStartTime finds field 22 of /proc/<pid>/stat: see proc_pid_stat(5). The
// second field is in brackets and may hold anything, brackets too.
func parseStartTime(text []byte) (uint64, error) {
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	const index = 22 - 3 // the first one here is field 3
	if len(fields) <= index {
		return 0, fmt.Errorf("want 22 fields or more, have %d after the name", len(fields))
	}
	start, err := strconv.ParseUint(string(fields[index]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read the start time: %w", err)
	}
	return start, nil
}
