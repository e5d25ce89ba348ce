package simnode

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// findHierarchies tells what is mounted at a root.
func findHierarchies(root string) (Version, []string, error) {
	if kind, err := fileSystem(root); err != nil {
		return 0, nil, err
	} else if kind == unix.CGROUP2_SUPER_MAGIC {
		return V2, []string{root}, nil
	}
	var dirs []string
	for i, controller := range []string{"cpuacct", "cpu", "memory"} {
		dir, err := controllerDir(root, controller)
		switch {
		case err == nil && !slices.Contains(dirs, dir):
			dirs = append(dirs, dir)
		case err != nil && i == 0: // without CPU time there is nothing to show
			return 0, nil, err
		}
	}
	return V1, dirs, nil
}

// controllerDir returns where a v1 controller is mounted. Two controllers may be
// one mount with two names.
func controllerDir(root, controller string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Join(root, controller))
	if err != nil {
		return "", fmt.Errorf("there are no cgroups with %s at %s: %w", controller, root, err)
	}
	kind, err := fileSystem(dir)
	if err == nil && kind != unix.CGROUP_SUPER_MAGIC {
		err = fmt.Errorf("there are no cgroups with %s at %s: %s is another file system", controller, root, dir)
	}
	return dir, err
}

func fileSystem(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("look at %s: %w", dir, err)
	}
	return int64(st.Type), nil
}

// makeDir makes a directory and those above it in every hierarchy.
func (c *Cgroups) makeDir(p string) error {
	for _, hierarchy := range c.hierarchies {
		dir := hierarchy
		for part := range strings.SplitSeq(p, "/") {
			dir = filepath.Join(dir, part)
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
				return err
			}
			if err := c.enable(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// enable hands the controllers that a v2 cgroup has on to its children. Where
// the machine offers none, CPU time is counted all the same. It is not for the
// cgroups of containers: one that has processes may not hand anything on.
func (c *Cgroups) enable(dir string) error {
	if c.version != V2 {
		return nil
	}
	has, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	var on []string
	for _, controller := range strings.Fields(string(has)) {
		if controller == "cpu" || controller == "memory" || controller == "cpuset" {
			on = append(on, "+"+controller)
		}
	}
	if len(on) == 0 {
		return nil
	}
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte(strings.Join(on, " ")), 0)
}
