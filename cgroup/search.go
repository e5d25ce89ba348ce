package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxDepth bounds the search. The deepest known place of kubepods is the fifth
// level, and pods can hold a whole node in turn.
const maxDepth = 16

// search walks through the whole tree for kubepods folders and takes them up
// as roots of the scan.
func (f *Finder) search() error {
	top := f.h.findDir()
	present := make(map[string]bool)
	var unreadable error
	err := filepath.WalkDir(top, func(p string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil && p == top:
			return err
		case errors.Is(err, fs.ErrNotExist):
			return fs.SkipDir // removed meanwhile
		case err != nil:
			unreadable = err
			return fs.SkipDir
		case !entry.IsDir() || p == top:
			return nil
		}
		rel := strings.TrimPrefix(p, top)
		if strings.Count(rel, "/") > maxDepth {
			return fs.SkipDir
		}
		driver, ok := parseKubepods(entry.Name())
		if !ok {
			return nil
		}
		var st unix.Stat_t
		if unix.Stat(p, &st) != nil {
			return fs.SkipDir
		}
		present[rel] = true
		f.takeUp(rel, driver, st.Ino)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for kubepods: %w", err)
	}
	for rel, n := range f.roots {
		// What is in a folder that could not be listed is asked for by its name.
		if !present[rel] && (unreadable == nil || !exists(n.path)) {
			f.drop(n)
			delete(f.roots, rel)
		}
	}
	f.searched = f.searched || unreadable == nil
	return nil
}

// takeUp makes a kubepods folder a root of the scan, unless it is one already.
func (f *Finder) takeUp(rel string, driver driver, inode uint64) {
	if old, ok := f.roots[rel]; ok {
		if old.inode == inode && !old.lost {
			return
		}
		f.drop(old)
	}
	n := &node{
		dir: dir{path: filepath.Join(f.h.findDir(), rel)},
		id:  Identity{Kubepods: rel}, driver: driver,
		inode: inode, born: f.searched, children: make(map[string]*node),
	}
	f.roots[rel] = n
	f.watch(n)
}
