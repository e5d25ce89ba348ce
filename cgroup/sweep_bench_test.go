package cgroup

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// benchPods is how many pods the kubelet admits on a node by default.
const benchPods = 110

// benchContainers are the containers of each pod, whose cgroups are below its own.
func benchContainers() []string { return []string{"a", "b", "c"} }

// benchNode makes the cgroups of a node with n pods and their containers, on this
// machine's own tree as root, else in plain files, and returns the pods' paths. More
// are controllers of version 1 besides those of CPU time and memory.
func benchNode(b *testing.B, n int, more ...string) (h *Hierarchy, pods []string) {
	b.Helper()
	if os.Geteuid() != 0 {
		return plainNode(b, n)
	}
	machine := cgrouptest.New(b, more...)
	machine.Make(machine.Top + "/kubepods")
	for i := range n {
		path := fmt.Sprintf("%s/kubepods/pod%s", machine.Top, podUID(i))
		machine.Make(path)
		for _, container := range benchContainers() {
			machine.Make(path + "/" + container)
		}
		pods = append(pods, path)
	}
	return open(b, cgrouptest.Root), pods
}

func plainNode(b *testing.B, n int) (h *Hierarchy, pods []string) {
	b.Helper()
	root := detailTree(b, "v2")
	captured := os.DirFS(filepath.Join(root, "kubepods", "pod"+uid))
	for i := range n {
		path := "/kubepods/pod" + podUID(i)
		for _, dir := range append([]string{""}, benchContainers()...) {
			if err := os.CopyFS(filepath.Join(root, path, dir), captured); err != nil {
				b.Fatal(err)
			}
		}
		pods = append(pods, path)
	}
	return open(b, root), pods
}

// treeName says what a node's files are, for the names of benchmarks.
func treeName(h *Hierarchy) string {
	switch {
	case h.plain:
		return "plain"
	case h.cpu.v2 && h.memory.v2:
		return "v2"
	case !h.cpu.v2 && !h.memory.v2:
		return "v1"
	}
	return "hybrid"
}

// sweepNode is a node whose cgroups are read, again and again.
type sweepNode struct {
	readers []*Reader
	buf     Buffer
}

// newSweepNode reads each cgroup once, and fails the benchmark unless every file of all
// of them is open then: else the two sweeps would not do the same.
func newSweepNode(b *testing.B, h *Hierarchy, paths []string) *sweepNode {
	b.Helper()
	n := new(sweepNode)
	for _, path := range paths {
		r := h.Reader(path)
		b.Cleanup(r.Close)
		n.readers = append(n.readers, r)
	}
	n.sweep(b, len(n.readers))
	if have, want := len(n.files()), len(paths)*h.Files(Groups{CPU: true, Memory: true}); have != want {
		b.Fatalf("%d files of %d cgroups are open, want %d: see ulimit -n", have, len(paths), want)
	}
	return n
}

// sweep reads CPU time and memory of the first of the cgroups.
func (n *sweepNode) sweep(b *testing.B, first int) {
	var cpu CPU
	var m Memory
	for _, r := range n.readers[:first] {
		if err := r.CPU(&n.buf, &cpu); err != nil {
			b.Fatal(err)
		}
		if err := r.Memory(&n.buf, &m); err != nil {
			b.Fatal(err)
		}
	}
}

// files are the files that a sweep reads.
func (n *sweepNode) files() (fds []int) {
	for _, r := range n.readers {
		for _, f := range []*file{&r.cpuTotal, &r.cpuUser, &r.cpuSystem, &r.memoryUsage, &r.memoryStat} {
			if f.opened {
				fds = append(fds, f.fd)
			}
		}
	}
	return fds
}

