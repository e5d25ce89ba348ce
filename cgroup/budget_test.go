package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// grove is a tree with some pods in it.
type grove struct {
	root  string
	paths []string
	marks []string // in the paths of the pods' files
}

// plainGrove makes pods in plain files, each with numbers of its own.
func plainGrove(t testing.TB, version string, pods int) grove {
	t.Helper()
	root, cpuDir, memoryDir := sampleTree(t, version)
	g := grove{root: root, marks: []string{root}}
	for i := range pods {
		name := "pod" + podUID(i)
		for _, dir := range []string{cpuDir, memoryDir} {
			if err := os.CopyFS(filepath.Join(filepath.Dir(dir), name), os.DirFS(dir)); err != nil && !errors.Is(err, os.ErrExist) {
				t.Fatal(err)
			}
		}
		usage := filepath.Join(filepath.Dir(cpuDir), name, "cpuacct.usage")
		text := fmt.Sprintf("%d\n", 1000+i)
		if version == "v2" {
			usage = filepath.Join(filepath.Dir(cpuDir), name, "cpu.stat")
			text = fmt.Sprintf("usage_usec %d\nuser_usec 60\nsystem_usec 40\n", 1000+i)
		}
		write(t, text, usage)
		g.paths = append(g.paths, "/kubepods/"+name)
	}
	return g
}

// realGrove makes pods on this machine's own control groups.
func realGrove(t *testing.T, pods int) grove {
	t.Helper()
	machine := cgrouptest.New(t)
	g := grove{root: cgrouptest.Root, marks: []string{machine.Top + "/"}}
	machine.Make(machine.Top + "/kubepods")
	for i := range pods {
		g.paths = append(g.paths, machine.Top+"/kubepods/pod"+podUID(i))
		machine.Make(g.paths[i])
	}
	spend(t, machine, g.paths[0])
	return g
}

// open counts the files of the pods that this process has open.
func (g *grove) open(t testing.TB) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, entry := range entries {
		to, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil {
			continue // the listing's own
		}
		for _, mark := range g.marks {
			if strings.Contains(to, mark) {
				n++
			}
		}
	}
	return n
}

type reading struct {
	CPU    CPU
	Memory Memory
}

// sweep reads all pods, and looks after each reading that no more files are open
// than may be.
func (g *grove) sweep(t testing.TB, readers []*Reader, most int) []reading {
	t.Helper()
	var buf Buffer
	all := make([]reading, len(readers))
	for i, r := range readers {
		for _, err := range []error{r.CPU(&buf, &all[i].CPU), r.Memory(&buf, &all[i].Memory)} {
			if err != nil {
				t.Errorf("pod %d: %v", i, err)
			}
		}
		if n := g.open(t); n > most {
			t.Errorf("after pod %d: %d files are open, want at most %d", i, n, most)
		}
	}
	return all
}

func (g *grove) readers(h *Hierarchy) []*Reader {
	var all []*Reader
	for _, path := range g.paths {
		all = append(all, h.Reader(path))
	}
	return all
}

func closeAll(readers []*Reader) {
	for _, r := range readers {
		r.Close()
	}
}

// Whatever the budget, all values are the same, no more files are open than it
// allows, and Close gives all of it back.
func TestBudgetChangesNoValue(t *testing.T) {
	const pods = 10
	for name, grow := range map[string]func(t *testing.T) grove{
		"v1":   func(t *testing.T) grove { return plainGrove(t, "v1", pods) },
		"v2":   func(t *testing.T) grove { return plainGrove(t, "v2", pods) },
		"real": func(t *testing.T) grove { return realGrove(t, pods) },
	} {
		t.Run(name, func(t *testing.T) {
			g := grow(t)
			free := open(t, g.root)
			plenty := pods * free.Files(Groups{CPU: true, Memory: true})
			readers := g.readers(free)
			g.sweep(t, readers, plenty)
			if n := g.open(t); n != plenty {
				t.Fatalf("%d files are open without a bound, want %d", n, plenty)
			}
			for _, r := range g.sweep(t, readers, plenty) {
				if !r.CPU.Total.Known || free.HasMemory() && !r.Memory.Anonymous.Known {
					t.Fatalf("%+v: the tree lacks what the test needs", r)
				}
			}
			closeAll(readers)
			witness := g.readers(free)
			free.KeepOpen(0)
			defer free.Close()
			for _, most := range []int{0, 3, pods + 1, plenty, plenty + 1} {
				h := open(t, g.root)
				h.KeepOpen(most)
				readers := g.readers(h)
				for deadline, done := time.Now().Add(20*time.Second), 0; done < 4; {
					before, got, after := g.sweep(t, witness, most), g.sweep(t, readers, most), g.sweep(t, witness, most)
					if !cmp.Equal(before, after) && time.Now().Before(deadline) {
						continue // the kernel still books what an ended process held
					}
					if diff := cmp.Diff(before, got); diff != "" {
						t.Errorf("%d files may be open: -want +got\n%s", most, diff)
					}
					done++
				}
				if n := g.open(t); n != min(most, plenty) {
					t.Errorf("%d files are open, want %d", n, min(most, plenty))
				}
				reopened := h.Reopened()
				g.sweep(t, readers, most)
				if n, want := h.Reopened()-reopened, uint64(max(0, plenty-most)); n != want {
					t.Errorf("%d files may be open: %d were reopened in one sweep, want %d", most, n, want)
				}
				closeAll(readers)
				h.Close()
				if n := g.open(t); n != 0 || h.budget.kept != 0 || h.budget.waiting != 0 {
					t.Errorf("after Close %d files are open; %d kept, %d waiting, want none", n, h.budget.kept, h.budget.waiting)
				}
			}
		})
	}
}

