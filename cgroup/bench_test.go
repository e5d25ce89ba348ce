package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// benchPods is how many pods the kubelet admits on a node by default.
const benchPods = 110

// benchNode makes the cgroups of a full node, on this machine's own tree as
// root, else in plain files, and returns their paths. More are controllers of
// version 1 besides those of CPU time and memory.
func benchNode(b *testing.B, more ...string) (*Hierarchy, []string) {
	if os.Geteuid() != 0 {
		root := detailTree(b, "v2")
		pod := filepath.Join(root, "kubepods", "pod"+uid)
		var all []string
		for i := range benchPods {
			all = append(all, "/kubepods/pod"+podUID(i))
			if err := os.CopyFS(filepath.Join(root, all[i]), os.DirFS(pod)); err != nil {
				b.Fatal(err)
			}
		}
		return open(b, root), all
	}
	machine := cgrouptest.New(b, more...)
	machine.Make(machine.Top + "/kubepods")
	var all []string
	for i := range benchPods {
		path := fmt.Sprintf("%s/kubepods/pod%s", machine.Top, podUID(i))
		machine.Make(path)
		all = append(all, path)
	}
	return open(b, cgrouptest.Root), all
}

// BenchmarkSweep reads CPU time and memory of all pods of a full node: through
// Reader, by nothing but a pread of the same files, and by containerd's library.
func BenchmarkSweep(b *testing.B) {
	h, pods := benchNode(b)
	var buf Buffer
	readers := make([]*Reader, len(pods))
	var fds []int
	for i, path := range pods {
		readers[i] = h.Reader(path)
		b.Cleanup(readers[i].Close)
	}
	sweep := func() {
		var cpu CPU
		var m Memory
		for _, r := range readers {
			if err := r.CPU(&buf, &cpu); err != nil {
				b.Fatal(err)
			}
			if err := r.Memory(&buf, &m); err != nil {
				b.Fatal(err)
			}
		}
	}
	sweep()
	for _, r := range readers {
		for _, f := range []*file{&r.cpuTotal, &r.cpuUser, &r.cpuSystem, &r.memoryUsage, &r.memoryStat} {
			if f.opened {
				fds = append(fds, f.fd)
			}
		}
	}
	bare := func() {
		for _, fd := range fds {
			if _, err := unix.Pread(fd, buf.b, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	cgrouptest.Compare(b, "podjoule", sweep, bare)
	b.Run("containerd", func(b *testing.B) {
		if h.plain {
			b.Skip("containerd's library reads only real cgroups")
		}
		b.ReportAllocs()
		stats := make([]func() error, len(pods))
		for i, path := range pods {
			stats[i] = containerdStat(b, h, path)
		}
		for b.Loop() {
			for _, stat := range stats {
				if err := stat(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// BenchmarkReopen is the same sweep where no file may stay open.
func BenchmarkReopen(b *testing.B) {
	h, pods := benchNode(b)
	h.KeepOpen(0)
	b.Cleanup(h.Close)
	var buf Buffer
	var readers []*Reader
	for _, path := range pods {
		readers = append(readers, h.Reader(path))
	}
	b.ReportAllocs()
	for b.Loop() {
		var cpu CPU
		var m Memory
		for _, r := range readers {
			if err := errors.Join(r.CPU(&buf, &cpu), r.Memory(&buf, &m)); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(len(pods)*h.Files(Groups{CPU: true, Memory: true})), "files/op")
}

// BenchmarkSweepEveryGroup reads all that Reader can read of all pods of a full
// node, and by nothing but a pread of the same files.
func BenchmarkSweepEveryGroup(b *testing.B) {
	h, pods := benchNode(b, "cpu", "pids", "blkio")
	var buf Buffer
	var e everything
	readers := make([]*Reader, len(pods))
	for i, path := range pods {
		readers[i] = h.Reader(path)
		b.Cleanup(readers[i].Close)
	}
	sweep := func() {
		for _, r := range readers {
			if err := readEverything(r, &buf, &e); err != nil {
				b.Fatal(err)
			}
		}
	}
	sweep()
	var fds []int
	for _, r := range readers {
		// Where the version 2 tree has no such cgroup, there is no pressure.
		for _, group := range []aside{{r.cpuTotal, r.cpuUser, r.cpuSystem, r.memoryUsage, r.memoryStat}, r.detail, r.pressure, r.throttling, r.io, r.pids} {
			for _, f := range group {
				if f.opened {
					fds = append(fds, f.fd)
				}
			}
		}
	}
	if h.mode == Hybrid {
		h.pressure.dir = "" // the readers would look for it in vain, now and then
	}
	bare := func() {
		for _, fd := range fds {
			if _, err := unix.Pread(fd, buf.b, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	if len(fds) < benchPods*h.Files(Groups{CPU: true, Memory: true, MemoryDetail: true, PIDs: true}) {
		b.Fatalf("only %d files of %d pods", len(fds), benchPods)
	}
	cgrouptest.Compare(b, "podjoule", sweep, bare)
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

// BenchmarkScan looks for changes among the pods of a full node.
func BenchmarkScan(b *testing.B) {
	h, _ := benchNode(b)
	f := h.Finder(false)
	b.Cleanup(f.Close)
	scan(b, f, true)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Scan(false); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParseMemoryStat parses what a captured pod's memory.stat holds.
func BenchmarkParseMemoryStat(b *testing.B) {
	for version, parse := range map[string]func([]byte, *Memory) error{"v1": parseMemoryStatV1, "v2": parseMemoryStat} {
		root := captured(b, version)
		h := open(b, root)
		found := scan(b, h.Finder(false), true).Appeared[0]
		text, err := os.ReadFile(filepath.Join(h.memory.dir, found.Path, "memory.stat"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(version, func(b *testing.B) {
			var m Memory
			b.ReportAllocs()
			for b.Loop() {
				m = Memory{}
				if err := parse(text, &m); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