// bare reads files and does nothing else.
func (n *sweepNode) bare(b *testing.B, fds []int) {
	for _, fd := range fds {
		if _, err := unix.Pread(fd, n.buf.b, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSweep reads CPU time and memory of all pods of nodes of several sizes, of
// three containers each: through Reader, by nothing but a pread of the same files, and
// by containerd's library. Beside it, on a full node, also of every container.
//
// Reported besides are what a pod costs (ns/pod), what a pod of 1,000 costs times one of
// 110 (x-110), and what containerd's library takes times ours (x-podjoule).
func BenchmarkSweep(b *testing.B) {
	name := "plain"
	if os.Geteuid() == 0 {
		name = treeName(open(b, cgrouptest.Root))
	}
	b.Run("tree="+name, func(b *testing.B) {
		for _, n := range []int{10, benchPods, 250, 1000} {
			b.Run(fmt.Sprintf("pods=%d", n), func(b *testing.B) {
				h, pods := benchNode(b, n)
				benchmarkSweep(b, h, pods, n)
			})
		}
		b.Run(fmt.Sprintf("containers-of=%d", benchPods), func(b *testing.B) {
			h, all := benchNode(b, benchPods)
			for _, pod := range all[:benchPods] {
				for _, container := range benchContainers() {
					all = append(all, pod+"/"+container)
				}
			}
			benchmarkSweep(b, h, all, benchPods)
		})
	})
}

// benchmarkSweep sweeps over the cgroups of so many pods.
func benchmarkSweep(b *testing.B, h *Hierarchy, paths []string, pods int) {
	n := newSweepNode(b, h, paths)
	sweep := func() { n.sweep(b, len(paths)) }
	fds := n.files()
	bare := func() { n.bare(b, fds) }
	b.Run("podjoule", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sweep()
		}
	})
	b.Run("ratio", func(b *testing.B) {
		turns := cgrouptest.InTurns(b, sweep, bare)
		b.ReportMetric(turns.Ratio, "x-pread")
		b.ReportMetric(perPod(turns.Ours, pods), "ns/pod")
		b.ReportMetric(perPod(turns.Theirs, pods), "ns/pod-pread")
	})
	if pods == 1000 {
		perCgroup := len(fds) / len(paths)
		b.Run("growth", func(b *testing.B) { benchmarkGrowth(b, pods, func(pods int) { n.sweep(b, pods) }) })
		b.Run("growth-pread", func(b *testing.B) { benchmarkGrowth(b, pods, func(pods int) { n.bare(b, fds[:pods*perCgroup]) }) })
	}
	b.Run("containerd", func(b *testing.B) {
		theirs := containerdSweep(b, h, paths)
		b.ReportAllocs()
		turns := cgrouptest.InTurns(b, theirs, sweep) // ours allocates nothing
		b.ReportMetric(turns.Ratio, "x-podjoule")
		b.ReportMetric(perPod(turns.Ours, pods), "ns/pod-containerd")
	})
}

// benchmarkGrowth compares what a pod costs of all 1,000 and of the first 110: as many
// sweeps over these as have about as many pods, so that both take about as long. Of these
// the processor's caches still know a part from the sweep before.
func benchmarkGrowth(b *testing.B, all int, sweep func(pods int)) {
	times := all / benchPods
	turns := cgrouptest.InTurns(b, func() { sweep(all) }, func() {
		for range times {
			sweep(benchPods)
		}
	})
	b.ReportMetric(turns.Ratio*float64(times*benchPods)/float64(all), "x-110")
}

func perPod(d time.Duration, pods int) float64 { return float64(d.Nanoseconds()) / float64(pods) }

// containerdSweep reads the same by containerd's library.
func containerdSweep(b *testing.B, h *Hierarchy, paths []string) func() {
	b.Helper()
	if name := treeName(h); name != "v1" && name != "v2" {
		b.Skipf("containerd's library does not read a %s tree", name)
	}
	var stats []func() error
	for _, path := range paths {
		stats = append(stats, containerdStat(b, h, path))
	}
	return func() {
		for _, stat := range stats {
			if err := stat(); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func containerdStat(b *testing.B, h *Hierarchy, path string) func() error {
	if h.cpu.v2 {
		m, err := cgroup2.Load(path)
		if err != nil {
			b.Fatal(err)
		}
		return func() error { _, err := m.StatFiltered(cgroup2.StatCPU | cgroup2.StatMemory); return err }
	}
	c, err := cgroup1.Load(cgroup1.StaticPath(path), cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) {
		return []cgroup1.Subsystem{cgroup1.NewCpuacct(cgrouptest.Root), cgroup1.NewMemory(cgrouptest.Root)}, nil
	}))
	if err != nil {
		b.Fatal(err)
	}
	return func() error { _, err := c.Stat(cgroup1.IgnoreNotExist); return err }
}
