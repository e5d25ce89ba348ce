package sysfs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A file stays open and tells each new value; what is wrong with it names it.
func TestReadNumber(t *testing.T) {
	path := filepath.Join(t.TempDir(), "energy1_input")
	if _, err := Open(path); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("open: %v, want an error that names what is not there", err)
	}
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("7\n")
	fd, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Error(err)
		}
	})
	buf := make([]byte, 64)
	for text, want := range map[string]uint64{"7\n": 7, "18446744073709551615\n": 1<<64 - 1, "8": 8} {
		write(text)
		if got, err := ReadNumber(unix.Pread, fd, path, buf); got != want || err != nil {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-1\n", strings.Repeat("9", 64)} {
		write(text)
		if _, err := ReadNumber(unix.Pread, fd, path, buf); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want an error that names the file", text, err)
		}
	}
}

// A call that a signal ended is made again; the driver's own errors are told.
func TestReadThatFails(t *testing.T) {
	calls := 0
	interrupted := func(_ int, p []byte, _ int64) (int, error) {
		if calls++; calls < 3 {
			return -1, unix.EINTR
		}
		return copy(p, "42\n"), nil
	}
	if n, err := ReadNumber(interrupted, 0, "energy", make([]byte, 8)); n != 42 || err != nil || calls != 3 {
		t.Errorf("%d, %v after %d calls", n, err, calls)
	}
	for _, errno := range []unix.Errno{unix.ENODATA, unix.ENODEV, unix.EINVAL} {
		fails := func(int, []byte, int64) (int, error) { return -1, errno }
		if _, err := ReadNumber(fails, 0, "energy", make([]byte, 8)); !errors.Is(err, errno) || !strings.Contains(err.Error(), "energy") {
			t.Errorf("%v becomes %v", errno, err)
		}
	}
}