// Files of CPU time go first, wherever they come in the sweep.
func TestCPUTimeGoesBeforeMemory(t *testing.T) {
	const pods = 6
	g := plainGrove(t, "v2", pods)
	h := open(t, g.root)
	h.KeepOpen(pods + 2)
	readers := g.readers(h)
	defer closeAll(readers)
	for range 3 {
		g.sweep(t, readers, pods+2)
	}
	memory := 0
	for i, r := range readers {
		if !r.cpuTotal.opened {
			t.Errorf("cpu.stat of pod %d is not kept open", i)
		}
		for _, f := range []*file{&r.memoryUsage, &r.memoryStat} {
			if f.opened {
				memory++
			}
		}
	}
	if memory != 2 {
		t.Errorf("%d files of memory are kept, want the 2 for which there is room", memory)
	}
}

// What a pod gives back at its end is taken up by the others, and nobody waits for
// one that is gone.
func TestPlacesAreGivenBack(t *testing.T) {
	g := plainGrove(t, "v2", 4)
	h := open(t, g.root)
	h.KeepOpen(3)
	readers := g.readers(h)
	defer closeAll(readers)
	g.sweep(t, readers, 3)
	g.sweep(t, readers, 3) // the fourth cpu.stat waits
	if h.budget.waiting != 1 {
		t.Errorf("%d files wait, want 1", h.budget.waiting)
	}
	readers[0].Close()
	g.sweep(t, readers[1:], 3)
	if !readers[3].cpuTotal.opened || h.budget.waiting != 0 {
		t.Errorf("a place is free: taken %v, %d files wait", readers[3].cpuTotal.opened, h.budget.waiting)
	}
	g.sweep(t, readers, 3)
	readers[0].Close() // the one that waits goes
	readers[1].Close()
	g.sweep(t, readers[2:], 3)
	if n := g.open(t); n != 3 || h.budget.waiting != 0 {
		t.Errorf("%d files are open and %d wait, want 3 and none", n, h.budget.waiting)
	}
	h.KeepOpen(1) // less than are open
	g.sweep(t, readers[2:], 3)
	if n := g.open(t); n != 1 {
		t.Errorf("%d files are open, want 1", n)
	}
	h.KeepOpen(-1)
	g.sweep(t, readers, 12)
	if n := g.open(t); n != 12 {
		t.Errorf("%d files are open, want all 12", n)
	}
}

// Folders that are listed count too.
func TestFoldersAreInTheBudget(t *testing.T) {
	g := plainGrove(t, "v2", 5)
	for _, most := range []int{0, 2, 20} {
		h := open(t, g.root)
		h.KeepOpen(most)
		f := h.Finder(true)
		for i := range 3 {
			c := scan(t, f, i == 0)
			if i == 0 && len(c.Appeared) != 6 {
				t.Errorf("%v appeared, want 6 pods", paths(c.Appeared))
			}
			if n := g.open(t); n > most {
				t.Errorf("%d folders are open, want at most %d", n, most)
			}
		}
		f.Close()
		h.Close()
		if n := g.open(t); n != 0 || h.budget.kept != 0 || h.budget.waiting != 0 {
			t.Errorf("after Close %d folders are open; %d kept, %d waiting", n, h.budget.kept, h.budget.waiting)
		}
	}
}

// Beyond the budget nothing is allocated but the path, once a file.
func TestReopeningAllocatesOnlyThePath(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		g := plainGrove(t, version, 1)
		h := open(t, g.root)
		h.KeepOpen(0)
		r := h.Reader(g.paths[0])
		var buf Buffer
		var got reading
		allocs := testing.AllocsPerRun(100, func() {
			if err := errors.Join(r.CPU(&buf, &got.CPU), r.Memory(&buf, &got.Memory)); err != nil {
				t.Error(err)
			}
		})
		if most := float64(h.Files(Groups{CPU: true, Memory: true})); allocs > most {
			t.Errorf("%s: %v allocations for %v files", version, allocs, most)
		}
		h.Close()
	}
}

