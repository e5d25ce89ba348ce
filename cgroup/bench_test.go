package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// BenchmarkReopen is the same sweep where no file may stay open.
func BenchmarkReopen(b *testing.B) {
	h, pods := benchNode(b, benchPods)
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
	h, pods := benchNode(b, benchPods, "cpu", "pids", "blkio")
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

// BenchmarkScan looks for changes among the pods of a full node.
func BenchmarkScan(b *testing.B) {
	h, _ := benchNode(b, benchPods)
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
