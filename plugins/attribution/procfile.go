package attribution

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// procFile is a file of /proc, held open.
type procFile struct {
	path string
	fd   int
	buf  []byte
}

// openProc opens a file that is read with a buffer of some size.
func openProc(procfs, name string, size int) (procFile, error) {
	f := procFile{path: filepath.Join(procfs, name), buf: make([]byte, size)}
	fd, err := unix.Open(f.path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return procFile{}, &os.PathError{Op: "open", Path: f.path, Err: err}
	}
	f.fd = fd
	return f, nil
}

// read returns its beginning, as much as the buffer holds. The text is valid until the
// next call.
func (f *procFile) read() ([]byte, error) {
	for {
		n, err := unix.Pread(f.fd, f.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return nil, f.named(err)
		}
		return f.buf[:n], nil
	}
}

// named adds the file to an error about what it holds.
func (f *procFile) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("read %s: %w", f.path, err)
}

func (f *procFile) close() error { return unix.Close(f.fd) }

// nextLine cuts the first line off a text. It reports false for one without its end.
func nextLine(text []byte) (line, rest []byte, whole bool) { return bytes.Cut(text, []byte("\n")) }