// Readers on many goroutines share a budget.
func TestBudgetIsShared(t *testing.T) {
	const pods, most = 8, 7
	g := plainGrove(t, "v2", pods)
	h := open(t, g.root)
	h.KeepOpen(most)
	var all sync.WaitGroup
	for i, r := range g.readers(h) {
		all.Go(func() {
			var buf Buffer
			var got reading
			for n := range 200 {
				err := errors.Join(r.CPU(&buf, &got.CPU), r.Memory(&buf, &got.Memory))
				if want := val(uint64(1000+i) * 1000); err != nil || got.CPU.Total != want || got.Memory.Anonymous != val(2000) {
					t.Errorf("pod %d: %+v, %v", i, got, err)
				}
				if n%20 == i {
					r.Close()
				}
				if n%50 == 0 { // every other goroutine may be at one file more
					if n := g.open(t); n > most+pods {
						t.Errorf("%d files are open, want at most %d", n, most+pods)
					}
				}
			}
			r.Close()
		})
	}
	all.Wait()
	h.Close()
	if n := g.open(t); n != 0 || h.budget.kept != 0 || h.budget.waiting != 0 {
		t.Errorf("%d files are open, %d kept, %d waiting; want none", n, h.budget.kept, h.budget.waiting)
	}
}

// Where the system allows fewer files than were thought to be free, nothing is lost:
// readers give some back, so that others can go on too.
func TestFilesRunOut(t *testing.T) {
	const inside = "PODJOULE_TEST_RUN_OUT"
	if os.Getenv(inside) == "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", `ulimit -n 64 && exec "$0" "$@"`, self, "-test.v", "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	const pods = 40
	g := plainGrove(t, "v2", pods)
	h := open(t, g.root)
	h.KeepOpen(1000)
	readers := g.readers(h)
	var buf Buffer
	sweep := func(when string) {
		t.Helper()
		for i, r := range readers {
			var got reading
			err := errors.Join(r.CPU(&buf, &got.CPU), r.Memory(&buf, &got.Memory))
			if want := val(uint64(1000+i) * 1000); err != nil || got.CPU.Total != want || got.Memory.Anonymous != val(2000) {
				t.Errorf("%s: pod %d: %+v, %v", when, i, got, err)
			}
		}
	}
	sweep("the limit is met")
	sweep("after it")
	var others []int
	for round := range 20 { // the rest of the process takes whatever there is
		taken := len(others)
		for {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				break
			}
			others = append(others, fd)
		}
		if len(others) == taken && h.budget.kept > 0 {
			t.Errorf("round %d: no file is left for others, and %d are kept", round, h.budget.kept)
		}
		sweep("nothing is left")
		sweep("nothing was left")
	}
	if h.budget.kept != 0 {
		t.Errorf("%d files are kept, though others took all that there was", h.budget.kept)
	}
	for _, fd := range others {
		_ = unix.Close(fd)
	}
	h.budget.since = time.Now().Add(-recovery)
	sweep("others gave theirs back")
	if h.budget.kept == 0 {
		t.Error("no file is kept, though there is room again")
	}
	closeAll(readers)
}

// After a while as many files are kept as before.
func TestBudgetRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := plainGrove(t, "v2", 10)
		h := open(t, g.root)
		h.KeepOpen(100)
		defer h.Close()
		readers := g.readers(h)
		defer closeAll(readers)
		g.sweep(t, readers, 30)
		h.budget.relieve()
		g.sweep(t, readers, 30)
		if n := g.open(t); n != 30-relief {
			t.Errorf("%d files are open after the system refused one, want %d", n, 30-relief)
		}
		h.budget.relieve()
		g.sweep(t, readers, 30)
		time.Sleep(recovery - time.Nanosecond)
		g.sweep(t, readers, 30-2*relief)
		time.Sleep(time.Nanosecond)
		g.sweep(t, readers, 30)
		if n := g.open(t); n != 30 {
			t.Errorf("%d files are open a minute later, want 30", n)
		}
		h.budget.relieve() // counts from there again
		g.sweep(t, readers, 30)
		if n := g.open(t); n != 30-relief {
			t.Errorf("%d files are open after the system refused one again, want %d", n, 30-relief)
		}
	})
}

// A buffer that is too small for a file grows, and keys may come in any order.
func TestSmallBufferAndAnyOrder(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		root, _, memoryDir := sampleTree(t, version)
		var want, got reading
		r := podReader(t, root)
		var buf Buffer
		if err := errors.Join(r.CPU(&buf, &want.CPU), r.Memory(&buf, &want.Memory)); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(memoryDir, "memory.stat"))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		for i := range lines {
			write(t, strings.Join(append(lines[i:len(lines):len(lines)], lines[:i]...), "\n")+"\n", memoryDir, "memory.stat")
			small := Buffer{b: make([]byte, 1)}
			if err := errors.Join(r.CPU(&small, &got.CPU), r.Memory(&small, &got.Memory)); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, from line %d: -want +got\n%s", version, i, diff)
			}
		}
	}
}
