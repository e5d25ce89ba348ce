package token_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/token"
)

func TestFileErrors(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	loop := filepath.Join(dir, "loop")
	if err := os.Symlink(loop, loop); err != nil {
		t.Fatal(err)
	}
	empty := write(t, filepath.Join(dir, "empty"), "\n")
	words := write(t, filepath.Join(dir, "words"), "secret words")
	large := write(t, filepath.Join(dir, "large"), strings.Repeat("t", 1<<20))
	tests := []struct {
		path, want string
	}{
		{filepath.Join(dir, "missing"), "no such file"},
		{filepath.Join(empty, "below"), "not a directory"},
		{dir, "not a regular file"},
		{fifo, "not a regular file"},
		{"/dev/zero", "not a regular file"},
		{loop, "too many levels"},
		{empty, "empty"},
		{words, "byte 7 is"},
		{large, "more than 64 KiB"},
	}
	for _, tt := range tests {
		source := token.New(token.Config{Strategy: token.File, File: tt.path})
		got, err := source.Token(t.Context())
		if got != "" || err == nil {
			t.Errorf("%s: got %q and %v, want an error", tt.path, got, err)
			continue
		}
		for _, want := range []string{"read token file", tt.path, tt.want} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant in it: %s", tt.path, err, want)
			}
		}
	}
}

func TestFileUnreadable(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "secret")
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := os.ReadFile(path); err == nil {
		t.Skip("this user reads files of mode 0 (root)")
	}
	_, err := token.New(token.Config{Strategy: token.File, File: path}).Token(t.Context())
	wantError(t, err, "read token file", path, "permission denied")
}

// kubelet lays out a volume as the kubelet does: token -> ..data/token and
// ..data -> a directory, which a rename swaps.
type kubelet struct {
	t   *testing.T
	dir string
}

func (k kubelet) rotate(version, content string) (path string) {
	k.t.Helper()
	if err := os.Mkdir(filepath.Join(k.dir, version), 0o755); err != nil {
		k.t.Fatal(err)
	}
	write(k.t, filepath.Join(k.dir, version, "token"), content)
	path = filepath.Join(k.dir, "token")
	if _, err := os.Lstat(path); err != nil {
		if err := os.Symlink("..data/token", path); err != nil {
			k.t.Fatal(err)
		}
	}
	next := filepath.Join(k.dir, "..data_tmp")
	if err := os.Symlink(version, next); err != nil {
		k.t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(k.dir, "..data")); err != nil {
		k.t.Fatal(err)
	}
	return path
}

func TestFileRotation(t *testing.T) {
	volume := kubelet{t, t.TempDir()}
	path := volume.rotate("..2026_1", "first\n")
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.File, File: path})
		wantToken(t, source, "first")
		volume.rotate("..2026_2", "second\n")
		if err := os.RemoveAll(filepath.Join(volume.dir, "..2026_1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10*time.Second - 1)
		wantToken(t, source, "first")
		time.Sleep(1)
		wantToken(t, source, "second")
		want := token.Stats{Retrievals: 2}
		if got := source.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestFileAfterRefusal(t *testing.T) {
	volume := kubelet{t, t.TempDir()}
	path := volume.rotate("..2026_1", "first")
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.File, File: path})
		wantToken(t, source, "first")
		volume.rotate("..2026_2", "second")
		source.Refuse("first")
		wantToken(t, source, "second")
		source.Refuse("first") // a late answer to an old request
		volume.rotate("..2026_3", "third")
		wantToken(t, source, "second")
		source.Refuse("second")
		wantToken(t, source, "third")
		want := token.Stats{Retrievals: 3, Renewals: 2}
		if got := source.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// A kept token is used on while the file cannot be read, until it is refused.
func TestFileGoneForAWhile(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "token"), "first")
	synctest.Test(t, func(t *testing.T) {
		source := token.New(token.Config{Strategy: token.File, File: path})
		wantToken(t, source, "first")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		wantToken(t, source, "first")
		wantError(t, source.Err(), path, "no such file")

		source.Refuse("first")
		var err error
		for range 2 {
			_, err = source.Token(t.Context())
			wantError(t, err, "refused (401)", path, "no such file")
		}
		want := token.Stats{Retrievals: 3, Failures: 2}
		if got := source.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}

		write(t, path, "second")
		_, err = source.Token(t.Context())
		wantError(t, err, "no such file") // not tried again at once
		time.Sleep(time.Second)
		wantToken(t, source, "second")
		if err := source.Err(); err != nil {
			t.Errorf("Err is %v after a success", err)
		}
		want = token.Stats{Retrievals: 4, Failures: 2, Renewals: 1}
		if got := source.Stats(); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

func TestDefaultFile(t *testing.T) {
	if _, err := os.Stat(token.DefaultFile); err == nil {
		t.Skip("runs in a pod: the default file is there")
	}
	_, err := token.New(token.Config{Strategy: token.File}).Token(t.Context())
	wantError(t, err, token.DefaultFile, "automountServiceAccountToken", "token_retrieval")
}
