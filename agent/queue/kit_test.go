package queue

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func open(t testing.TB, o Options) *Queue {
	t.Helper()
	q, err := Open(o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = q.Close() })
	return q
}

func sized(n int) Entry { return Entry{Body: make([]byte, n), Points: n} }

func push(t testing.TB, q *Queue, e Entry) Amount {
	t.Helper()
	lost, err := q.Push(e)
	if err != nil {
		t.Fatalf("push: %v", err)
	}
	return lost
}

// next takes an entry that must be there.
func next(t testing.TB, q *Queue) Entry {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e, ok := q.Next(ctx)
	if !ok {
		t.Fatal("next: the queue is empty")
	}
	return e
}

// files returns the paths of the entries in a folder, the oldest first.
func files(t testing.TB, dir string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// fill makes the disk full, with a part of each file written, or empties it.
func (q *Queue) fill(full bool) {
	q.folder.put = os.WriteFile
	if full {
		q.folder.put = func(path string, data []byte, mode fs.FileMode) error {
			return errors.Join(os.WriteFile(path, data[:len(data)/2], mode), syscall.ENOSPC)
		}
	}
}

// copied is a copy of a folder, as a kill at this moment would leave it.
func copied(t testing.TB, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
