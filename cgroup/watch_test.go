package cgroup

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// watched returns a finder that watches, with kubepods in dir, which is below the
// folder in which the finder looks.
func watched(t testing.TB, f *Finder, kubepods string) *Events {
	t.Helper()
	mkdir(t, kubepods)
	events, err := f.Watch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	scan(t, f, true)
	return events
}

func update(t testing.TB, f *Finder) *Changes {
	t.Helper()
	c, err := f.Update()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// watches counts what the kernel keeps for this finder.
func watches(t testing.TB, f *Finder) int {
	t.Helper()
	info, err := os.ReadFile(fmt.Sprintf("/proc/self/fdinfo/%d", f.notifier.fd))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(info), "inotify wd:")
}

// place is a tree in which a test makes cgroups: in plain files, or of the kernel.
type place struct {
	h        *Hierarchy
	kubepods string // absolute
}

// everywhere runs a test in plain files and, where that is allowed, in real cgroups.
func everywhere(t *testing.T, test func(t *testing.T, p place)) {
	t.Run("plain", func(t *testing.T) {
		root := t.TempDir()
		write(t, "", root, "cgroup.controllers")
		test(t, place{open(t, root), filepath.Join(root, "kubepods")})
	})
	t.Run("real", func(t *testing.T) {
		m := cgrouptest.New(t)
		m.Make(m.Top + "/kubepods")
		h := open(t, m.Own())
		kubepods := filepath.Join(h.findDir(), "kubepods")
		t.Cleanup(func() { clearOut(t, kubepods) })
		test(t, place{h, kubepods})
	})
}

// clearOut removes the cgroups in dir.
func clearOut(t testing.TB, dir string) {
	t.Helper()
	var all []string
	_ = filepath.WalkDir(dir, func(p string, entry os.DirEntry, err error) error {
		if err == nil && entry.IsDir() && p != dir {
			all = append(all, p)
		}
		return nil
	})
	for _, p := range slices.Backward(all) {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// within returns the paths below kubepods of what belongs to this place.
func (p place) within(found []*Found) []string {
	prefix := strings.TrimPrefix(p.kubepods, p.h.findDir()) + "/"
	var all []string
	for _, f := range found {
		if rel, ok := strings.CutPrefix(f.Path, prefix); ok {
			all = append(all, rel)
		}
	}
	slices.Sort(all)
	return all
}

// A16: births and ends are told at once, on both versions, down to containers that
// were made before the watch on their pod's folder was.
func TestUpdateTellsBirthsAndEnds(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		f := p.h.Finder(true)
		events := watched(t, f, p.kubepods)
		pod := "besteffort/pod" + podUID(1)
		mkdir(t, p.kubepods, pod, cid)
		if err := events.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := update(t, f)
		if diff := cmp.Diff([]string{pod, pod + "/" + cid}, p.within(c.Appeared)); diff != "" {
			t.Errorf("born: -want +got\n%s", diff)
		}
		for _, found := range c.Appeared {
			if !found.Born {
				t.Errorf("%s: not born, though it was seen made", found.Path)
			}
		}

		other := strings.Repeat("e", 64)
		mkdir(t, p.kubepods, pod, other)
		c = update(t, f)
		if diff := cmp.Diff([]string{pod + "/" + other}, p.within(c.Appeared)); diff != "" {
			t.Errorf("a container later: -want +got\n%s", diff)
		}
		if diff := cmp.Diff([]string{pod}, p.within(c.Touched)); diff != "" {
			t.Errorf("touched by it: -want +got\n%s", diff)
		}

		if err := os.Remove(filepath.Join(p.kubepods, pod, cid)); err != nil {
			t.Fatal(err)
		}
		c = update(t, f)
		if diff := cmp.Diff([]string{pod + "/" + cid}, p.within(c.Gone)); diff != "" {
			t.Errorf("a container gone: -want +got\n%s", diff)
		}
		if diff := cmp.Diff([]string{pod}, p.within(c.Touched)); diff != "" {
			t.Errorf("touched by that: -want +got\n%s", diff)
		}
		if c = update(t, f); len(c.Appeared)+len(c.Gone)+len(c.Touched) != 0 {
			t.Errorf("nothing happened, and %d things are told", len(c.Appeared)+len(c.Gone)+len(c.Touched))
		}
		if err := errors.Join(os.Remove(filepath.Join(p.kubepods, pod, other)), os.Remove(filepath.Join(p.kubepods, pod))); err != nil {
			t.Fatal(err)
		}
		c = update(t, f)
		if diff := cmp.Diff([]string{pod, pod + "/" + other}, p.within(c.Gone)); diff != "" {
			t.Errorf("gone: -want +got\n%s", diff)
		}
	})
}

