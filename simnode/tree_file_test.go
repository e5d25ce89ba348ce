package simnode

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shape replaces all digits.
func shape(text []byte) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '#'
		}
		return r
	}, string(text))
}

// TestReadersNeverSeeHalfAFile reads files that are kept open while they are
// rewritten as fast as can be, with large numbers and small ones.
func TestReadersNeverSeeHalfAFile(t *testing.T) {
	for _, c := range []struct {
		version         Version
		hierarchy, file string
	}{
		{V2, "", "memory.stat"},
		{V2, "", "memory.current"},
		{V2, "", "cpu.stat"},
		{V1, "cpuacct", "cpuacct.usage"},
		{V1, "cpuacct", "cpuacct.stat"},
		{V1, "memory", "memory.usage_in_bytes"},
		{V1, "memory", "memory.stat"},
		{Hybrid, "unified", "cpu.stat"},
	} {
		t.Run(c.version.String()+" "+c.file, func(t *testing.T) {
			tree := newTree(t, Layout{Version: c.version})
			must(t, tree.AddPod(NewPod(PodTemplate{Namespace: "a", Name: "b", UID: "u"})))
			dir, _ := tree.PodDir("u", c.hierarchy)
			f, err := os.Open(filepath.Join(dir, c.file))
			must(t, err)
			defer f.Close()

			stop := make(chan struct{})
			var writer sync.WaitGroup
			writer.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
					}
					n := uint64(i%2) * 9_876_543_210
					err := tree.SetMemory("u", "main", Memory{Anon: n, File: n, KernelStack: n, PageTables: n, Slab: n})
					if err == nil {
						err = tree.Spend("u", "main", 70*time.Millisecond, 30*time.Millisecond)
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
			buf := make([]byte, 8192)
			var want string
			seen := map[string]bool{}
			for i := 0; i < 5_000 || len(seen) < 2; i++ {
				// One call, as a reader of cgroups does it.
				n, err := unix.Pread(int(f.Fd()), buf, 0)
				if err != nil {
					t.Error(err)
					break
				}
				seen[string(buf[:n])] = true
				got := shape(buf[:n])
				if want == "" {
					want = got
				}
				if got != want || n == 0 {
					t.Errorf("got %q, want a whole text like %q", buf[:n], want)
					break
				}
			}
			close(stop)
			writer.Wait()
		})
	}
}

func TestTextIsCutWhenItGetsShorter(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	text := "long text\n"
	kind := fileKind{name: "x", text: func(_ *group, b []byte) []byte { return append(b, text...) }}
	f, err := createLive(path, kind, &group{})
	must(t, err)
	defer f.file.Close()
	for _, text = range []string{"long text\n", "ab\n", "", "abc\n", "a\n"} {
		must(t, f.update(&group{}))
		if got := read(t, path); got != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v, want one file", entries, err)
	}
}
