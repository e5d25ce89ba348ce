package k8s

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// withLimits runs a test again as a process under limits of open files, and reports
// whether this is that process.
func withLimits(t *testing.T, soft, hard int) bool {
	t.Helper()
	const inside = "PODJOULE_TEST_FILES"
	if os.Getenv(inside) != "" {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limits := fmt.Sprintf(`ulimit -Sn %d && ulimit -Hn %d && exec "$0" "$@"`, soft, hard)
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", limits, self, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// A soft limit of open files is no limit: it is raised to the hard one.
func TestOpenFilesAreRaisedToTheHardLimit(t *testing.T) {
	if withLimits(t, 100, 300) {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		if files, err := fileLimit(); err != nil || files < 299 || limit.Max != 300 { // the runtime leaves one out
			t.Errorf("%d files may be open, %v; the hard limit is %d, want 300", files, err, limit.Max)
		}
	}
}

// What the readers may keep leaves something for the rest of the agent.
func TestKeptFiles(t *testing.T) {
	for limit, want := range map[uint64]int{
		0: 0, 1: 1, 64: 32, 100: 50, 200: 100, 256: 156, 1024: 924, 1 << 20: 1<<20 - 100, unix.RLIM_INFINITY: math.MaxInt32,
	} {
		if got := keptFiles(limit); got != want {
			t.Errorf("a limit of %d: %d files are kept, want %d", limit, got, want)
		}
	}
}

// thinTree is a tree of version 1 without open files of its own.
type thinTree struct{ root string }

func (n thinTree) dir(controller string, i int) string {
	return filepath.Join(n.root, controller, "kubepods", fmt.Sprintf("pod%08x-5dba-4aa5-bf3b-2bfd339e189f", i))
}

// set writes a pod's counters, and makes its folders where they are missing.
func (n thinTree) set(t *testing.T, i int, used uint64) {
	t.Helper()
	for controller, files := range map[string]map[string]string{
		"cpuacct": {
			"cpuacct.usage":      fmt.Sprintln(3 * used),
			"cpuacct.usage_user": fmt.Sprintln(2 * used),
			"cpuacct.usage_sys":  fmt.Sprintln(used),
		},
		"memory": {
			"memory.usage_in_bytes": fmt.Sprintln(4096 * i),
			"memory.stat":           fmt.Sprintf("total_cache %d\ntotal_rss %d\n", i, 2*i),
		},
	} {
		dir := n.dir(controller, i)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			writeFile(t, text, dir, name)
		}
	}
}

// Under any limit of open files all pods are measured exactly, while pods come and go,
// and something is left for the rest of the agent.
func TestManyPodsUnderAFewFiles(t *testing.T) {
	if !withLimits(t, 100, 100) {
		return
	}
	const pods, replaced, ticks = 200, 20, 4
	n := thinTree{t.TempDir()}
	for i := range pods {
		n.set(t, i, uint64(1000*i))
	}
	s, host := offline(t, n.root)
	uid := func(i int) string { return strings.TrimPrefix(filepath.Base(n.dir("cpuacct", i)), "pod") }
	var known []*pod
	for i := range pods + ticks*replaced {
		known = append(known, &pod{uid: uid(i), name: fmt.Sprint("pod-", i), namespace: "shop"})
	}
	s.discovery.replace(known, time.Now())
	if s.watchCgroups() == nil {
		t.Fatal(s.finder.Refused())
	}
	got, want := make(ledger), make(ledger)
	used := func(i, tick int) uint64 { return uint64(1000*i + tick*(i+7)) }
	end := time.Now()
	start := end
	for tick := range ticks {
		for i := tick * replaced; i < pods+tick*replaced; i++ {
			n.set(t, i, used(i, tick))
		}
		b := pollAt(t, s, start, end)
		start, end = end, end.Add(interval)
		got.add(t, b)
		memory := 0
		for _, x := range samples(b) {
			if x.metric == "cgroup_memory_anonymous" {
				memory++
			}
		}
		if memory != pods {
			t.Errorf("tick %d: the memory of %d pods, want %d", tick, memory, pods)
		}
		var others []int
		for range 30 {
			fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				t.Errorf("tick %d: no file for the rest of the agent: %v", tick, err)
				break
			}
			others = append(others, fd)
		}
		for _, fd := range others {
			_ = unix.Close(fd)
		}
		if err := s.Ready(); err != nil {
			t.Errorf("tick %d: Ready: %v", tick, err)
		}
		for i := tick * replaced; i < (tick+1)*replaced; i++ { // the oldest go
			for _, controller := range []string{"cpuacct", "memory"} {
				if err := os.RemoveAll(n.dir(controller, i)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for i := range pods + (ticks-1)*replaced {
		last := min(i/replaced, ticks-1) // its last tick
		counted := used(i, last)         // born while the agent watches
		if i < pods {
			counted -= used(i, 0)
		}
		for kind, times := range map[string]uint64{"total": 3, "user": 2, "system": 1} {
			want[ledgerKey("cpu_time_delta", uid(i), "", kind)] = times * counted // 0 for those that went at once
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("CPU time: -want +got\n%s", diff)
	}
	if n := host.Counter(t, "podjoule.k8s.files.reopened"); n < ticks*pods {
		t.Errorf("%d files were reopened, want at least %d", n, ticks*pods)
	}
}
