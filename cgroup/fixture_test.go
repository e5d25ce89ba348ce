package cgroup

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// captured unpacks the tree of a real node.
func captured(t testing.TB, version string) string {
	t.Helper()
	dir := t.TempDir()
	if err := simnode.Unpack(filepath.Join("..", "testdata", version, "cgroup-tree.tar.gz"), dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// open opens a tree and fails the test when there is none.
func open(t testing.TB, root string) *Hierarchy {
	t.Helper()
	h, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// write writes a file below dir, with its folders.
func write(t testing.TB, text string, path ...string) {
	t.Helper()
	p := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func scan(t testing.TB, f *Finder, search bool) *Changes {
	t.Helper()
	c, err := f.Scan(search)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func paths(found []*Found) []string {
	var all []string
	for _, f := range found {
		all = append(all, f.Path)
	}
	slices.Sort(all)
	return all
}

func TestOpenTellsModes(t *testing.T) {
	f := func(name string, files []string, want Mode) {
		t.Helper()
		dir := t.TempDir()
		for _, file := range files {
			write(t, "", dir, file)
		}
		h, err := Open(dir)
		if want == 0 {
			if !errors.Is(err, ErrNoHierarchy) || !strings.Contains(err.Error(), dir) {
				t.Errorf("%s: error %v, want ErrNoHierarchy that names the folder", name, err)
			}
			return
		}
		if err != nil || h.Mode() != want {
			t.Errorf("%s: %v, %v; want %v", name, h, err, want)
		}
	}
	f("v2", []string{"cgroup.controllers", "kubepods/cpu.stat"}, V2)
	f("v2 without the files of its root", []string{"kubepods.slice/cgroup.controllers"}, V2)
	f("v1", []string{"cpuacct/x", "memory/x", "cpu/x"}, V1)
	f("v1, controllers mounted together", []string{"cpu,cpuacct/x", "memory/x"}, V1)
	f("v1 without memory", []string{"cpuacct/x"}, V1)
	f("v1 without cpuacct", []string{"memory/x"}, V1)
	f("hybrid", []string{"cpuacct/x", "memory/x", "unified/cgroup.controllers"}, Hybrid)
	f("hybrid without the files of its root", []string{"cpuacct/x", "unified/kubepods/cgroup.controllers"}, Hybrid)
	f("hybrid, all controllers in version 2", []string{"systemd/x", "unified/cgroup.controllers"}, Hybrid)
	f("nothing", nil, 0)
	f("something else", []string{"kernel/x", "class/net/x"}, 0)

	if _, err := Open(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("absent root: error %v, want one that says so", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	write(t, "", file)
	if _, err := Open(file); err == nil {
		t.Error("a file as root: no error")
	}
}

func TestOpenFollowsLinks(t *testing.T) {
	dir := t.TempDir()
	write(t, "5\n", dir, "real", "cpu,cpuacct", "kubepods", "pod"+uid, "cpuacct.usage")
	for link, to := range map[string]string{"real/cpuacct": "cpu,cpuacct", "real/cpu": "cpu,cpuacct", "link": "real"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	c := scan(t, open(t, filepath.Join(dir, "link")).Finder(false), true)
	if diff := cmp.Diff([]string{"/kubepods/pod" + uid}, paths(c.Appeared)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// On a hybrid node the version 2 tree counts the same CPU time once more, in
// other units: each quantity has one place.
func TestHybridReadsEachQuantityOnce(t *testing.T) {
	h := open(t, captured(t, "v1"))
	if h.Mode() != Hybrid {
		t.Fatalf("mode %v, want hybrid", h.Mode())
	}
	f := h.Finder(false)
	seen := make(map[string]int)
	for _, found := range scan(t, f, true).Appeared {
		seen[found.UID]++
	}
	if len(seen) == 0 {
		t.Fatal("no pods found")
	}
	for uid, n := range seen {
		if n != 1 {
			t.Errorf("pod %s found %d times", uid, n)
		}
	}
	if filepath.Base(h.cpu.dir) != "cpuacct" || filepath.Base(h.memory.dir) != "memory" {
		t.Errorf("reads CPU in %s and memory in %s, want the version 1 controllers", h.cpu.dir, h.memory.dir)
	}
}

// What the finder finds on the captured nodes is what their folders say.
func TestFindOnCapturedNodes(t *testing.T) {
	for version, controller := range map[string]string{"v1": "cpuacct", "v2": ""} {
		t.Run(version, func(t *testing.T) {
			root := captured(t, version)
			var want []string
			err := filepath.WalkDir(filepath.Join(root, controller), func(p string, d os.DirEntry, err error) error {
				rel := strings.TrimPrefix(p, filepath.Join(root, controller))
				if base := filepath.Base(p); err == nil && d.IsDir() && base != "kubepods" && base != "kubepods.slice" &&
					strings.Contains(rel, "kubepods") && (strings.Contains(rel, "/pod") || strings.Contains(rel, "-pod")) {
					want = append(want, rel)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(want)
			if len(want) < 20 {
				t.Fatalf("only %d folders in the capture", len(want))
			}
			f := open(t, root).Finder(true)
			c := scan(t, f, true)
			if diff := cmp.Diff(want, paths(c.Appeared)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for _, found := range c.Appeared {
				id, ok := Identify(found.Path)
				if diff := cmp.Diff(id, found.Identity); !ok || diff != "" {
					t.Errorf("%s: -Identify +Finder\n%s", found.Path, diff)
				}
				if found.Born {
					t.Errorf("%s: born, though it was there before the first scan", found.Path)
				}
			}
			if c := scan(t, f, true); len(c.Appeared)+len(c.Gone) != 0 {
				t.Errorf("second scan: %d appeared, %d gone; want nothing", len(c.Appeared), len(c.Gone))
			}
		})
	}
}

// What the readers read on the captured nodes is what the files say.
func TestReadOnCapturedNodes(t *testing.T) {
	number := func(t *testing.T, path, key string) Value {
		text, err := os.ReadFile(path)
		if err != nil {
			return Value{}
		}
		for line := range strings.Lines(string(text)) {
			fields := strings.Fields(line)
			if key == "" || len(fields) == 2 && fields[0] == key {
				n, err := strconv.ParseUint(fields[len(fields)-1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return val(n)
			}
		}
		return Value{}
	}
	micro := func(v Value) Value { return Value{v.N * 1000, v.Known} }
	for version, read := range map[string]func(t *testing.T, root, path string) (CPU, Memory){
		"v1": func(t *testing.T, root, path string) (CPU, Memory) {
			cpu, mem := filepath.Join(root, "cpuacct", path), filepath.Join(root, "memory", path)
			return CPU{
					Total:  number(t, cpu+"/cpuacct.usage", ""),
					User:   number(t, cpu+"/cpuacct.usage_user", ""),
					System: number(t, cpu+"/cpuacct.usage_sys", ""),
				}, Memory{
					Usage:     number(t, mem+"/memory.usage_in_bytes", ""),
					Anonymous: number(t, mem+"/memory.stat", "total_rss"),
					File:      number(t, mem+"/memory.stat", "total_cache"),
				}
		},
		"v2": func(t *testing.T, root, path string) (CPU, Memory) {
			dir := filepath.Join(root, path)
			return CPU{
					Total:  micro(number(t, dir+"/cpu.stat", "usage_usec")),
					User:   micro(number(t, dir+"/cpu.stat", "user_usec")),
					System: micro(number(t, dir+"/cpu.stat", "system_usec")),
				}, Memory{
					Usage:       number(t, dir+"/memory.current", ""),
					Anonymous:   number(t, dir+"/memory.stat", "anon"),
					File:        number(t, dir+"/memory.stat", "file"),
					KernelStack: number(t, dir+"/memory.stat", "kernel_stack"),
					PageTables:  number(t, dir+"/memory.stat", "pagetables"),
				}
		},
	} {
		t.Run(version, func(t *testing.T) {
			root := captured(t, version)
			h := open(t, root)
			var buf Buffer
			for _, found := range scan(t, h.Finder(true), true).Appeared {
				r := h.Reader(found.Path)
				var cpu CPU
				var mem Memory
				if err := errors.Join(r.CPU(&buf, &cpu), r.Memory(&buf, &mem)); err != nil {
					t.Error(err)
				}
				wantCPU, wantMem := read(t, root, found.Path)
				if !wantCPU.Total.Known || !wantMem.Usage.Known {
					t.Fatalf("%s: the capture lacks what the test needs", found.Path)
				}
				if diff := cmp.Diff(wantCPU, cpu); diff != "" {
					t.Errorf("%s: -file +read\n%s", found.Path, diff)
				}
				if diff := cmp.Diff(wantMem, mem); diff != "" {
					t.Errorf("%s: -file +read\n%s", found.Path, diff)
				}
				r.Close()
			}
		})
	}
}

// sampleTree makes one pod in a plain tree and returns the tree's root and the
// pod's folders for CPU and memory.
func sampleTree(t testing.TB, version string) (root, cpu, memory string) {
	root = t.TempDir()
	pod := filepath.Join("kubepods", "pod"+uid)
	files := map[string]string{
		"cpuacct/" + pod + "/cpuacct.usage":        "100\n",
		"cpuacct/" + pod + "/cpuacct.usage_user":   "60\n",
		"cpuacct/" + pod + "/cpuacct.usage_sys":    "40\n",
		"memory/" + pod + "/memory.usage_in_bytes": "4096\n",
		"memory/" + pod + "/memory.stat":           "total_cache 1000\ntotal_rss 2000\n",
	}
	cpu, memory = filepath.Join(root, "cpuacct", pod), filepath.Join(root, "memory", pod)
	if version == "v2" {
		files = map[string]string{
			"cgroup.controllers":     "cpu memory\n",
			pod + "/cpu.stat":        "usage_usec 100\nuser_usec 60\nsystem_usec 40\n",
			pod + "/memory.current":  "4096\n",
			pod + "/memory.stat":     "anon 2000\nfile 1000\nkernel_stack 16\npagetables 32\n",
			pod + "/memory.pressure": "some avg10=0.00\n",
		}
		cpu = filepath.Join(root, pod)
		memory = cpu
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		write(t, files[name], root, name)
	}
	return root, cpu, memory
}
