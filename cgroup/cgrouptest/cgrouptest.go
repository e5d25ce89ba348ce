// Package cgrouptest makes cgroups on the machine that runs the tests.
package cgrouptest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// Root is where the machine's cgroups are.
const Root = "/sys/fs/cgroup"

// Machine makes cgroups below one of its own, which it removes at the end of
// the test.
type Machine struct {
	t testing.TB
	// Top is the path of the cgroup below which others are made.
	Top string
	// Dirs are the folders of the hierarchies in which each cgroup is made:
	// one on version 2, on version 1 those of cpuacct and memory, and of more
	// controllers if wanted.
	Dirs []string

	controllers []string // of version 2, by their own names
}

// New makes the top cgroup. It skips the test without root, and on a machine
// that has no cgroups or lets nobody make any. More are controllers besides cpuacct
// and memory, by their names on version 1.
func New(t testing.TB, more ...string) *Machine {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	m := &Machine{t: t, Top: fmt.Sprintf("/podjoule-test-%d", os.Getpid()), controllers: []string{"cpu", "memory"}}
	dirs := []string{Root, Root + "/cpuacct", Root + "/memory"}
	for _, name := range more {
		dirs = append(dirs, filepath.Join(Root, name))
		if name == "blkio" {
			name = "io"
		}
		m.controllers = append(m.controllers, name)
	}
	for _, dir := range dirs {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			m.Dirs = append(m.Dirs, dir)
		}
	}
	if len(m.Dirs) == 0 {
		t.Skipf("there are no cgroups at %s", Root)
	}
	t.Cleanup(m.clear)
	m.Make(m.Top)
	return m
}

// Own returns the root of a tree that holds what is below Top and nothing else of this
// machine, where other tests make cgroups at the same time.
func (m *Machine) Own() string {
	m.t.Helper()
	if len(m.Dirs) == 1 {
		return filepath.Join(m.Dirs[0], m.Top)
	}
	root := m.t.TempDir() // version 1: a folder that has our part of each controller
	for _, dir := range m.Dirs {
		if err := os.Symlink(filepath.Join(dir, m.Top), filepath.Join(root, filepath.Base(dir))); err != nil {
			m.t.Fatal(err)
		}
	}
	return root
}

// clear removes all that was made, children before their parents.
func (m *Machine) clear() {
	for _, dir := range m.Dirs {
		var made []string
		_ = filepath.WalkDir(filepath.Join(dir, m.Top), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				made = append(made, path)
			}
			return nil // what cannot be listed cannot be removed either, and that is told
		})
		for _, path := range slices.Backward(made) {
			m.remove(path)
		}
	}
}

// Make makes a cgroup, unless it is there.
func (m *Machine) Make(path string) {
	m.t.Helper()
	for _, dir := range m.Dirs {
		err := os.Mkdir(filepath.Join(dir, path), 0o755)
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			m.t.Skipf("this machine lets nobody make cgroups: %v", err)
		}
		if path != m.Top {
			m.delegate(filepath.Join(dir, filepath.Dir(path)))
		}
	}
}

// delegate turns the controllers on for the children of one of our own cgroups,
// which version 2 does not do by itself. A controller that is not to be had is
// one that the children lack.
func (m *Machine) delegate(dir string) {
	m.t.Helper()
	file := filepath.Join(dir, "cgroup.subtree_control")
	if _, err := os.Stat(file); err != nil {
		return // version 1
	}
	for _, controller := range m.controllers {
		if err := os.WriteFile(file, []byte("+"+controller), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			m.t.Logf("turn %s on: %v", controller, err)
		}
	}
}

// Remove removes a cgroup that holds no process any more.
func (m *Machine) Remove(path string) {
	m.t.Helper()
	for _, dir := range m.Dirs {
		m.remove(filepath.Join(dir, path))
	}
}

// remove waits, since a process that has just ended keeps its cgroup busy for a
// moment.
func (m *Machine) remove(dir string) {
	m.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := os.Remove(dir)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			m.t.Errorf("remove a cgroup: %v", err)
			return
		}
		time.Sleep(time.Millisecond)
	}
}
