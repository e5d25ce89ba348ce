package cgroup

import (
	"errors"
	"iter"
	"maps"
	"path"
	"path/filepath"
	"slices"
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
	// Touched holds pods in which a container's cgroup was made or removed, or
	// that ran empty. Only Update tells, and only while the kernel does.
	Touched []*Found
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

	// While the kernel tells what happens:
	notifier *notifier
	due      map[*node]struct{} // folders to look at
	missed   bool               // something was not told: all have to be looked at
	refused  error              // why it does not tell any more
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
	dropped  bool
	watch    int32 // the notifier's, or 0
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
	f.clear()
	if f.notifier != nil {
		// What was told before the folders are looked at is seen there.
		if err := f.notifier.drain(f.note); err != nil {
			f.unwatch()
			f.refused = err
		}
	}
	var err error
	if search {
		err = f.search()
	}
	return f.scanAll(err)
}

// scanAll looks at all folders.
func (f *Finder) scanAll(err error) (*Changes, error) {
	var errs []error
	if err != nil {
		errs = append(errs, err)
	}
	f.scan++
	f.missed = false
	clear(f.due)
	for _, n := range f.roots {
		if err := f.list(n, true); err != nil {
			errs = append(errs, err)
			f.missed = true
		}
	}
	return &f.changes, errors.Join(errs...)
}

func (f *Finder) clear() {
	clear(f.changes.Appeared)
	clear(f.changes.Gone)
	clear(f.changes.Touched)
	f.changes.Appeared, f.changes.Gone, f.changes.Touched = f.changes.Appeared[:0], f.changes.Gone[:0], f.changes.Touched[:0]
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

// Kubepods yields the paths of the kubepods folders that are known, below the
// hierarchy's root.
func (f *Finder) Kubepods() iter.Seq[string] { return maps.Keys(f.roots) }

// list looks at the folders in n, and in those that are new at theirs; if deep is
// true, in all of them.
func (f *Finder) list(n *node, deep bool) error {
	err := n.list(&f.h.budget, f.buf, func(s subdir) { f.visit(n, s) })
	switch {
	case err != nil, f.notifier != nil && n.id.UID != "": // the folders of pods are many, and seldom looked at
		f.h.budget.close(&n.handle)
	default:
		f.h.budget.settle(&n.handle)
	}
	if err != nil {
		if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENODEV) {
			n.lost = true
			f.giveBack(n)
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
		if child.children == nil || child.listed && !deep {
			continue
		}
		if err := f.list(child, deep); err != nil {
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
	f.watch(child) // before it is listed, so that nothing is missed
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
	f.h.budget.close(&n.handle)
	n.dropped = true
	f.giveBack(n)
	if n.found == nil {
		return
	}
	if i := slices.Index(f.changes.Appeared, n.found); i >= 0 {
		f.changes.Appeared = slices.Delete(f.changes.Appeared, i, i+1) // it went while folders were looked at
		return
	}
	f.changes.Gone = append(f.changes.Gone, n.found)
}

// giveBack ends the watch of a folder that is gone.
func (f *Finder) giveBack(n *node) {
	if f.notifier != nil {
		f.notifier.remove(n)
	}
}

// Close closes the folders, and ends the events.
func (f *Finder) Close() {
	f.unwatch()
	for _, n := range f.roots {
		f.closeAll(n)
	}
}

func (f *Finder) closeAll(n *node) {
	f.h.budget.close(&n.handle)
	for _, child := range n.children {
		f.closeAll(child)
	}
}
