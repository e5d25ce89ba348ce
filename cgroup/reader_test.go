package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func podReader(t testing.TB, root string) *Reader {
	t.Helper()
	r := open(t, root).Reader("/kubepods/pod" + uid)
	t.Cleanup(r.Close)
	return r
}

// A missing file leaves its values out, never makes them zero, and is found
// when it appears later, as when a controller is turned on.
func TestAbsentFileIsAbsentUntilItAppears(t *testing.T) {
	f := func(version, name string, inMemory bool, told func(CPU, Memory) bool) {
		t.Helper()
		root, cpuDir, memoryDir := sampleTree(t, version)
		path := filepath.Join(cpuDir, name)
		if inMemory {
			path = filepath.Join(memoryDir, name)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		r := podReader(t, root)
		var buf Buffer
		read := func() (cpu CPU, m Memory) {
			if err := errors.Join(r.CPU(&buf, &cpu), r.Memory(&buf, &m)); err != nil {
				t.Errorf("%s %s: %v, want no error for an absent file", version, name, err)
			}
			return cpu, m
		}
		for range 3 {
			if cpu, m := read(); told(cpu, m) {
				t.Errorf("%s without %s: told %+v %+v", version, name, cpu, m)
			}
		}
		write(t, string(text), path)
		for range longestWait + 1 {
			if cpu, m := read(); told(cpu, m) {
				return
			}
		}
		t.Errorf("%s: %s appeared and was not picked up", version, name)
	}
	f("v1", "cpuacct.usage", false, func(c CPU, _ Memory) bool { return c.Total.Known })
	f("v1", "cpuacct.usage_user", false, func(c CPU, _ Memory) bool { return c.User.Known })
	f("v1", "cpuacct.usage_sys", false, func(c CPU, _ Memory) bool { return c.System.Known })
	f("v1", "memory.usage_in_bytes", true, func(_ CPU, m Memory) bool { return m.Usage.Known })
	f("v1", "memory.stat", true, func(_ CPU, m Memory) bool { return m.Anonymous.Known })
	f("v2", "cpu.stat", false, func(c CPU, _ Memory) bool { return c.Total.Known || c.User.Known })
	f("v2", "memory.current", true, func(_ CPU, m Memory) bool { return m.Usage.Known })
	f("v2", "memory.stat", true, func(_ CPU, m Memory) bool { return m.PageTables.Known })
}

// A file that the kernel has built in but turned off, as it does with pressure
// files, opens and cannot be read: it is absent, and costs nothing else.
func TestFileTurnedOffIsAbsent(t *testing.T) {
	off := turnedOff(t)
	root, _, memoryDir := sampleTree(t, "v2")
	path := filepath.Join(memoryDir, "memory.stat")
	if err := errors.Join(os.Remove(path), os.Symlink(off, path)); err != nil {
		t.Fatal(err)
	}
	r := podReader(t, root)
	var buf Buffer
	var cpu CPU
	var m Memory
	for range 3 {
		err := errors.Join(r.CPU(&buf, &cpu), r.Memory(&buf, &m))
		if want := (Memory{Usage: val(4096)}); err != nil || m != want || !cpu.Total.Known {
			t.Errorf("%+v %+v, %v; want all but memory.stat", cpu, m, err)
		}
	}
}

// turnedOff returns a file of this machine's kernel that answers EOPNOTSUPP to
// every read. Network devices have some.
func turnedOff(t *testing.T) string {
	t.Helper()
	off := turnedOffOrNone()
	if off == "" {
		t.Skip("this kernel has no file that is turned off")
	}
	return off
}

func turnedOffOrNone() string {
	for _, pattern := range []string{"/sys/class/net/*/phys_*", "/sys/devices/*/*/*/net/*/phys_*", "/sys/devices/*/*/net/*/phys_*"} {
		paths, _ := filepath.Glob(pattern) // the patterns are well formed
		for _, path := range paths {
			if _, err := os.ReadFile(path); errors.Is(err, unix.EOPNOTSUPP) {
				return path
			}
		}
	}
	return ""
}

// Old kernels have no usage_user and usage_sys, but ticks of 10 ms.
func TestTicksWhereNothingFinerIsTold(t *testing.T) {
	root, cpuDir, _ := sampleTree(t, "v1")
	for _, name := range []string{"cpuacct.usage_user", "cpuacct.usage_sys"} {
		if err := os.Remove(filepath.Join(cpuDir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "user 3\nsystem 4\n", cpuDir, "cpuacct.stat")
	r := podReader(t, root)
	var cpu CPU
	if err := r.CPU(new(Buffer), &cpu); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(CPU{val(100), val(30_000_000), val(40_000_000)}, cpu); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// One unreadable file costs its own values and no others, and the error names
// it and what is wrong.
func TestGarbledFileCostsOnlyItself(t *testing.T) {
	f := func(version, name string, inMemory bool, text, wantErr string, want CPU, wantMem Memory) {
		t.Helper()
		root, cpuDir, memoryDir := sampleTree(t, version)
		path := filepath.Join(cpuDir, name)
		if inMemory {
			path = filepath.Join(memoryDir, name)
		}
		write(t, text, path)
		r := podReader(t, root)
		var buf Buffer
		var cpu CPU
		var m Memory
		err := errors.Join(r.CPU(&buf, &cpu), r.Memory(&buf, &m))
		if err == nil || !strings.Contains(err.Error(), wantErr) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s %s %q: error %v, want %q and the path", version, name, text, err, wantErr)
		}
		if diff := cmp.Diff(want, cpu); diff != "" {
			t.Errorf("%s %s %q: -want +got\n%s", version, name, text, diff)
		}
		if diff := cmp.Diff(wantMem, m); diff != "" {
			t.Errorf("%s %s %q: -want +got\n%s", version, name, text, diff)
		}
	}
	cpu1, mem1 := CPU{val(100), val(60), val(40)}, Memory{Usage: val(4096), Anonymous: val(2000), File: val(1000)}
	cpu2 := CPU{val(100_000), val(60_000), val(40_000)}
	mem2 := Memory{val(4096), val(2000), val(1000), val(16), val(32)}

	f("v1", "cpuacct.usage", false, "", "empty", CPU{User: val(60), System: val(40)}, mem1)
	f("v1", "cpuacct.usage", false, "x\n", "want a number", CPU{User: val(60), System: val(40)}, mem1)
	f("v1", "cpuacct.usage_user", false, "\x00", "want a number", CPU{Total: val(100), System: val(40)}, mem1)
	f("v1", "memory.usage_in_bytes", true, "-1\n", "want a number", cpu1, Memory{Anonymous: val(2000), File: val(1000)})
	f("v1", "memory.stat", true, "", "empty", cpu1, Memory{Usage: val(4096)})
	f("v1", "memory.stat", true, "total_cache 7\ntotal_rss \n", "total_rss", cpu1, Memory{Usage: val(4096), File: val(7)})
	f("v2", "cpu.stat", false, "", "empty", CPU{}, mem2)
	f("v2", "cpu.stat", false, "<html>\n", "no usage_usec", CPU{}, mem2)
	f("v2", "cpu.stat", false, "usage_usec 1 2\nuser_usec 60\nsystem_usec 40\n", "usage_usec", CPU{User: val(60_000), System: val(40_000)}, mem2)
	f("v2", "memory.current", true, "max\n", "want a number", cpu2, Memory{Value{}, val(2000), val(1000), val(16), val(32)})
	f("v2", "memory.stat", true, "anon 1\nfile 99999999999999999999999\n", "file", cpu2, Memory{Usage: val(4096), Anonymous: val(1)})
}

// In a plain tree a removed file could be read for ever.
func TestRemovedPlainFilesAreNoticed(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		root, cpuDir, memoryDir := sampleTree(t, version)
		r := podReader(t, root)
		var buf Buffer
		var cpu CPU
		var m Memory
		if err := errors.Join(r.CPU(&buf, &cpu), r.Memory(&buf, &m)); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(memoryDir, "memory.stat")); err != nil {
			t.Fatal(err)
		}
		if err := r.Memory(&buf, &m); err != nil || m.Anonymous.Known || !m.Usage.Known {
			t.Errorf("%s, one file removed: %+v, %v; want the rest", version, m, err)
		}
		if err := errors.Join(os.RemoveAll(cpuDir), os.RemoveAll(memoryDir)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := r.CPU(&buf, &cpu); !errors.Is(err, ErrGone) || cpu.Total.Known {
				t.Errorf("%s, folder removed: %+v, %v; want ErrGone", version, cpu, err)
			}
			if err := r.Memory(&buf, &m); !errors.Is(err, ErrGone) || m.Usage.Known {
				t.Errorf("%s, folder removed: %+v, %v; want ErrGone", version, m, err)
			}
		}
	}
}

// A file that was replaced, not rewritten, is read in its new form.
func TestReplacedPlainFileIsReadAnew(t *testing.T) {
	root, cpuDir, _ := sampleTree(t, "v1")
	r := podReader(t, root)
	var buf Buffer
	var cpu CPU
	if err := r.CPU(&buf, &cpu); err != nil {
		t.Fatal(err)
	}
	write(t, "250\n", cpuDir, "new")
	if err := os.Rename(filepath.Join(cpuDir, "new"), filepath.Join(cpuDir, "cpuacct.usage")); err != nil {
		t.Fatal(err)
	}
	if err := r.CPU(&buf, &cpu); err != nil || cpu.Total != val(250) {
		t.Errorf("total %v, %v; want 250", cpu.Total, err)
	}
}

// A text that fills the buffer may have been cut: it is read again in full.
func TestLongFileGrowsTheBuffer(t *testing.T) {
	root, _, memoryDir := sampleTree(t, "v1")
	var text strings.Builder
	for range 4 * firstSize / 16 {
		text.WriteString("filler_key 12345\n")
	}
	write(t, text.String()+"total_cache 8\ntotal_rss 9\n", memoryDir, "memory.stat")
	r := podReader(t, root)
	var m Memory
	if err := r.Memory(new(Buffer), &m); err != nil || m.Anonymous != val(9) || m.File != val(8) {
		t.Errorf("%+v, %v; want the last lines", m, err)
	}
}

func TestHierarchyWithoutAController(t *testing.T) {
	dir := t.TempDir()
	write(t, "5\n", dir, "cpuacct", "kubepods", "pod"+uid, "cpuacct.usage")
	h := open(t, dir)
	r := h.Reader("/kubepods/pod" + uid)
	defer r.Close()
	var cpu CPU
	var m Memory
	if err := errors.Join(r.CPU(new(Buffer), &cpu), r.Memory(new(Buffer), &m)); err != nil {
		t.Fatal(err)
	}
	if h.HasMemory() || !h.HasCPU() || m != (Memory{}) || cpu != (CPU{Total: val(5)}) {
		t.Errorf("memory controller off: %v %v, %+v %+v", h.HasCPU(), h.HasMemory(), cpu, m)
	}
}

func TestReadingAllocatesNothing(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		root, _, _ := sampleTree(t, version)
		h := open(t, root)
		r := podReader(t, root)
		f := h.Finder(true)
		defer f.Close()
		scan(t, f, true)
		var buf Buffer
		var cpu CPU
		var m Memory
		allocs := testing.AllocsPerRun(100, func() {
			if _, err := f.Scan(false); err != nil {
				t.Error(err)
			}
			if err := r.CPU(&buf, &cpu); err != nil {
				t.Error(err)
			}
			if err := r.Memory(&buf, &m); err != nil {
				t.Error(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%s: %v allocations for a scan and a read, want 0", version, allocs)
		}
	}
}

// Closing closes the reader's own files and no others, and it can be read on.
func TestCloseClosesOnlyItsOwn(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		root, _, _ := sampleTree(t, version)
		files := func() int {
			entries, err := os.ReadDir("/proc/self/fd")
			if err != nil {
				t.Fatal(err)
			}
			return len(entries)
		}
		before := files()
		r := open(t, root).Reader("/kubepods/pod" + uid)
		r.Close()
		if n := files(); n != before {
			t.Errorf("%s: %d files open after the Close of an unused reader, want %d", version, n, before)
		}
		for range 2 {
			var cpu CPU
			var m Memory
			if err := errors.Join(r.CPU(new(Buffer), &cpu), r.Memory(new(Buffer), &m)); err != nil || !cpu.Total.Known {
				t.Errorf("%s: %+v, %v", version, cpu, err)
			}
			if n := files(); n <= before {
				t.Errorf("%s: no file stays open", version)
			}
			r.Close()
			r.Close()
			if n := files(); n != before {
				t.Errorf("%s: %d files open after Close, want %d", version, n, before)
			}
		}
	}
}