// Without containers, a pod's folder still tells that something happened in it.
func TestUpdateTouchesPodsWithoutContainers(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		f := p.h.Finder(false)
		watched(t, f, p.kubepods)
		pod := "pod" + podUID(1)
		mkdir(t, p.kubepods, pod)
		update(t, f)
		mkdir(t, p.kubepods, pod, cid)
		c := update(t, f)
		if diff := cmp.Diff([]string{pod}, p.within(c.Touched)); diff != "" || len(p.within(c.Appeared)) != 0 {
			t.Errorf("touched: -want +got\n%s; %d appeared", diff, len(c.Appeared))
		}
	})
}

// A17: the kernel does not give back the watch of a removed cgroup by itself.
// Ten thousand come and go, and not one watch stays.
func TestWatchesOfRemovedCgroupsAreGivenBack(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		f := p.h.Finder(true)
		watched(t, f, p.kubepods)
		mkdir(t, p.kubepods, "burstable", "pod"+podUID(0))
		update(t, f)
		before := watches(t, f)
		const rounds, pods = 100, 100
		for round := range rounds {
			for i := range pods {
				mkdir(t, p.kubepods, "burstable", "pod"+podUID(1+round*pods+i))
			}
			if got := len(update(t, f).Appeared); got != pods {
				t.Fatalf("%d pods appeared, want %d", got, pods)
			}
			if got := watches(t, f); got != before+pods {
				t.Fatalf("%d watches with %d pods, want %d", got, pods, before+pods)
			}
			for i := range pods {
				if err := os.Remove(filepath.Join(p.kubepods, "burstable", "pod"+podUID(1+round*pods+i))); err != nil {
					t.Fatal(err)
				}
			}
			update(t, f)
		}
		if after := watches(t, f); after != before || len(f.notifier.nodes) != before {
			t.Errorf("%d watches in the kernel and %d here, %d before: want them given back", after, len(f.notifier.nodes), before)
		}
	})
}

// A15: more happened than the kernel keeps in its queue, with removals in it.
func TestUpdateAfterOverflow(t *testing.T) {
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	f := open(t, root).Finder(true)
	kubepods := filepath.Join(root, "kubepods")
	watched(t, f, kubepods)
	mkdir(t, kubepods, "pod"+podUID(1))
	update(t, f)
	limit := readLimit(t, "/proc/sys/fs/inotify/max_queued_events")
	for i := range limit/2 + 1 {
		dir := filepath.Join(kubepods, fmt.Sprint("other", i))
		if err := errors.Join(os.Mkdir(dir, 0o755), os.Remove(dir)); err != nil {
			t.Fatal(err)
		}
	}
	rmdir(t, kubepods, "pod"+podUID(1)) // is not told any more
	mkdir(t, kubepods, "pod"+podUID(2), cid)
	c := update(t, f)
	if diff := cmp.Diff([]string{"/kubepods/pod" + podUID(1)}, paths(c.Gone)); diff != "" {
		t.Errorf("gone: -want +got\n%s", diff)
	}
	if diff := cmp.Diff([]string{"/kubepods/pod" + podUID(2), "/kubepods/pod" + podUID(2) + "/" + cid}, paths(c.Appeared)); diff != "" {
		t.Errorf("appeared: -want +got\n%s", diff)
	}
	mkdir(t, kubepods, "pod"+podUID(3))
	if diff := cmp.Diff([]string{"/kubepods/pod" + podUID(3)}, paths(update(t, f).Appeared)); diff != "" {
		t.Errorf("after the overflow: -want +got\n%s", diff)
	}
}

