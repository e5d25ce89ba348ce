package cgroup

import (
	"errors"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"testing"
)

func openFiles(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// A group that is not read has no file open, and Files counts those of the others.
// What two groups share is open once.
func TestFilesOfGroups(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		root := detailTree(t, version)
		if version == "v1" {
			for _, name := range pressureFiles() {
				write(t, "some total=1\n", root, "unified/kubepods/pod"+uid, name)
			}
		}
		h := open(t, root)
		for mask := range 1 << 9 {
			has := func(bit int) bool { return mask&(1<<bit) != 0 }
			g := Groups{has(0), has(1), has(2), has(3), has(4), has(5), has(6), has(7), has(8)}
			before := openFiles(t)
			r := h.Reader("/kubepods/pod" + uid)
			var buf Buffer
			if err := readGroups(r, g, &buf); err != nil {
				t.Error(err)
			}
			if got, want := openFiles(t)-before, h.Files(g); got != want {
				t.Errorf("%s, %+v: %d files open, Files says %d", version, g, got, want)
			}
			r.Close()
			if n := openFiles(t); n != before {
				t.Errorf("%s, %+v: %d files open after Close, want %d", version, g, n, before)
			}
		}
	}
}

// readGroups reads what is wanted as a caller does.
func readGroups(r *Reader, g Groups, buf *Buffer) error {
	var e everything
	var errs []error
	switch {
	case g.CPU && g.Throttling:
		errs = append(errs, r.CPUAndThrottling(buf, &e.CPU, &e.Throttling))
	case g.Throttling:
		errs = append(errs, r.CPUAndThrottling(buf, nil, &e.Throttling))
	case g.CPU:
		errs = append(errs, r.CPU(buf, &e.CPU))
	}
	switch {
	case g.Memory && g.MemoryDetail:
		errs = append(errs, r.MemoryAndDetail(buf, &e.Memory, &e.Detail))
	case g.MemoryDetail:
		errs = append(errs, r.MemoryAndDetail(buf, nil, &e.Detail))
	case g.Memory:
		errs = append(errs, r.Memory(buf, &e.Memory))
	}
	if g.Pressure {
		errs = append(errs, r.Pressure(buf, &e.Pressure))
	}
	if g.IO {
		errs = append(errs, r.IO(buf, &e.IO))
	}
	if g.PIDs {
		errs = append(errs, r.PIDs(buf, &e.PIDs))
	}
	if g.PerCPU {
		errs = append(errs, r.PerCPU(buf, &e.PerCPU))
	}
	if g.CPUSet {
		errs = append(errs, r.CPUSet(buf, &e.CPUSet))
	}
	return errors.Join(errs...)
}

// Each file is read once, and those of groups that are off not at all: the system
// counts this thread's reads.
func TestEachFileIsReadOnce(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	reads := func() int {
		text, err := os.ReadFile("/proc/thread-self/io")
		match := regexp.MustCompile(`syscr: (\d+)`).FindSubmatch(text)
		if err != nil || match == nil {
			t.Skip("this kernel does not count reads")
		}
		n, err := strconv.Atoi(string(match[1]))
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for version, want := range map[string][2]int{"v1": {5, 5 + 2 + 1 + 2 + 2 + 1}, "v2": {3, 3 + 4 + 3 + 1 + 2 + 1}} {
		for i, g := range []Groups{{CPU: true, Memory: true}, allGroups()} {
			r := podReader(t, detailTree(t, version))
			var buf Buffer
			count := func(times int) int {
				before := reads()
				for range times {
					if err := readGroups(r, g, &buf); err != nil {
						t.Error(err)
					}
				}
				return reads() - before
			}
			count(1)
			if got := count(2) - count(1); got != want[i] {
				t.Errorf("%s, %+v: %d reads, want %d", version, g, got, want[i])
			}
		}
	}
}

func TestReadingEveryGroupAllocatesNothing(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		r := podReader(t, detailTree(t, version))
		var buf Buffer
		var e everything
		allocs := testing.AllocsPerRun(100, func() {
			if err := readEverything(r, &buf, &e); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations for a reading of all groups, want 0", version, allocs)
		}
	}
}
