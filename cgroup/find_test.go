package cgroup

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func podUID(i int) string { return fmt.Sprintf("%08x-5dba-4aa5-bf3b-2bfd339e189f", i) }

func mkdir(t testing.TB, path ...string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(path...), 0o755); err != nil {
		t.Fatal(err)
	}
}

func rmdir(t testing.TB, path ...string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(path...)); err != nil {
		t.Fatal(err)
	}
}

func TestScanTellsChangesAndBirths(t *testing.T) {
	root := t.TempDir()
	k := filepath.Join(root, "kubepods")
	write(t, "", root, "cgroup.controllers")
	mkdir(t, k, "burstable", "pod"+podUID(1), cid)
	mkdir(t, k, "besteffort")
	f := open(t, root).Finder(true)
	defer f.Close()
	if !f.Lost() {
		t.Error("nothing was scanned, and Lost does not say so")
	}
	one := []string{"/kubepods/burstable/pod" + podUID(1), "/kubepods/burstable/pod" + podUID(1) + "/" + cid}
	c := scan(t, f, true)
	if diff := cmp.Diff(one, paths(c.Appeared)); diff != "" {
		t.Errorf("first scan: -want +got\n%s", diff)
	}
	for _, found := range c.Appeared {
		if found.Born {
			t.Errorf("%s: born, though it was there first", found.Path)
		}
	}
	if f.Lost() {
		t.Error("Lost with a pod in sight")
	}

	// A pod and a container that come later are born, each on its own.
	cid2 := strings.Repeat("f", 64)
	mkdir(t, k, "pod"+podUID(2), cid)
	mkdir(t, k, "burstable", "pod"+podUID(1), cid2)
	mkdir(t, k, "podcast with spaces")
	c = scan(t, f, false)
	if diff := cmp.Diff([]string{one[0] + "/" + cid2, "/kubepods/pod" + podUID(2), "/kubepods/pod" + podUID(2) + "/" + cid}, paths(c.Appeared)); diff != "" {
		t.Errorf("after births: -want +got\n%s", diff)
	}
	for _, found := range c.Appeared {
		if !found.Born {
			t.Errorf("%s: not born, though it came after the first scan", found.Path)
		}
	}

	// Children go before their parents, and a class can go as a whole.
	rmdir(t, k, "burstable")
	c = scan(t, f, false)
	if diff := cmp.Diff([]string{one[0], one[1], one[0] + "/" + cid2}, paths(c.Gone)); diff != "" {
		t.Errorf("after the class went: -want +got\n%s", diff)
	}
	if last := c.Gone[len(c.Gone)-1]; last.ContainerID != "" {
		t.Errorf("last gone is %s, want the pod after its containers", last.Path)
	}

	// All goes, and the node comes back elsewhere.
	rmdir(t, k)
	if c = scan(t, f, false); len(c.Gone) != 2 && !f.Lost() {
		t.Errorf("kubepods went: %d gone, Lost %v", len(c.Gone), f.Lost())
	}
	if !f.Lost() {
		t.Error("kubepods went, and Lost does not say so")
	}
	mkdir(t, root, "docker", cid, "kubepods", "pod"+podUID(3))
	c = scan(t, f, true)
	if diff := cmp.Diff([]string{"/docker/" + cid + "/kubepods/pod" + podUID(3)}, paths(c.Appeared)); diff != "" {
		t.Errorf("elsewhere: -want +got\n%s", diff)
	}
	if !c.Appeared[0].Born || f.Lost() {
		t.Errorf("elsewhere: born %v, lost %v", c.Appeared[0].Born, f.Lost())
	}
}

// With containers off, container folders are neither listed nor reported.
func TestScanWithoutContainers(t *testing.T) {
	f := open(t, captured(t, "v1")).Finder(false)
	defer f.Close()
	for _, found := range scan(t, f, true).Appeared {
		if found.ContainerID != "" {
			t.Errorf("found container %s", found.Path)
		}
	}
}

