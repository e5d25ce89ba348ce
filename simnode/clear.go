package simnode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Clear removes what runs left that were killed: their processes, their cgroups
// in the tree at root, and their folders in os.TempDir. A run whose process
// still lives is left alone.
func Clear(root string) error {
	var errs []error
	// A machine without cgroups has none to clear.
	if _, hierarchies, err := findHierarchies(root); err == nil {
		for _, hierarchy := range hierarchies {
			errs = append(errs, clearHierarchy(hierarchy))
		}
	}
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), demoDir+"-*"))
	errs = append(errs, err)
	for _, folder := range folders {
		errs = append(errs, clearFolder(folder))
	}
	return errors.Join(errs...)
}

// clearHierarchy removes the runs of dead processes from one hierarchy.
func clearHierarchy(hierarchy string) error {
	top := filepath.Join(hierarchy, demoDir)
	entries, err := os.ReadDir(top)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, entry := range entries {
		owner, err := parseRunName(entry.Name())
		if !entry.IsDir() || err != nil || owner.alive() {
			continue
		}
		dir := filepath.Join(top, entry.Name())
		foreign, err := killBelow(dir)
		if err == nil && !foreign {
			err = removeTree(dir)
		}
		errs = append(errs, err)
	}
	return errors.Join(append(errs, removeEmpty(top))...)
}

// killBelow ends the processes in a cgroup and below it. When one of them
// cannot be seen from here, it ends none and says so: then the whole run belongs
// to another PID namespace, where its owner may well be alive.
func killBelow(top string) (foreign bool, err error) {
	deadline := time.Now().Add(removeLimit)
	for {
		dirs, err := cgroupsBelow(top)
		if err != nil {
			return false, err
		}
		members := map[int]string{}
		for _, dir := range dirs {
			pids, err := processesIn(dir)
			if err != nil {
				return false, err
			}
			for _, pid := range pids {
				if pid == 0 {
					return true, nil
				}
				members[pid] = dir
			}
		}
		if len(members) == 0 {
			return false, nil
		}
		if time.Now().After(deadline) {
			return false, fmt.Errorf("clear cgroup %s: %d processes do not end", top, len(members))
		}
		for pid, dir := range members {
			if err := killIn(dir, pid); err != nil {
				return false, err
			}
		}
		time.Sleep(removePause)
	}
}

// killIn kills a process if it is in a cgroup. It holds on to the process before
// it looks, so that the ID cannot come to mean another one.
func killIn(dir string, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	pids, err := processesIn(dir)
	if err != nil {
		return err
	}
	for _, p := range pids {
		if p != pid {
			continue
		}
		if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("kill process %d in cgroup %s: %w", pid, dir, err)
		}
	}
	return nil
}

// processesIn returns the IDs of the processes in a cgroup; 0 stands for one in
// another PID namespace. A cgroup that is gone has none.
func processesIn(dir string) ([]int, error) {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var pids []int
	for line := range strings.FieldsSeq(string(text)) {
		pid, err := strconv.Atoi(line)
		if err != nil {
			return nil, fmt.Errorf("read cgroup.procs in %s: %w", dir, err)
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

// clearFolder removes a folder of ours whose run is over.
func clearFolder(folder string) error {
	name := strings.TrimPrefix(filepath.Base(folder), demoDir+"-")
	cut := strings.LastIndexByte(name, '-')
	if cut < 0 {
		return nil
	}
	owner, err := parseRunName(name[:cut])
	if err != nil || owner.alive() {
		return nil
	}
	info, err := os.Lstat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	// The folder of temporary files is everybody's: a link, or what belongs to
	// another user, is none of ours.
	if st, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || int(st.Uid) != os.Geteuid() {
		return nil
	}
	return os.RemoveAll(folder)
}
