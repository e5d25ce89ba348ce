package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// startIsOver is when the agent has done what it does only once: its plugins are open and
// the node's pods are known.
const startIsOver = 10 * time.Second

// forgetStart has the kernel unmap the pages of the program itself, which it reads again
// from the file when they are needed. Most of those that are resident are there because the
// start needed them, or because they lie beside such a page: about a third of what the
// agent takes. See MADV_DONTNEED in madvise(2).
func forgetStart() error {
	program, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("find the program's own file: %w", err)
	}
	maps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return fmt.Errorf("find the program's own pages: %w", err)
	}
	defer maps.Close()
	spans, err := cleanSpans(maps, program)
	if err != nil {
		return fmt.Errorf("find the program's own pages: %w", err)
	}
	var errs []error
	for _, s := range spans {
		if _, _, code := unix.Syscall(unix.SYS_MADVISE, s.start, s.length, unix.MADV_DONTNEED); code != 0 {
			errs = append(errs, fmt.Errorf("give back %#x bytes of the program: %w", s.length, code))
		}
	}
	return errors.Join(errs...)
}

// span is a range of addresses.
type span struct{ start, length uintptr }

// cleanSpans finds, in the text of /proc/PID/smaps, where a file is mapped and nothing in
// memory differs from it: not its variables, nor what a loader relocated or a debugger
// changed, which would be lost. See proc_pid_smaps(5).
func cleanSpans(maps io.Reader, file string) ([]span, error) {
	var spans []span
	var mapped *span // that the lines are about, if it is of the file and cannot be written to
	for lines := bufio.NewScanner(maps); ; {
		if !lines.Scan() {
			return spans, lines.Err()
		}
		key, value, _ := strings.Cut(lines.Text(), " ")
		if key, found := strings.CutSuffix(key, ":"); found {
			if key == "Anonymous" && mapped != nil && strings.Join(strings.Fields(value), " ") == "0 kB" {
				spans = append(spans, *mapped)
			}
			continue
		}
		mapped = nil
		permissions, _, _ := strings.Cut(value, " ")
		if !strings.HasSuffix(value, " "+file) || len(permissions) != 4 || permissions[1] != '-' {
			continue
		}
		first, last, _ := strings.Cut(key, "-")
		start, err := strconv.ParseUint(first, 16, strconv.IntSize)
		if err != nil {
			return nil, err
		}
		end, err := strconv.ParseUint(last, 16, strconv.IntSize)
		if err != nil {
			return nil, err
		}
		if end > start {
			mapped = &span{start: uintptr(start), length: uintptr(end - start)}
		}
	}
}
