package queue

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What was not delivered is there after a restart and after a kill, in order and
// whole; what was delivered is not.
func TestKeptAcrossRestarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "if need be")
	q := open(t, Options{Bytes: 1 << 20, Dir: dir})
	for i := range 20 {
		push(t, q, Entry{Body: bytes.Repeat([]byte{byte(i)}, 1000), Points: i})
	}
	for range 3 {
		next(t, q)
		q.Done()
	}
	next(t, q)
	q.Drop("refused")
	next(t, q) // under way
	killed := copied(t, dir)
	if lost := q.DropAll("shutdown"); lost != (Amount{}) || !q.Kept() {
		t.Errorf("lost %v at the end, want none", lost)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"restart": dir, "kill": killed} {
		q := open(t, Options{Bytes: 1 << 20, Dir: dir})
		push(t, q, Entry{Points: 20})
		if s := q.Stats(); s.Found != (Amount{16, 184}) || s.Waiting != (Amount{17, 204}) || s.Bytes > 17*200 {
			t.Errorf("%s: %+v, want 16 with 184 points found, compressed", name, s)
		}
		for i := 4; i <= 20; i++ {
			e := next(t, q)
			if want := bytes.Repeat([]byte{byte(i)}, 1000); e.Points != i || i < 20 && !bytes.Equal(e.Body, want) {
				t.Errorf("%s: got %d points and a body of %d, want number %d", name, e.Points, len(e.Body), i)
			}
			q.Done()
		}
		if left := files(t, dir); len(left) > 0 {
			t.Errorf("%s: %v is left", name, left)
		}
	}
}

// A damaged file costs itself, is counted with its points and is told once.
func TestDamagedFiles(t *testing.T) {
	for name, damage := range map[string]func(path string, text []byte) error{
		"torn":    func(path string, text []byte) error { return os.WriteFile(path, text[:len(text)/2], 0o600) },
		"empty":   func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
		"longer":  func(path string, text []byte) error { return os.WriteFile(path, append(text, "more"...), 0o600) },
		"flipped": func(path string, text []byte) error { text[len(text)/2] ^= 4; return os.WriteFile(path, text, 0o600) },
		"garbage": func(path string, _ []byte) error { return os.WriteFile(path, []byte("garbage"), 0o600) },
		"gone":    func(path string, _ []byte) error { return os.Remove(path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			q := open(t, Options{Bytes: 1 << 20, Dir: dir})
			for i := 1; i <= 3; i++ {
				push(t, q, Entry{Body: []byte("a body that is long enough for a flipped bit"), Points: i})
			}
			path := files(t, dir)[1]
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(path, text); err != nil {
				t.Fatal(err)
			}
			var got []int
			for range 2 {
				got = append(got, next(t, q).Points)
				q.Done()
			}
			if !slices.Equal(got, []int{1, 3}) {
				t.Errorf("got %v, want the two whole ones", got)
			}
			if diff := cmp.Diff(map[string]Amount{Corrupt: {1, 2}}, q.Stats().Lost); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
			if _, err := q.Push(sized(1)); !contains(err, "2 points are lost") || !contains(err, filepath.Base(path)) {
				t.Errorf("got error %v, want one that names the file and its points", err)
			}
			push(t, q, sized(1)) // it is told once
		})
	}
}

// A folder has one user at a time, and what is not the queue's is left alone.
func TestOneUserOfAFolder(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "0000000000000001-2.gz", "1-2-3.gz", "zz-1-1.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q := open(t, Options{Bytes: 100, Dir: dir})
	if s := q.Stats(); s.Found.Entries != 0 {
		t.Errorf("%+v found, want nothing", s)
	}
	if _, err := Open(Options{Bytes: 100, Dir: dir}); !contains(err, dir) || !contains(err, "give each a folder of its own") {
		t.Errorf("got error %v, want one that says that the folder is in use", err)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Bytes: 100, Dir: dir})
	if _, err := Open(Options{Bytes: 100, Dir: filepath.Join(dir, "notes.txt")}); !contains(err, "notes.txt") {
		t.Errorf("got error %v, want one that names the file in the folder's place", err)
	}
}

