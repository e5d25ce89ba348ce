package queue

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A file system that is full, and has room again, costs no more than what does not fit into
// the memory: it is counted and told, no torn file is left, and the rest comes in order.
func TestFullFileSystem(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("needs root, to mount a file system of 64 KiB: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", disk, err)
		}
	})
	const size, memory, all = 3000, 20_000, 40
	o := Options{Bytes: 1 << 20, Memory: memory, Dir: filepath.Join(disk, "queue")}
	q := open(t, o)
	random := rand.NewChaCha8([32]byte{4})
	full := 0
	body := func() []byte { // which cannot be compressed
		b := make([]byte, size)
		if _, err := random.Read(b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	for i := range all {
		if _, err := q.Push(Entry{Body: body(), Points: i + 1}); err != nil {
			full++
			if !errors.Is(err, unix.ENOSPC) || !errors.Is(q.Trouble(), unix.ENOSPC) {
				t.Fatalf("push %d: error %v, trouble %v", i, err, q.Trouble())
			}
		}
		if q.memory > memory {
			t.Fatalf("push %d: %d bytes are in memory, the bound is %d", i, q.memory, memory)
		}
	}
	s := q.Stats()
	if full == 0 || s.Faults != full || s.Lost[Full].Entries == 0 || s.Waiting.Plus(s.Lost[Full]) != (Amount{all, all * (all + 1) / 2}) {
		t.Errorf("%d pushes failed: %+v", full, s)
	}
	onDisk := len(files(t, o.Dir))
	if want := s.Waiting.Entries - memory/size; onDisk != want {
		t.Errorf("%d files, want %d: those that were there before it was full", onDisk, want)
	}
	var got []int
	take := func() {
		got = append(got, next(t, q).Points)
		q.Done()
	}
	for range memory/size + 1 { // makes room for those in memory, and one more
		take()
	}
	if _, err := q.Push(Entry{Body: body(), Points: all + 1}); err != nil || q.Trouble() != nil || !q.Kept() {
		t.Errorf("with room again: error %v, trouble %v, kept %v", err, q.Trouble(), q.Kept())
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, o) // another process has them all, whole
	for q.Stats().Waiting.Entries > 0 {
		take()
	}
	var want []int
	for i := range all + 1 {
		if i < onDisk || i >= onDisk+s.Lost[Full].Entries {
			want = append(want, i+1)
		}
	}
	if !slices.Equal(got, want) || len(q.Stats().Lost) > 0 {
		t.Errorf("delivered %v, want %v; the second process lost %v", got, want, q.Stats().Lost)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) != 1 { // the lock
		t.Errorf("%d files are left, error %v", len(left), err)
	}
}
