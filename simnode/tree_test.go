package simnode

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

func newTree(t testing.TB, layout Layout) *Tree {
	t.Helper()
	tree, err := NewTree(t.TempDir(), layout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

func read(t testing.TB, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// values reads a file of keys and numbers.
func values(t testing.TB, path ...string) map[string]uint64 {
	t.Helper()
	out := map[string]uint64{}
	for line := range strings.Lines(read(t, path...)) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		n, err := strconv.ParseUint(value, 10, 64)
		if !ok || err != nil {
			t.Fatalf("%s: got line %q", filepath.Join(path...), line)
		}
		out[key] = n
	}
	return out
}

// one reads a file of one number.
func one(t testing.TB, path ...string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(strings.TrimSuffix(read(t, path...), "\n"), 10, 64)
	must(t, err)
	return n
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTreeV2Files(t *testing.T) {
	tree := newTree(t, Layout{Version: V2, Driver: Systemd})
	pod := NewPod(PodTemplate{Namespace: "a", Name: "b", UID: "u", QoS: corev1.PodQOSBurstable})
	must(t, tree.AddPod(pod))
	must(t, tree.Spend("u", "main", 1999*time.Nanosecond, 1001*time.Nanosecond))
	must(t, tree.SetMemory("u", "main", Memory{Anon: 4096, File: 8192, KernelStack: 16384, PageTables: 12288, Slab: 100}))

	dir, ok := tree.PodDir("u", "")
	if want := filepath.Join(tree.Root(), "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podu.slice"); !ok || dir != want {
		t.Fatalf("got %s, want %s", dir, want)
	}
	// Each number is rounded down on its own: 3, not 1 + 1.
	wantCPU := map[string]uint64{
		"usage_usec": 3, "user_usec": 1, "system_usec": 1, "nice_usec": 0,
		"nr_periods": 0, "nr_throttled": 0, "throttled_usec": 0, "nr_bursts": 0, "burst_usec": 0,
	}
	if diff := cmp.Diff(wantCPU, values(t, dir, "cpu.stat")); diff != "" {
		t.Errorf("cpu.stat (-want +got):\n%s", diff)
	}
	if got := one(t, dir, "memory.current"); got != 41060 {
		t.Errorf("got memory.current %d, want the sum", got)
	}
	stat := values(t, dir, "memory.stat")
	for key, want := range map[string]uint64{"anon": 4096, "file": 8192, "kernel_stack": 16384, "pagetables": 12288, "kernel": 28772, "slab": 100, "inactive_file": 8192, "shmem": 0} {
		if got, ok := stat[key]; !ok || got != want {
			t.Errorf("memory.stat %s: got %d, %v, want %d", key, got, ok, want)
		}
	}
	if got := read(t, dir, "cgroup.events"); got != "populated 1\nfrozen 0\n" {
		t.Errorf("got cgroup.events %q", got)
	}
	if got := read(t, tree.Root(), "cgroup.controllers"); !strings.Contains(got, "memory") {
		t.Errorf("got cgroup.controllers %q", got)
	}
	if got := values(t, tree.Root(), "cpu.stat")["usage_usec"]; got != 3 {
		t.Errorf("got %d µs at the root, want 3", got)
	}
	if _, err := os.Stat(filepath.Join(tree.Root(), "memory.current")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for memory.current at the root, where a kernel has none", err)
	}

	must(t, tree.RemoveContainer("u", "main"))
	must(t, tree.RemoveContainer("u", Sandbox))
	if got := read(t, dir, "cgroup.events"); got != "populated 0\nfrozen 0\n" {
		t.Errorf("got cgroup.events %q without containers", got)
	}
	if got := one(t, dir, "memory.current"); got != 0 {
		t.Errorf("got memory.current %d without containers", got)
	}
	if diff := cmp.Diff(wantCPU, values(t, dir, "cpu.stat")); diff != "" {
		t.Errorf("cpu.stat without containers (-want +got):\n%s", diff)
	}
}

func TestTreeV1Files(t *testing.T) {
	for _, version := range []Version{V1, Hybrid} {
		t.Run(version.String(), func(t *testing.T) {
			tree := newTree(t, Layout{Version: version})
			pod := NewPod(PodTemplate{Namespace: "a", Name: "b", Static: true, Node: "n"})
			uid := string(pod.UID)
			must(t, tree.AddPod(pod))
			must(t, tree.Spend(uid, "main", 1234567890, 98765432))
			must(t, tree.SetMemory(uid, "main", Memory{Anon: 4096, File: 8192, KernelStack: 1000}))

			dir, _ := tree.PodDir(uid, "cpuacct")
			if want := filepath.Join(tree.Root(), "cpuacct/kubepods/besteffort/pod"+CgroupUID(pod)); dir != want {
				t.Fatalf("got %s, want %s", dir, want)
			}
			for file, want := range map[string]uint64{
				"cpuacct.usage": 1333333322, "cpuacct.usage_user": 1234567890, "cpuacct.usage_sys": 98765432,
			} {
				if got := one(t, dir, file); got != want {
					t.Errorf("%s: got %d, want %d", file, got, want)
				}
			}
			if diff := cmp.Diff(map[string]uint64{"user": 123, "system": 9}, values(t, dir, "cpuacct.stat")); diff != "" {
				t.Errorf("cpuacct.stat in ticks (-want +got):\n%s", diff)
			}
			if got := read(t, dir, "cgroup.procs"); got != "" {
				t.Errorf("got processes %q in the pod itself, want none", got)
			}
			memory, _ := tree.PodDir(uid, "memory")
			if got := one(t, memory, "memory.usage_in_bytes"); got != 13288 {
				t.Errorf("got memory.usage_in_bytes %d, want the sum", got)
			}
			stat := values(t, memory, "memory.stat")
			if stat["rss"] != 0 || stat["total_rss"] != 4096 || stat["cache"] != 0 || stat["total_cache"] != 8192 {
				t.Errorf("got %v, want nothing in the pod itself", stat)
			}
			if _, ok := stat["kernel_stack"]; ok {
				t.Error("there is a kernel_stack, which v1 does not have")
			}
			container, _ := tree.ContainerDir(uid, "main", "memory")
			if stat := values(t, container, "memory.stat"); stat["rss"] != 4096 || stat["total_rss"] != 4096 {
				t.Errorf("got %v in the container, want 4096 both ways", stat)
			}
			if procs, _ := tree.ContainerDir(uid, "main", "cpu"); strings.TrimSpace(read(t, procs, "cgroup.procs")) == "" {
				t.Error("the container has no process")
			}
			_, err := os.Stat(filepath.Join(tree.Root(), "unified"))
			if version == V1 {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("got %v for unified, want none", err)
				}
				return
			}
			unified, _ := tree.PodDir(uid, "unified")
			if got := values(t, unified, "cpu.stat")["usage_usec"]; got != 1333333 {
				t.Errorf("got %d µs in the unified hierarchy, want 1333333", got)
			}
			if got := strings.TrimSpace(read(t, tree.Root(), "unified", "cgroup.controllers")); got != "" {
				t.Errorf("got controllers %q in the unified hierarchy, want none", got)
			}
		})
	}
}

func TestTreeRefuses(t *testing.T) {
	tree := newTree(t, Layout{Version: V2})
	pod := NewPod(PodTemplate{Namespace: "a", Name: "b", UID: "u"})
	must(t, tree.AddPod(pod))
	for name, err := range map[string]error{
		"a pod twice":           tree.AddPod(pod),
		"a container twice":     tree.AddContainer("u", "main", "id"),
		"time that goes back":   tree.Spend("u", "main", -1, 0),
		"an unknown pod":        tree.Spend("v", "main", 1, 0),
		"an unknown container":  tree.SetMemory("u", "side", Memory{}),
		"removing a stranger":   tree.RemovePod("v"),
		"a container elsewhere": tree.AddContainer("v", "main", "id"),
	} {
		if err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if _, err := NewTree(t.TempDir(), Layout{}); err == nil {
		t.Error("a tree without a version: got no error")
	}
	if _, ok := tree.Counters("v"); ok {
		t.Error("got counters of a pod that never was")
	}
}

// TestTreeKeepsEveryNanosecond plays random lives and compares every level of
// the tree with sums that are kept beside it.
func TestTreeKeepsEveryNanosecond(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 0))
			layout := Layout{Version: V1, Driver: Driver(seed % 2), Prefix: "docker/x"}
			tree := newTree(t, layout)
			spent := map[string]time.Duration{} // by path below the hierarchy
			memory := map[string]Memory{}       // by container's path
			pods := map[string]*corev1.Pod{}
			qos := []corev1.PodQOSClass{corev1.PodQOSGuaranteed, corev1.PodQOSBurstable, corev1.PodQOSBestEffort}

			pick := func() (string, *corev1.Pod) {
				uids := slices.Sorted(maps.Keys(pods))
				uid := uids[random.IntN(len(uids))]
				return uid, pods[uid]
			}
			path := func(pod *corev1.Pod, container string) string {
				id, _ := ContainerID(pod, container)
				return layout.Pod(pod.Status.QOSClass, CgroupUID(pod)) + "/" + layout.Container(id)
			}
			for step := range 200 {
				action := random.IntN(10)
				if len(pods) == 0 {
					action = 0
				}
				switch action {
				case 0:
					uid := fmt.Sprintf("pod-%d", step)
					pods[uid] = NewPod(PodTemplate{Namespace: "a", Name: uid, UID: uid, QoS: qos[random.IntN(3)], Containers: []string{"x", "y"}})
					must(t, tree.AddPod(pods[uid]))
				case 1:
					uid, pod := pick()
					must(t, tree.RemovePod(uid))
					delete(pods, uid)
					delete(memory, path(pod, "x"))
					delete(memory, path(pod, "y"))
				case 2:
					uid, pod := pick()
					must(t, tree.RemoveContainer(uid, "y"))
					delete(memory, path(pod, "y"))
					again, err := RestartContainer(pod, "y")
					must(t, err)
					id, _ := ContainerID(again, "y")
					must(t, tree.AddContainer(uid, "y", id))
					pods[uid] = again
				case 3:
					uid, pod := pick()
					m := Memory{Anon: random.Uint64N(1e9), File: random.Uint64N(1e9), KernelStack: random.Uint64N(1e6)}
					must(t, tree.SetMemory(uid, "x", m))
					memory[path(pod, "x")] = m
				default:
					uid, pod := pick()
					name := []string{"x", "y"}[random.IntN(2)]
					user, system := time.Duration(random.Int64N(1e9)), time.Duration(random.Int64N(1e6))
					must(t, tree.Spend(uid, name, user, system))
					for p := path(pod, name); p != "."; p = filepath.Dir(p) {
						spent[p] += user + system
					}
				}
			}
			compared := 0
			err := filepath.WalkDir(filepath.Join(tree.Root(), "cpuacct"), func(dir string, e fs.DirEntry, err error) error {
				if err != nil || !e.IsDir() || e.Name() == "cpuacct" {
					return err
				}
				rel, err := filepath.Rel(filepath.Join(tree.Root(), "cpuacct"), dir)
				must(t, err)
				if got := one(t, dir, "cpuacct.usage"); got != uint64(spent[rel]) {
					t.Errorf("%s: got %d ns, want %d", rel, got, spent[rel])
				}
				var want uint64
				for p, m := range memory {
					if p == rel || strings.HasPrefix(p, rel+"/") {
						want += m.Usage()
					}
				}
				if got := one(t, tree.Root(), "memory", rel, "memory.usage_in_bytes"); got != want {
					t.Errorf("%s: got %d bytes, want %d", rel, got, want)
				}
				compared++
				return nil
			})
			must(t, err)
			if compared < 5 {
				t.Errorf("got %d cgroups to compare, want more", compared)
			}
		})
	}
}

func TestRemovedPodKeepsItsTruth(t *testing.T) {
	tree := newTree(t, Layout{Version: V2})
	must(t, tree.AddPod(NewPod(PodTemplate{Namespace: "a", Name: "b", UID: "u"})))
	dir, _ := tree.PodDir("u", "")
	must(t, tree.Spend("u", "main", 3, 4))
	if c, ok := tree.ContainerCounters("u", "main"); !ok || c.CPU() != 7 {
		t.Errorf("got %v, %v of the container, want 7 ns", c, ok)
	}
	must(t, tree.RemovePod("u"))
	if c, ok := tree.Counters("u"); !ok || c.User != 3 || c.System != 4 || c.Memory.Usage() != 0 {
		t.Errorf("got %v, %v, want 3 and 4 ns and no memory", c, ok)
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for %s, want that it is gone", err, dir)
	}
	if _, ok := tree.PodDir("u", ""); ok {
		t.Error("the pod still has a directory")
	}
}