// Several nodes in one tree, one of them in a pod of another.
func TestScanFindsEveryKubepods(t *testing.T) {
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	slice := "kubelet-kubepods-burstable-pod" + slicedUID + ".slice"
	want := []string{
		"/docker/" + cid + "/kubepods/pod" + podUID(1),
		"/kubepods/burstable/pod" + podUID(2),
		"/kubepods/burstable/pod" + podUID(2) + "/" + cid + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/" + slice,
		"/system.slice/docker-" + cid + ".scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-burstable.slice/" + slice,
	}
	for _, p := range want {
		mkdir(t, root, p)
	}
	mkdir(t, root, "system.slice", "podman.service", "pod"+podUID(4))
	f := open(t, root).Finder(false)
	defer f.Close()
	c := scan(t, f, true)
	if diff := cmp.Diff(want, paths(c.Appeared)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	roots := make(map[string]bool)
	for _, found := range c.Appeared {
		roots[found.Kubepods] = true
	}
	if len(roots) != 4 {
		t.Errorf("%d roots told, want 4: %v", len(roots), roots)
	}
}

// Whatever comes and goes, the sum of changes is what is there.
func TestScanUnderChurn(t *testing.T) {
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	mkdir(t, root, "kubepods", "burstable")
	mkdir(t, root, "kubepods", "besteffort")
	f := open(t, root).Finder(true)
	defer f.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	live := make(map[string]bool)
	seen := make(map[string]bool)
	for step := range 300 {
		for range rnd.IntN(5) {
			p := filepath.Join("/kubepods", []string{"", "burstable", "besteffort"}[rnd.IntN(3)], "pod"+podUID(rnd.IntN(20)))
			if rnd.IntN(2) == 0 {
				p = filepath.Join(p, fmt.Sprintf("%064x", rnd.IntN(3)))
			}
			if rnd.IntN(3) == 0 {
				rmdir(t, root, p)
			} else {
				mkdir(t, root, p)
			}
		}
		c := scan(t, f, step%10 == 0)
		for _, found := range c.Gone {
			if !seen[found.Path] {
				t.Fatalf("step %d: %s gone, but never seen", step, found.Path)
			}
			delete(seen, found.Path)
		}
		for _, found := range c.Appeared {
			if seen[found.Path] {
				t.Fatalf("step %d: %s appeared twice", step, found.Path)
			}
			seen[found.Path] = true
		}
		clear(live)
		matches, err := filepath.Glob(filepath.Join(root, "kubepods/pod*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, pattern := range []string{"kubepods/*/pod*", "kubepods/pod*/*", "kubepods/*/pod*/*"} {
			more, err := filepath.Glob(filepath.Join(root, pattern))
			if err != nil {
				t.Fatal(err)
			}
			matches = append(matches, more...)
		}
		for _, m := range matches {
			live[strings.TrimPrefix(m, root)] = true
		}
		if diff := cmp.Diff(live, seen); diff != "" {
			t.Fatalf("step %d: -there +seen\n%s", step, diff)
		}
	}
	if len(seen) == 0 {
		t.Error("the churn left nothing to see")
	}
}

// What cannot be listed is an error, and is not gone.
func TestUnreadableFolderIsNotGone(t *testing.T) {
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	mkdir(t, root, "kubepods", "burstable", "pod"+podUID(1))
	f := open(t, root).Finder(true)
	defer f.Close()
	scan(t, f, true)
	class := f.roots["/kubepods"].children["burstable"]
	f.h.budget.close(&class.handle)
	class.fd, class.opened = 1<<30, true // no such descriptor: the listing fails, for root too
	c, err := f.Scan(false)
	if err == nil || !strings.Contains(err.Error(), filepath.Join(root, "kubepods", "burstable")) || len(c.Gone) != 0 {
		t.Errorf("error %v, gone %v; want an error that names the folder and nothing gone", err, paths(c.Gone))
	}
	if c := scan(t, f, false); len(c.Appeared)+len(c.Gone) != 0 {
		t.Errorf("after the error: %v appeared, %v gone; want it mended", paths(c.Appeared), paths(c.Gone))
	}
}

// readWhatIsAllowed takes the right to read everything from the test's thread, which is
// root's.
func readWhatIsAllowed(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var rights [2]unix.CapUserData
	if err := unix.Capget(&header, &rights[0]); err != nil {
		t.Fatal(err)
	}
	rights[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	if err := unix.Capset(&header, &rights[0]); err != nil {
		t.Fatal(err)
	}
}

// Nor is what lies in a folder that cannot be looked through, as when files run out in
// the middle of a search; but what was removed is.
func TestUnsearchableFolderIsNotGone(t *testing.T) {
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	for _, outer := range []string{"kubelet", "other"} {
		mkdir(t, root, outer, "kubepods", "pod"+podUID(1))
	}
	f := open(t, root).Finder(false)
	defer f.Close()
	scan(t, f, true)
	if err := os.Chmod(filepath.Join(root, "kubelet"), 0o311); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(filepath.Join(root, "kubelet"), 0o755) }) // else it is not removed, which is told
	if err := os.RemoveAll(filepath.Join(root, "other", "kubepods")); err != nil {
		t.Fatal(err)
	}
	readWhatIsAllowed(t)
	if _, err := os.ReadDir(filepath.Join(root, "kubelet")); err == nil {
		t.Error("the folder can be read: the test shows nothing")
	}
	c, err := f.Scan(true)
	if want := []string{"/other/kubepods/pod" + podUID(1)}; err != nil || !slices.Equal(paths(c.Gone), want) {
		t.Errorf("gone: %v, %v; want %v", paths(c.Gone), err, want)
	}
}

// A15: a pod that is removed and made again while its folder is read comes twice in
// one listing. Nobody is told of the end of one of which nobody knew.
func TestRemovedAndMadeAgainWithinOneListing(t *testing.T) {
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	mkdir(t, root, "kubepods")
	f := open(t, root).Finder(false)
	defer f.Close()
	scan(t, f, true)
	f.clear()
	f.scan++
	for inode := range uint64(2) {
		f.visit(f.roots["/kubepods"], subdir{name: []byte("pod" + podUID(1)), inode: 1 + inode})
	}
	if len(f.changes.Appeared) != 1 || len(f.changes.Gone) != 0 {
		t.Errorf("%v appeared, %v gone; want the pod once", paths(f.changes.Appeared), paths(f.changes.Gone))
	}
}

func FuzzDirents(f *testing.F) {
	dir := dir{path: f.TempDir()}
	mkdir(f, dir.path, "burstable")
	mkdir(f, dir.path, "podx")
	var names []string
	if err := dir.list(new(budget), make([]byte, 4096), func(s subdir) { names = append(names, string(s.name)) }); err != nil {
		f.Fatal(err)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"burstable", "podx"}, names); diff != "" {
		f.Fatalf("-want +got\n%s", diff)
	}
	f.Add([]byte("01234567" + "01234567" + "\x18\x00" + "\x04" + "pod\x00\x00"))
	f.Add([]byte("01234567" + "01234567" + "\x00\x00" + "\x04" + "pod\x00\x00"))
	f.Fuzz(func(t *testing.T, buf []byte) {
		dir.parse(buf, func(s subdir) {
			if len(s.name) == 0 || strings.ContainsRune(string(s.name), 0) {
				t.Errorf("entry with the name %q", s.name)
			}
		})
	})
}
