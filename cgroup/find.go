package cgroup

import (
	"errors"
	"path"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Found is a pod's or a container's cgroup that a Finder sees.
type Found struct {
	Identity
	// Path is the cgroup's path below the hierarchy's root.
	Path string
	// Born says that the cgroup was made while the finder was watching: an
	// earlier scan listed its parent without it, or its parent was born too.
	// All that it ever counted was counted since.
	Born bool
}

// Changes is what is different since the scan before. The slices are reused by
// the next scan.
type Changes struct {
	// Appeared holds parents before their children.
	Appeared []*Found
	// Gone holds children before their parents.
	Gone []*Found
}

// Finder finds the cgroups of pods, and of containers if wanted, below any
// prefix, and tells what changed between scans. It is not safe for concurrent
// use.
type Finder struct {
	h          *Hierarchy
	containers bool
	roots      map[string]*node // by path, the kubepods folders
	searched   bool             // at least once, without leaving a folder out
	scan       uint64
	changes    Changes
	buf        []byte
}

// Finder returns a finder of pods and, if containers is true, of their
// containers.
func (h *Hierarchy) Finder(containers bool) *Finder {
	return &Finder{h: h, containers: containers, roots: make(map[string]*node), buf: make([]byte, 32<<10)}
}

// node is a folder that the finder lists: kubepods, a class, or a pod. The
// container's folders are nodes too, but are never listed.
type node struct {
	dir
	found    *Found // nil for kubepods and classes
	id       Identity
	driver   driver
	inode    uint64
	seen     uint64 // the scan in which it was last there
	listed   bool   // at least once, to its end
	lost     bool   // could not be listed, since it was removed
	born     bool
	children map[string]*node
}

// Scan lists the kubepods folders and returns what changed since the last
// scan. Before that, if search is true, it looks through the whole tree for
// kubepods folders that came or went; that costs a listing of every cgroup of
// the machine, so it is for the first scan, for now and then, and for when
// Lost says so.
//
// With an error, what could be listed was listed, and nothing counts as gone
// that could not be looked at.
func (f *Finder) Scan(search bool) (*Changes, error) {
	clear(f.changes.Appeared)
	clear(f.changes.Gone)
	f.changes.Appeared, f.changes.Gone = f.changes.Appeared[:0], f.changes.Gone[:0]
	var errs []error
	if search {
		if err := f.search(); err != nil {
			errs = append(errs, err)
		}
	}
	f.scan++
	for _, n := range f.roots {
		if err := f.list(n); err != nil {
			errs = append(errs, err)
		}
	}
	return &f.changes, errors.Join(errs...)
}

// Lost reports that no kubepods folder is known, or that one has nothing in it
// any more, as one that was removed: it may have been made again elsewhere.
func (f *Finder) Lost() bool {
	for _, n := range f.roots {
		if n.lost || len(n.children) == 0 {
			return true
		}
	}
	return len(f.roots) == 0
}

// list looks at the folders in n, and in those at theirs.
func (f *Finder) list(n *node) error {
	err := n.list(f.buf, func(s subdir) { f.visit(n, s) })
	if err != nil {
		n.close()
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
			n.lost = true
			return nil // removed: the listing of its parent, or a search, tells
		}
		return err
	}
	n.listed, n.lost = true, false
	var errs []error
	for name, child := range n.children {
		if child.seen != f.scan {
			f.drop(child)
			delete(n.children, name)
			continue
		}
		if child.children == nil {
			continue
		}
		if err := f.list(child); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// visit notes one folder in n.
func (f *Finder) visit(n *node, s subdir) {
	if child, ok := n.children[string(s.name)]; ok { // no allocation: the compiler knows
		if child.inode == s.inode {
			child.seen = f.scan
			return
		}
		f.drop(child) // removed and made again under the same name
		delete(n.children, string(s.name))
	}
	child := f.identify(n, string(s.name))
	if child == nil {
		return
	}
	child.inode, child.seen = s.inode, f.scan
	child.born = n.listed || n.born
	n.children[string(s.name)] = child
	if child.id.UID == "" {
		return
	}
	child.found = &Found{Identity: child.id, Born: child.born, Path: path.Join(f.pathOf(n), string(s.name))}
	f.changes.Appeared = append(f.changes.Appeared, child.found)
}

// identify makes the node of a folder in n, or returns nil for one that is
// neither a class, a pod nor a container.
func (f *Finder) identify(n *node, name string) *node {
	child := &node{dir: dir{path: filepath.Join(n.path, name)}, id: n.id, driver: n.driver}
	if n.id.UID != "" {
		runtime, id, ok := parseContainer(name)
		if !ok {
			return nil
		}
		child.id.Runtime, child.id.ContainerID = runtime, id
		return child
	}
	if uid, ok := n.driver.parsePod(name, n.id.QoS); ok {
		child.id.UID = uid
		if f.containers {
			child.children = make(map[string]*node)
		}
		return child
	}
	if qos, ok := n.driver.parseQoS(name); ok && n.id.QoS == Guaranteed {
		child.id.QoS = qos
		child.children = make(map[string]*node)
		return child
	}
	return nil
}

func (f *Finder) pathOf(n *node) string {
	if n.found != nil {
		return n.found.Path
	}
	return strings.TrimPrefix(n.path, f.h.findDir())
}

// drop forgets a folder and all below it.
func (f *Finder) drop(n *node) {
	for _, child := range n.children {
		f.drop(child)
	}
	n.close()
	if n.found != nil {
		f.changes.Gone = append(f.changes.Gone, n.found)
	}
}

// Close closes the folders.
func (f *Finder) Close() {
	for _, n := range f.roots {
		f.closeAll(n)
	}
}

func (f *Finder) closeAll(n *node) {
	n.close()
	for _, child := range n.children {
		f.closeAll(child)
	}
}
