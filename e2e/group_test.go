//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const cgroupfs = "/sys/fs/cgroup"

// version2 tells whether the machine's tree is cgroup version 2.
func version2() bool {
	_, err := os.Stat(filepath.Join(cgroupfs, "cgroup.controllers"))
	return err == nil
}

// group is a pod's or a container's cgroup. It is read here by other code than
// podjoule's.
type group struct{ path string } // below the tree or below each controller's

// lookFor finds the kubelet's cgroup whose name has an id in it.
func lookFor(id string) (g group, found bool) {
	root := cgroupfs
	if !version2() {
		root = filepath.Join(cgroupfs, "cpuacct")
	}
	for _, top := range []string{"kubepods", "kubepods.slice"} {
		// Groups come and go meanwhile: what cannot be read is not looked into.
		_ = filepath.WalkDir(filepath.Join(root, top), func(path string, entry fs.DirEntry, err error) error {
			name := strings.ReplaceAll(filepath.Base(path), "_", "-") // the systemd driver's spelling
			if err != nil || !entry.IsDir() || !strings.Contains(name, id) {
				return nil
			}
			g, found = group{strings.TrimPrefix(path, root)}, true
			return fs.SkipAll
		})
	}
	return g, found
}

// folderOfPods is the group of all pods.
func folderOfPods() group {
	if version2() {
		return group{"/kubepods.slice"}
	}
	return group{"/kubepods"}
}

// hasGroup tells whether there is a cgroup of a pod.
func hasGroup(uid string) bool {
	_, found := lookFor(uid)
	return found
}

// findGroup is for a cgroup that has to be there.
func findGroup(t *testing.T, id string) group {
	t.Helper()
	g, found := lookFor(id)
	if !found {
		t.Fatalf("no cgroup of %s below %s", id, cgroupfs)
	}
	return g
}

// file is one of a group's files: of a controller on version 1.
func (g group) file(controller, name string) string {
	if version2() {
		controller = ""
	}
	return filepath.Join(cgroupfs, controller, g.path, name)
}

// openCounter is the CPU time that the kernel counts of a group, to be read again and again.
type openCounter struct {
	file *os.File
	key  string // before the number
	unit uint64 // in nanoseconds
}

func (g group) open() (*openCounter, error) {
	c := &openCounter{unit: 1}
	name := g.file("cpuacct", "cpuacct.usage")
	if version2() {
		name, c.key, c.unit = g.file("", "cpu.stat"), "usage_usec ", 1000
	}
	var err error
	c.file, err = os.Open(name)
	return c, err
}

func (c *openCounter) close() { c.file.Close() }

// read returns the nanoseconds so far. It fails when the group is gone.
func (c *openCounter) read() (uint64, error) {
	b := make([]byte, 64) // the number is at the beginning
	n, err := c.file.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	line, _, _ := strings.Cut(string(b[:n]), "\n")
	counted, err := strconv.ParseUint(strings.TrimPrefix(line, c.key), 10, 64)
	return c.unit * counted, err
}

// counter is the CPU time that the kernel counted so far, in nanoseconds.
func (g group) counter() (uint64, error) {
	c, err := g.open()
	if err != nil {
		return 0, err
	}
	defer c.close()
	return c.read()
}

// cpu is the counter of a group that has to be there.
func (g group) cpu(t *testing.T) uint64 {
	t.Helper()
	n, err := g.counter()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// anonymous is the group's anonymous memory in bytes.
func (g group) anonymous(t *testing.T) uint64 {
	t.Helper()
	if version2() {
		return keyed(t, g.file("", "memory.stat"), "anon")
	}
	return keyed(t, g.file("memory", "memory.stat"), "total_rss")
}

// usage is all memory that is charged to the group, in bytes.
func (g group) usage(t *testing.T) uint64 {
	t.Helper()
	name := "memory.usage_in_bytes"
	if version2() {
		name = "memory.current"
	}
	return number(t, strings.TrimSpace(text(t, g.file("memory", name))))
}

// processes lists the ids of the processes in the group and in those below it.
func (g group) processes(t *testing.T) []int {
	t.Helper()
	var ids []int
	err := filepath.WalkDir(g.file("cpuacct", ""), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() != "cgroup.procs" {
			return err
		}
		for _, id := range strings.Fields(text(t, path)) {
			ids = append(ids, int(number(t, id)))
		}
		return nil
	})
	if err != nil || len(ids) == 0 {
		t.Fatalf("processes of %s: %d, %v", g.path, len(ids), err)
	}
	return ids
}

// signal sends a signal to each of the group's processes.
func (g group) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	for _, id := range g.processes(t) {
		if err := syscall.Kill(id, s); err != nil {
			t.Fatalf("send %v to process %d: %v", s, id, err)
		}
	}
}

// stop stops all processes and returns when none of them uses CPU time any more.
// The kernel's counters then stand still, so that they can be compared exactly.
func (g group) stop(t *testing.T) {
	t.Helper()
	g.signal(t, syscall.SIGSTOP)
	eventually(t, "the processes of "+g.path+" have stopped", func() bool {
		for _, id := range g.processes(t) {
			if !stopped(id) {
				return false
			}
		}
		return true
	})
}

// resume lets them go on.
func (g group) resume(t *testing.T) {
	t.Helper()
	g.signal(t, syscall.SIGCONT)
}

// stopped tells whether all threads of a process have stopped.
func stopped(id int) bool {
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", id))
	if err != nil || len(files) == 0 {
		return false
	}
	for _, file := range files {
		line, err := os.ReadFile(file)
		// The state follows the command, which ends with the last parenthesis.
		if end := bytes.LastIndexByte(line, ')'); err != nil || end < 0 || !bytes.HasPrefix(line[end:], []byte(") T")) {
			return false
		}
	}
	return true
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// keyed is the number behind a key in a file of keys and numbers.
func keyed(t *testing.T, file, key string) uint64 {
	t.Helper()
	for line := range strings.Lines(text(t, file)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), " "); ok && k == key {
			return number(t, v)
		}
	}
	t.Fatalf("%s has no %s", file, key)
	return 0
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// arguments are those that a process was started with.
func arguments(t *testing.T, id int) []string {
	t.Helper()
	return strings.Split(strings.TrimSuffix(text(t, fmt.Sprintf("/proc/%d/cmdline", id)), "\x00"), "\x00")
}
