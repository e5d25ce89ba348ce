package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// Where watches run out, the setting is named, and updates go on by looking at
// everything; nothing that was watched before is missed.
func TestWatchesRunOut(t *testing.T) {
	if !cgrouptest.Limited(t, "max_inotify_watches", "4") {
		return
	}
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	f := open(t, root).Finder(true)
	kubepods := filepath.Join(root, "kubepods")
	events := watched(t, f, kubepods)
	for i := range 3 {
		mkdir(t, kubepods, "pod"+podUID(i))
		update(t, f)
	}
	if err := f.Refused(); err != nil {
		t.Fatalf("four watches are allowed, and: %v", err)
	}
	mkdir(t, kubepods, "pod"+podUID(3), cid)
	c := update(t, f)
	if len(c.Appeared) != 2 {
		t.Errorf("%v appeared, want a pod and its container", paths(c.Appeared))
	}
	if err := f.Refused(); !errors.Is(err, ErrWatchLimit) || !strings.Contains(err.Error(), "fs.inotify.max_user_watches") {
		t.Errorf("refused: %v, want the sysctl named", err)
	}
	if err := events.Wait(t.Context()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("wait: %v, want os.ErrClosed", err)
	}
	mkdir(t, kubepods, "pod"+podUID(4))
	rmdir(t, kubepods, "pod"+podUID(0))
	c = update(t, f)
	if len(c.Appeared) != 1 || len(c.Gone) != 1 {
		t.Errorf("without watches: %v appeared, %v gone; want one of each", paths(c.Appeared), paths(c.Gone))
	}
	if _, err := f.Watch(); !errors.Is(err, ErrWatchLimit) {
		t.Errorf("watch again with five folders: %v, want ErrWatchLimit", err)
	}
	rmdir(t, kubepods, "pod"+podUID(1))
	rmdir(t, kubepods, "pod"+podUID(2))
	update(t, f)
	if _, err := f.Watch(); err != nil {
		t.Errorf("watch again with three: %v", err)
	}
}

func TestInstancesRunOut(t *testing.T) {
	if !cgrouptest.Limited(t, "max_inotify_instances", "0") {
		return
	}
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	f := open(t, root).Finder(false)
	defer f.Close()
	if _, err := f.Watch(); !errors.Is(err, ErrWatchLimit) || !strings.Contains(err.Error(), "fs.inotify.max_user_instances") {
		t.Errorf("watch: %v, want the sysctl named", err)
	}
	mkdir(t, root, "kubepods", "pod"+podUID(0))
	if c := scan(t, f, true); len(c.Appeared) != 1 {
		t.Errorf("%v appeared, want the one pod", paths(c.Appeared))
	}
}
