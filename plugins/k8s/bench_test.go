package k8s

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
	"github.com/podjoule/podjoule/simnode"
)

// benchPods is how many pods the kubelet admits on a node by default.
const benchPods = 110

// fullNode makes the cgroups of a full node, on this machine's own tree as
// root, else in plain files. It returns the tree's root and the pods.
func fullNode(b *testing.B) (root string, pods []*corev1.Pod) {
	for i := range benchPods {
		pods = append(pods, simnode.NewPod(template("shop", fmt.Sprint("pod-", i))))
	}
	if os.Geteuid() != 0 {
		tree := newTree(b, simnode.Layout{Version: simnode.V2})
		for _, p := range pods {
			if err := tree.AddPod(p); err != nil {
				b.Fatal(err)
			}
		}
		return tree.Root(), pods
	}
	machine := cgrouptest.New(b)
	machine.Make(machine.Top + "/kubepods")
	for _, p := range pods {
		machine.Make(machine.Top + "/kubepods/pod" + string(p.UID))
	}
	return machine.Own(), pods
}

// openFiles opens the files that a tick has to read.
func openFiles(b *testing.B, root string, h *cgroup.Hierarchy, pods []*corev1.Pod) (fds []int) {
	files := []string{"cpu.stat", "memory.current", "memory.stat"}
	if h.Mode() != cgroup.V2 {
		files = []string{"cpuacct.usage", "cpuacct.usage_user", "cpuacct.usage_sys", "memory.usage_in_bytes", "memory.stat"}
	}
	look := func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.IsDir() || !strings.Contains(path, "/pod") {
			return nil
		}
		for _, p := range pods {
			if !strings.HasSuffix(path, "/pod"+string(p.UID)) {
				continue
			}
			for _, name := range files {
				fd, err := unix.Open(filepath.Join(path, name), unix.O_RDONLY|unix.O_CLOEXEC, 0)
				if err != nil {
					continue // of another controller
				}
				fds = append(fds, fd)
				b.Cleanup(func() { _ = unix.Close(fd) })
			}
		}
		return nil
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		b.Fatal(err)
	}
	for _, entry := range entries {
		path, err := filepath.EvalSymlinks(filepath.Join(root, entry.Name())) // each a controller of version 1
		if err != nil {
			b.Fatal(err)
		}
		if err := filepath.WalkDir(path, look); err != nil {
			b.Fatal(err)
		}
	}
	return fds
}

// BenchmarkPoll is a whole tick of a full node: looking for births and deaths,
// reading, deltas and samples.
func BenchmarkPoll(b *testing.B) {
	root, pods := fullNode(b)
	h, err := cgroup.Open(root)
	if err != nil {
		b.Fatal(err)
	}
	s, _ := offline(b, root, pods...)
	if s.watchCgroups() == nil {
		b.Fatal(s.finder.Refused())
	}
	batch := new(measure.Batch)
	end := time.Now()
	poll := func() {
		start := end
		end = end.Add(time.Microsecond) // less than the interval of a search
		batch.Reset(interval, start, end)
		if err := s.Poll(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	poll()
	poll()
	if len(batch.Samples) < benchPods*6 {
		b.Fatalf("only %d samples of %d pods", len(batch.Samples), benchPods)
	}
	fds := openFiles(b, root, h, pods)
	buf := make([]byte, 16<<10)
	bare := func() {
		for _, fd := range fds {
			if _, err := unix.Pread(fd, buf, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
	if len(fds) < benchPods*3 {
		b.Fatalf("only %d files of %d pods", len(fds), benchPods)
	}
	cgrouptest.Compare(b, "poll", poll, bare)
}
