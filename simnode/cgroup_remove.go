package simnode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Removing a cgroup is tried for a while, since the kernel still holds one for
// a moment after its last process has ended.
const (
	removeLimit = 5 * time.Second
	removePause = 5 * time.Millisecond
)

// removeCgroups removes directories of cgroups that have no children.
func removeCgroups(dirs []string) error {
	var errs []error
	for _, dir := range dirs {
		errs = append(errs, removeCgroup(dir))
	}
	return errors.Join(errs...)
}

func removeCgroup(dir string) error {
	deadline := time.Now().Add(removeLimit)
	for {
		err := os.Remove(dir)
		switch {
		case err == nil || errors.Is(err, os.ErrNotExist):
			return nil
		case time.Now().After(deadline):
			return fmt.Errorf("remove cgroup %s: a process may still be in it, see its cgroup.procs: %w", dir, err)
		}
		time.Sleep(removePause)
	}
}

// removeTree removes a cgroup and all below it, the lowest first.
func removeTree(top string) error {
	dirs, err := cgroupsBelow(top)
	if err != nil {
		return err
	}
	slices.Reverse(dirs)
	return removeCgroups(dirs)
}

// cgroupsBelow returns a cgroup and all below it, parents before children. A
// cgroup that is not there has none.
func cgroupsBelow(top string) ([]string, error) {
	var dirs []string
	err := filepath.WalkDir(top, func(dir string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, os.ErrNotExist): // removed meanwhile
			return nil
		case err != nil:
			return err
		case entry.IsDir():
			dirs = append(dirs, dir)
		}
		return nil
	})
	return dirs, err
}

// removeEmpty removes a cgroup unless another is in it: that one may be anybody's,
// and the kernel refuses.
func removeEmpty(dir string) error {
	err := os.Remove(dir)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOTEMPTY) {
		return nil
	}
	return err
}