// A full disk is counted and told, memory goes on within its own bound, and when there
// is room again, all is in the folder, in order.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Options{Bytes: 1 << 20, Memory: 100, Dir: dir})
	push(t, q, sized(10))
	q.fill(true)
	for range 12 {
		if _, err := q.Push(sized(11)); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("got error %v, want that the disk is full", err)
		}
	}
	if s := q.Stats(); s.Faults != 12 || s.Lost[Full] != (Amount{3, 33}) || s.Waiting != (Amount{10, 109}) {
		t.Errorf("%+v, want 3 lost and 10 waiting", s)
	}
	if n := len(files(t, dir)); n != 1 || q.Kept() {
		t.Errorf("%d files and kept %v, want the whole one alone", n, q.Kept())
	}
	if err := q.Trouble(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("trouble is %v", err)
	}
	q.fill(false)
	push(t, q, sized(12))
	if err := q.Trouble(); err != nil || !q.Kept() {
		t.Errorf("trouble is %v, kept %v, want none when there is room", err, q.Kept())
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, Options{Bytes: 1 << 20, Dir: dir})
	want := []int{10, 11, 11, 11, 11, 11, 11, 11, 11, 11, 12}
	var got []int
	for range want {
		got = append(got, next(t, q).Points)
		q.Done()
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// What a full disk leaves in memory at the end is lost, and counted.
func TestEndWithAFullDisk(t *testing.T) {
	q := open(t, Options{Bytes: 100, Dir: t.TempDir()})
	push(t, q, sized(1))
	q.fill(true)
	_, _ = q.Push(sized(2))
	if lost := q.DropAll("shutdown"); lost != (Amount{1, 2}) || q.Stats().Lost["shutdown"] != lost {
		t.Errorf("lost %v, counted %v, want the one in memory", lost, q.Stats().Lost)
	}
	if s := q.Stats(); s.Waiting != (Amount{1, 1}) {
		t.Errorf("%+v, want the one in the folder to wait", s)
	}
}

// A folder that became smaller than what is in it gives up the oldest.
func TestBoundOfAFolder(t *testing.T) {
	dir := t.TempDir()
	q := open(t, Options{Bytes: 1 << 20, Dir: dir})
	for i := range 100 {
		push(t, q, Entry{Body: make([]byte, 10_000), Points: i})
	}
	all := q.Stats().Bytes
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = open(t, Options{Bytes: all / 2, Dir: dir})
	size := 0
	for _, path := range files(t, dir) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += int(info.Size())
	}
	if s := q.Stats(); size > all/2 || s.Bytes != size || s.Lost[Full].Entries != 50 || next(t, q).Points != 50 {
		t.Errorf("%d bytes in the folder and %+v, want the newest half", size, s)
	}
}

// A file that cannot be opened for now is waited for.
func TestFileThatCannotBeOpened(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may open every file")
	}
	dir := t.TempDir()
	q := open(t, Options{Bytes: 100, Dir: dir})
	push(t, q, sized(1))
	path := files(t, dir)[0]
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := q.Next(ctx); ok || q.Stats().Faults == 0 {
		t.Error("a file without rights was read")
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if e := next(t, q); e.Points != 1 {
		t.Errorf("got %d points", e.Points)
	}
}

func FuzzUnzip(f *testing.F) {
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Add([]byte(nil))
	q, err := Open(Options{Bytes: 1000, Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := q.Push(Entry{Body: []byte("a whole body"), Points: 1}); err != nil {
		f.Fatal(err)
	}
	text, err := os.ReadFile(files(f, q.folder.dir)[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Fuzz(func(t *testing.T, text []byte) {
		if body, err := unzip(bytes.NewReader(text)); err == nil && len(body) > maxBody {
			t.Errorf("a body of %d bytes", len(body))
		}
	})
}

func FuzzParseName(f *testing.F) {
	f.Add("0000000000000042-1765000000000-1210.gz")
	f.Add("lock")
	f.Fuzz(func(t *testing.T, name string) {
		if e, ok := parseName(name); ok && (nameOf(e) != name || e.points < 0) {
			t.Errorf("%q is read as %+v", name, e)
		}
	})
}
