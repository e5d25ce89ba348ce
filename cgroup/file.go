package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// ErrGone is wrapped by errors about a cgroup that was removed.
var ErrGone = errors.New("cgroup is gone")

// errAbsent says that a file is not there though its cgroup is: the kernel does
// not tell this quantity, now.
var errAbsent = errors.New("file is absent")

// longestWait is how many reads pass at most before an absent file is looked
// for again: a controller can be turned on while the cgroup lives.
const longestWait = 10

// Buffer is the memory into which files are read. It serves any number of
// readers one after the other, and grows to the largest file it met.
// The zero value is ready for use.
type Buffer struct{ b []byte }

const firstSize = 8 << 10 // memory.stat has about 1.5 KiB

// file is one file of a cgroup. It is opened at its first read and stays open, where
// the budget has a place for it.
type file struct {
	handle
	path  string
	wait  int // reads that still pass before it is looked for again
	pause int // the next wait; it grows while the file stays absent
}

func newFile(dir, name string) file { return file{path: filepath.Join(dir, name)} }

// read returns the whole content, valid until the buffer's next use. The error
// is errAbsent, wraps ErrGone, or names the file.
//
// In a plain tree a removed file would go on telling its last content, so that
// its links are counted before each read.
func (f *file) read(buf *Buffer, h *Hierarchy) ([]byte, error) {
	b := &h.budget
	if f.opened && h.plain && f.unlinked() {
		b.close(&f.handle)
	}
	if !f.opened {
		if err := f.open(b); err != nil {
			return nil, err
		}
	}
	text, err := f.pread(buf)
	if err == nil {
		f.pause = 0
		b.settle(&f.handle)
		return text, nil
	}
	b.close(&f.handle)
	switch err {
	case unix.ENODEV:
		// The file was removed: with its cgroup, or alone, as pressure files
		// and those of a controller can be. Then it may be back already.
		if err := f.open(b); err != nil {
			return nil, err
		}
		if text, err = f.pread(buf); err == nil {
			b.settle(&f.handle)
			return text, nil
		}
		b.close(&f.handle)
		return nil, f.missing()
	case unix.EOPNOTSUPP:
		return nil, f.absent() // built into the kernel, but turned off
	}
	return nil, fmt.Errorf("read %s: %w", f.path, err)
}

func (f *file) open(b *budget) error {
	if f.wait > 0 {
		f.wait--
		return errAbsent
	}
	switch err := b.open(&f.handle, f.path, 0); err {
	case nil:
		return nil
	case unix.ENOENT, unix.ENODEV, unix.ENOTDIR:
		return f.missing()
	case unix.EMFILE, unix.ENFILE:
		return fmt.Errorf("open %s: %w; raise the limit of open files (ulimit -n, LimitNOFILE)", f.path, err)
	default:
		return fmt.Errorf("open %s: %w", f.path, err)
	}
}

// missing tells a removed cgroup from a file that it does not have.
func (f *file) missing() error {
	dir := filepath.Dir(f.path)
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, ErrGone)
	}
	return f.absent()
}

func (f *file) absent() error {
	f.wait, f.pause = f.pause, min(2*f.pause+1, longestWait)
	return errAbsent
}

// pread reads from the start, which makes the kernel write the text anew. A
// buffer that is filled to its end may have cut the text, without an error.
func (f *file) pread(buf *Buffer) ([]byte, error) {
	if buf.b == nil {
		buf.b = make([]byte, firstSize)
	}
	for {
		n, err := unix.Pread(f.fd, buf.b, 0)
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case n < len(buf.b):
			return buf.b[:n], nil
		default:
			buf.b = make([]byte, 2*len(buf.b))
		}
	}
}

func (f *file) unlinked() bool {
	var st unix.Stat_t
	return unix.Fstat(f.fd, &st) != nil || st.Nlink == 0
}
