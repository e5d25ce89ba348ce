package csv

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// rowsAt returns the rows of a batch of newNode that ends at a time.
func rowsAt(end time.Time) string {
	return strings.ReplaceAll(wantRows, "2026-03-01T11:00:05.000000000Z", end.UTC().Format(timeLayout))
}

// names returns the files of a directory, in the order of their names.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, 0, len(entries))
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

// content returns the text of a file, decompressed where its name says so.
func content(t testing.TB, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(path, zippedExt) {
		if r, err = gzip.NewReader(f); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return string(text)
}

// history returns the rows of all files that a reader of out*.csv* sees, the oldest
// file first. Every file has its header once.
func history(t testing.TB, dir string) string {
	t.Helper()
	var all strings.Builder
	for _, name := range names(t, dir) {
		if matched, _ := filepath.Match("out-*", name); matched {
			all.WriteString(withoutHeader(t, filepath.Join(dir, name)))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out.csv")); err == nil {
		all.WriteString(withoutHeader(t, filepath.Join(dir, "out.csv")))
	}
	return all.String()
}

func withoutHeader(t testing.TB, path string) string {
	t.Helper()
	rows, ok := strings.CutPrefix(content(t, path), wantHeader)
	if !ok || strings.Contains(rows, wantHeader) {
		t.Errorf("%s has not just one header, at its start", path)
	}
	return rows
}

func TestRotatesBySizeBetweenBatches(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir()
		limit := rng.IntN(6000) + 1
		c := &Config{Path: filepath.Join(dir, "out.csv"), RotateBytes: Size(limit), Gzip: seed%2 == 0}
		n := newNode()
		var out *output
		reopen := func() {
			if out != nil {
				if err := out.Close(); err != nil {
					t.Fatal(err)
				}
			}
			out = open(t, plugintest.NewHost(t, n.metrics...), c)
		}
		reopen()
		var want strings.Builder
		for i := range 30 {
			end := tick.Add(time.Duration(i) * time.Second)
			write(t, out, n.batch(end))
			want.WriteString(rowsAt(end))
			switch rng.IntN(8) {
			case 0:
				reopen()
			case 1:
				if err := out.archive.tidy(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), history(t, dir)); diff != "" {
			t.Fatalf("seed %d: rows of all files in order (-want +got):\n%s", seed, diff)
		}
		batches := max(1, (limit-len(wantHeader))/len(wantRows))
		if files, want := len(names(t, dir)), (30+batches-1)/batches; files != want {
			t.Errorf("seed %d: %d files of %d bytes, want %d of %d batches", seed, files, limit, want, batches)
		}
		for _, name := range names(t, dir) {
			text := content(t, filepath.Join(dir, name))
			if rows := len(text) - len(wantHeader); rows%len(wantRows) != 0 || rows > len(wantRows) && len(text) > limit {
				t.Errorf("seed %d: %s has %d bytes, want whole batches in at most %d", seed, name, len(text), limit)
			}
		}
	}
}

func TestRotatesAtMultiplesOfTime(t *testing.T) {
	dir := t.TempDir()
	c := &Config{Path: filepath.Join(dir, "out.csv"), RotateEvery: plugin.Duration(24 * time.Hour)}
	at := func(text string) time.Time {
		end, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return end
	}
	n := newNode()
	out := open(t, plugintest.NewHost(t, n.metrics...), c)
	want := ""
	for _, step := range []struct {
		end     string
		restart bool
		files   int
	}{
		{"2026-03-01T11:00:00Z", false, 1},
		{"2026-03-01T23:59:59Z", false, 1},
		{"2026-03-01T23:59:59Z", true, 1},
		{"2026-03-02T00:00:00Z", false, 2},
		{"2026-03-02T00:00:01Z", true, 2},
		{"2026-03-05T08:00:00Z", true, 3},  // nothing was written for days: only the first row tells
		{"2026-03-01T09:00:00Z", false, 4}, // a clock that is set back
		{"2026-03-02T09:00:00Z", false, 5},
		{"2026-03-02T10:00:00Z", false, 5},
	} {
		if step.restart {
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
			out = open(t, plugintest.NewHost(t, n.metrics...), c)
		}
		write(t, out, n.batch(at(step.end)))
		want += rowsAt(at(step.end))
		if got := len(names(t, dir)); got != step.files {
			t.Errorf("after %s: %d files, want %d", step.end, got, step.files)
		}
	}
	if diff := cmp.Diff(want, history(t, dir)); diff != "" {
		t.Errorf("rows of all files in order (-want +got):\n%s", diff)
	}
	wantNames := []string{
		"out-20260302T000000.000000000Z.csv", "out-20260305T080000.000000000Z.csv",
		"out-20260305T080000.000000001Z.csv", "out-20260305T080000.000000002Z.csv", "out.csv",
	}
	if diff := cmp.Diff(wantNames, names(t, dir)); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestKeepsTheNewestAndNobodyElsesFiles(t *testing.T) {
	dir := t.TempDir()
	others := []string{"out-20260101T000000.000000000Z.csv.bak", "out-new.csv", "out-20260101T000000Z.csv", "other-20260101T000000.000000000Z.csv"}
	for _, name := range others {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := newNode()
	c := &Config{Path: filepath.Join(dir, "out.csv"), RotateBytes: 1, Keep: 2, Gzip: true}
	out := open(t, plugintest.NewHost(t, n.metrics...), c)
	for i := range 6 {
		write(t, out, n.batch(tick.Add(time.Duration(i)*time.Second)))
		if i%2 == 1 {
			if err := out.archive.tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	want := append(slices.Clone(others), "out-20260301T110009.000000000Z.csv.gz", "out-20260301T110010.000000000Z.csv.gz", "out.csv")
	slices.Sort(want)
	got := names(t, dir)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// Run compresses by itself: after a rotation, and at the start what was left.
func TestRunCompresses(t *testing.T) {
	dir := t.TempDir()
	n := newNode()
	c := &Config{Path: filepath.Join(dir, "out.csv"), RotateBytes: 1, Gzip: true}
	out := open(t, plugintest.NewHost(t, n.metrics...), c)
	for i := range 3 {
		write(t, out, n.batch(tick.Add(time.Duration(i)*time.Second)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- out.Run(ctx) }()
	count := func() int {
		zipped, err := filepath.Glob(filepath.Join(dir, "out-*.csv.gz"))
		if err != nil {
			t.Fatal(err)
		}
		return len(zipped)
	}
	eventually(t, "what was there at the start", func() bool { return count() == 2 })
	write(t, out, n.batch(tick.Add(3*time.Second)))
	eventually(t, "what is rotated later", func() bool { return count() == 3 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// TestCrashWhileCompressing leaves the directory as a crash may at every step,
// and checks that the rows are in it once, before and after the next start.
func TestCrashWhileCompressing(t *testing.T) {
	const rotated = "out-20260301T110006.000000000Z.csv"
	zipped := func(text string) string {
		var b strings.Builder
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	text := wantHeader + wantRows
	whole := zipped(text)
	for _, tt := range []struct {
		name  string
		files map[string]string
		gzip  bool
		want  string // the file that holds the rows in the end
	}{
		{"before", map[string]string{rotated: text}, true, rotated + ".gz"},
		{"half written", map[string]string{rotated: text, "." + rotated + ".gz.part": whole[:len(whole)/2]}, true, rotated + ".gz"},
		{"written", map[string]string{rotated: text, "." + rotated + ".gz.part": whole}, true, rotated + ".gz"},
		{"in the plain one's place", map[string]string{rotated: whole}, true, rotated + ".gz"},
		{"in the plain one's place, and gzip is off now", map[string]string{rotated: whole}, false, rotated + ".gz"},
		{"done", map[string]string{rotated + ".gz": whole}, true, rotated + ".gz"},
		{"half written, and gzip is off now", map[string]string{rotated: text, "." + rotated + ".gz.part": whole[:9]}, false, rotated},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			n := newNode()
			out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: filepath.Join(dir, "out.csv"), RotateBytes: 1 << 20, Gzip: tt.gzip})
			if err := out.archive.tidy(t.Context()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]string{tt.want, "out.csv"}, names(t, dir)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			if got := content(t, filepath.Join(dir, tt.want)); got != text {
				t.Errorf("the rotated file holds\n%s", got)
			}
			if err := out.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// What cannot be compressed stays as it is, is told, and is tried again.
func TestCompressionFails(t *testing.T) {
	dir := t.TempDir()
	n := newNode()
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: filepath.Join(dir, "out.csv"), RotateBytes: 1, Gzip: true})
	for i := range 3 {
		write(t, out, n.batch(tick.Add(time.Duration(i)*time.Second)))
	}
	first := filepath.Join(dir, "out-20260301T110006.000000000Z.csv")
	if err := os.WriteFile(first+".gz", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	err := out.archive.tidy(t.Context())
	if err == nil || !strings.Contains(err.Error(), "remove one of the two") {
		t.Errorf("tidy: error %v, want one that names the remedy", err)
	}
	if got := content(t, first); got != wantHeader+rowsAt(tick) {
		t.Errorf("%s was changed:\n%s", first, got)
	}
	if err := os.Remove(first + ".gz"); err != nil {
		t.Fatal(err)
	}
	if err := out.archive.tidy(t.Context()); err != nil {
		t.Errorf("tidy, when the cause is gone: %v", err)
	}
	if got := content(t, first+".gz"); got != wantHeader+rowsAt(tick) {
		t.Errorf("compressed:\n%s", got)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	write(t, out, n.batch(tick.Add(3*time.Second)))
	last := filepath.Join(dir, "out-20260301T110008.000000000Z.csv")
	if err := out.archive.compress(ended, last); !errors.Is(err, context.Canceled) {
		t.Errorf("compress after the end: %v", err)
	}
	if got := content(t, last); got != wantHeader+rowsAt(tick.Add(2*time.Second)) {
		t.Errorf("a compression that was cut off changed %s:\n%s", last, got)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}

// A disk without room, while files are rotated and compressed, costs no row.
func TestFullDiskWhileRotating(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=512k"); err != nil {
		t.Skipf("needs root, to mount a file system of 512 KiB: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	n := newNode()
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: filepath.Join(dir, "out.csv"), RotateBytes: 9000, Gzip: true})
	var want strings.Builder
	rng := rand.New(rand.NewPCG(3, 3))
	failed := 0
	for i := range 100 {
		switch rng.IntN(6) {
		case 0:
			_ = os.WriteFile(ballast, make([]byte, 1<<20), 0o600) // as much as there is room for
		case 1:
			if err := os.Remove(ballast); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		case 2:
			_ = out.archive.tidy(t.Context())
		}
		end := tick.Add(time.Duration(i) * time.Second)
		if err := out.Write(t.Context(), n.batch(end)); err != nil {
			failed++
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatalf("Write: %v", err)
			}
		}
		want.WriteString(rowsAt(end))
	}
	if err := os.Remove(ballast); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := out.archive.tidy(t.Context()); err != nil {
		t.Error(err)
	}
	if err := out.Close(); err != nil {
		t.Error(err)
	}
	if failed == 0 {
		t.Error("the disk was never full")
	}
	if diff := cmp.Diff(want.String(), history(t, dir)); diff != "" {
		t.Errorf("rows of all files in order (-want +got):\n%s", diff)
	}
}