func readLimit(t testing.TB, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if _, err := fmt.Sscan(string(text), &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// Whatever comes and goes, updates alone lead to what is there.
func TestUpdateUnderChurn(t *testing.T) {
	everywhere(t, func(t *testing.T, p place) {
		f := p.h.Finder(true)
		watched(t, f, p.kubepods)
		mkdir(t, p.kubepods, "burstable")
		rnd := rand.New(rand.NewPCG(3, 4))
		seen := make(map[string]bool)
		for step := range 300 {
			for range rnd.IntN(6) {
				churn(t, rnd, p.kubepods)
			}
			c := update(t, f)
			for _, path := range p.within(c.Gone) {
				if !seen[path] {
					t.Fatalf("step %d: %s gone, but never seen", step, path)
				}
				delete(seen, path)
			}
			for _, path := range p.within(c.Appeared) {
				if seen[path] {
					t.Fatalf("step %d: %s appeared twice", step, path)
				}
				seen[path] = true
			}
			if diff := cmp.Diff(podsIn(t, p.kubepods), seen); diff != "" {
				t.Fatalf("step %d: -there +seen\n%s", step, diff)
			}
		}
	})
}

// churn makes or removes one class, pod or container.
func churn(t testing.TB, rnd *rand.Rand, kubepods string) {
	t.Helper()
	dir := filepath.Join(kubepods, []string{"", "burstable", "besteffort"}[rnd.IntN(3)])
	if rnd.IntN(8) > 0 {
		dir = filepath.Join(dir, "pod"+podUID(rnd.IntN(10)))
		if rnd.IntN(2) == 0 {
			dir = filepath.Join(dir, fmt.Sprintf("%064x", rnd.IntN(3)))
		}
	}
	if rnd.IntN(3) > 0 {
		mkdir(t, dir)
	} else if dir != kubepods {
		clearOut(t, dir)
		if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// podsIn lists what a finder should have seen below a cgroupfs driver's kubepods.
func podsIn(t testing.TB, kubepods string) map[string]bool {
	t.Helper()
	there := make(map[string]bool)
	for _, pattern := range []string{"pod*", "pod*/*", "burstable/pod*", "burstable/pod*/*", "besteffort/pod*", "besteffort/pod*/*"} {
		matches, err := filepath.Glob(filepath.Join(kubepods, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range matches {
			if info, err := os.Stat(m); err == nil && info.IsDir() {
				there[strings.TrimPrefix(m, kubepods+"/")] = true
			}
		}
	}
	return there
}

func TestWaitEnds(t *testing.T) {
	root := t.TempDir()
	write(t, "", root, "cgroup.controllers")
	f := open(t, root).Finder(false)
	events := watched(t, f, filepath.Join(root, "kubepods"))
	update(t, f)

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := events.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("nothing happens: %v, want the context's end", err)
	}
	mkdir(t, root, "kubepods", "pod"+podUID(1))
	if err := events.Wait(t.Context()); err != nil {
		t.Errorf("after a wait that ended: %v", err)
	}
	update(t, f)
	ended := make(chan error)
	go func() { ended <- events.Wait(t.Context()) }()
	events.Wake()
	if err := <-ended; err != nil {
		t.Errorf("woken: %v", err)
	}
	events.Wake()
	if err := events.Wait(t.Context()); err != nil {
		t.Errorf("woken before: %v", err)
	}
	go func() { ended <- events.Wait(t.Context()) }()
	f.Close()
	if err := <-ended; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the finder is closed: %v, want os.ErrClosed", err)
	}
}

func FuzzParseEvents(f *testing.F) {
	entry := func(wd int32, mask uint32, name string) []byte {
		b := binary.NativeEndian.AppendUint32(nil, uint32(wd))
		b = binary.NativeEndian.AppendUint32(b, mask)
		b = binary.NativeEndian.AppendUint32(b, 0)
		b = binary.NativeEndian.AppendUint32(b, uint32(len(name)))
		return append(b, name...)
	}
	two := append(entry(1, unix.IN_CREATE|unix.IN_ISDIR, "podx\x00\x00\x00\x00"), entry(-1, unix.IN_Q_OVERFLOW, "")...)
	var got []string
	parseEvents(two, func(e event) { got = append(got, fmt.Sprintf("%d %#x %s", e.watch, e.mask, e.name)) })
	if diff := cmp.Diff([]string{"1 0x40000100 podx", "-1 0x4000 "}, got); diff != "" {
		f.Fatalf("-want +got\n%s", diff)
	}
	f.Add(two)
	f.Add(entry(1, 1, "cut")[:17])
	f.Fuzz(func(t *testing.T, buf []byte) {
		read := 0
		parseEvents(buf, func(e event) {
			if read += eventName + len(e.name); read > len(buf) {
				t.Errorf("%d bytes of %d", read, len(buf))
			}
		})
	})
}
