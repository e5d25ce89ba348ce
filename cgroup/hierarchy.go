// Package cgroup reads Linux control groups, versions 1 and 2: it tells which
// hierarchies are mounted, finds the cgroups of Kubernetes pods and containers
// in them, and reads their CPU time and memory, and what else the kernel counts.
//
// Reading is made for sweeps over many cgroups at short intervals: files stay
// open (as many as Hierarchy.KeepOpen allows), each read is one pread into a reused
// buffer, and parsing works on the bytes without allocation.
//
// Formats and units follow the kernel's documents:
// https://docs.kernel.org/admin-guide/cgroup-v1/ (cpuacct.rst, memory.rst,
// blkio-controller.rst, pids.rst; sched-bwc.rst for throttling) and
// https://docs.kernel.org/admin-guide/cgroup-v2.html.
package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Mode tells which versions of control groups a tree holds.
type Mode uint8

const (
	// V1 has one hierarchy for each controller.
	V1 Mode = iota + 1
	// V2 has one hierarchy for all controllers.
	V2
	// Hybrid has version 1 controllers and a version 2 hierarchy beside them
	// in the folder "unified". That one has a cpu.stat for every cgroup too,
	// so that reading both would count all CPU time twice.
	Hybrid
)

// String returns "v1", "v2" or "hybrid".
func (m Mode) String() string {
	switch m {
	case V1:
		return "v1"
	case V2:
		return "v2"
	case Hybrid:
		return "hybrid"
	}
	return "unknown"
}

// ErrNoHierarchy is wrapped by Open when a folder holds no control groups.
var ErrNoHierarchy = errors.New("no control groups here")

// Hierarchy is a tree of control groups, opened at its root. For each quantity
// it knows the one place where it is read: the version 1 controller where that
// is mounted, else the version 2 hierarchy.
type Hierarchy struct {
	mode   Mode
	cpu    controller
	memory controller
	// throttling, io and pids are controllers of their own on version 1.
	throttling, io, pids controller
	pressure             controller // version 2 alone
	plain                bool       // ordinary files, where a removed file stays readable
	budget               budget
}

// controller is where the files of one quantity lie.
type controller struct {
	dir string // "" where there is none
	v2  bool
}

// Open looks at the tree below root, usually /sys/fs/cgroup, or where that of
// the host is mounted. Ordinary folders with the same content work as well:
// then a file cgroup.controllers makes it version 2, and folders cpuacct or
// memory make it version 1.
//
// The error wraps ErrNoHierarchy when there is nothing of the kind, and the
// error of the system when root cannot be read.
func Open(root string) (*Hierarchy, error) {
	root, err := filepath.EvalSymlinks(root)
	if err != nil {
		return nil, fmt.Errorf("open the cgroup tree: %w", err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, fmt.Errorf("open the cgroup tree: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("open the cgroup tree: %s is not a folder: %w", root, ErrNoHierarchy)
	}
	h := detect(root)
	if h == nil {
		return nil, fmt.Errorf("open the cgroup tree: %s has neither cgroup.controllers (version 2) nor cpuacct or memory (version 1): %w", root, ErrNoHierarchy)
	}
	return h, nil
}

func detect(root string) *Hierarchy {
	if isV2(root) {
		c := controller{dir: root, v2: true}
		return &Hierarchy{mode: V2, cpu: c, memory: c, throttling: c, io: c, pids: c, pressure: c, plain: fsType(root) != unix.CGROUP2_SUPER_MAGIC}
	}
	h := &Hierarchy{mode: V1}
	h.cpu.dir = firstDir(root, "cpuacct", "cpu,cpuacct", "cpuacct,cpu")
	h.memory.dir = firstDir(root, "memory")
	h.throttling.dir = firstDir(root, "cpu", "cpu,cpuacct", "cpuacct,cpu")
	h.io.dir = firstDir(root, "blkio")
	h.pids.dir = firstDir(root, "pids")
	if unified := firstDir(root, "unified"); unified != "" {
		h.mode = Hybrid
		if h.cpu.dir == "" {
			h.cpu = controller{dir: unified, v2: true}
		}
		h.pressure = controller{dir: unified, v2: true}
		for name, c := range map[string]*controller{"memory": &h.memory, "cpu": &h.throttling, "io": &h.io, "pids": &h.pids} {
			if c.dir == "" && hasController(unified, name) {
				*c = controller{dir: unified, v2: true}
			}
		}
	}
	if h.cpu.dir == "" && h.memory.dir == "" {
		return nil
	}
	switch fsType(h.findDir()) {
	case unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC:
	default:
		h.plain = true
	}
	return h
}

// isV2 reports whether dir is the root of a version 2 hierarchy. A copy of
// only a part of one lacks the root's own files, so folders in it count too.
func isV2(dir string) bool {
	if fsType(dir) == unix.CGROUP2_SUPER_MAGIC || exists(filepath.Join(dir, "cgroup.controllers")) {
		return true
	}
	if exists(filepath.Join(dir, "unified")) {
		return false
	}
	below, err := filepath.Glob(filepath.Join(dir, "*", "cgroup.controllers"))
	return err == nil && len(below) > 0
}

func fsType(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0
	}
	return int64(st.Type)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// firstDir returns the first of the names that is a folder in dir, with links
// followed, or "".
func firstDir(dir string, names ...string) string {
	for _, name := range names {
		path, err := filepath.EvalSymlinks(filepath.Join(dir, name))
		if err != nil {
			continue
		}
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			return path
		}
	}
	return ""
}

func hasController(dir, name string) bool {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return false
	}
	for _, word := range bytes.Fields(text) {
		if string(word) == name {
			return true
		}
	}
	return false
}

// Mode tells which versions the tree holds.
func (h *Hierarchy) Mode() Mode { return h.mode }

// HasMemory reports whether a memory controller is there. It can be turned off
// on the kernel's command line.
func (h *Hierarchy) HasMemory() bool { return h.memory.dir != "" }

// HasCPU reports whether CPU time is accounted.
func (h *Hierarchy) HasCPU() bool { return h.cpu.dir != "" }

// findDir is the folder in which cgroups are looked for. All hierarchies of a
// node hold the same cgroups for pods.
func (h *Hierarchy) findDir() string {
	if h.cpu.dir != "" {
		return h.cpu.dir
	}
	return h.memory.dir
}
