package csv

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// openSink opens the file at a path, or makes it where its directory is there.
func openSink(path, header string, r *rotation) (*sink, error) {
	s := &sink{path: path, header: header, rotation: r}
	if err := s.open(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *sink) open() error {
	flags := os.O_RDWR | os.O_CREATE | os.O_APPEND
	if info, err := os.Stat(s.path); err == nil && !info.Mode().IsRegular() {
		// A named pipe that nobody reads is an error then, and not a wait.
		flags = os.O_WRONLY | os.O_APPEND | unix.O_NONBLOCK
	}
	f, err := os.OpenFile(s.path, flags, 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: make the directory %s first", err, filepath.Dir(s.path))
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	lead := []byte(s.header)
	if info.Mode().IsRegular() {
		if lead, err = s.look(f, info); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	s.w, s.file, s.opened = f, f, info
	s.lead, s.started, s.begun = lead, 0, false
	return nil
}

// look finds out what has to be written before rows can follow what is in a file, and
// when that begins.
func (s *sink) look(f *os.File, info os.FileInfo) (lead []byte, err error) {
	if lead, err = leadOf(f, info.Size(), s.header); err != nil || s.rotation == nil {
		return lead, err
	}
	s.rotation.first, err = firstRow(f, info, s.header)
	return lead, err
}

// follow opens the path anew when its file was moved away or removed, as log
// rotation does, and writes the header again when the file was emptied. Until the first
// write, it looks again at what must come before rows: after a reload, the output that
// was replaced may have written since. That one stays with the file it has: what is at
// the path may have other columns already. Where something fails, rows wait.
func (s *sink) follow() error {
	if s.file == nil || !s.opened.Mode().IsRegular() {
		return nil
	}
	info, err := os.Stat(s.path)
	moved := errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, s.opened)
	switch {
	case moved && s.replaced.Load():
	case moved:
		old := s.file
		if err := s.open(); err != nil {
			return err
		}
		return old.Close()
	case err == nil && info.Size() == 0:
		s.lead, s.started = []byte(s.header), 0
	case err == nil && !s.begun:
		s.lead, err = s.look(s.file, info)
		return err
	}
	return nil // a path that cannot be looked at does not make the open file unusable
}

// rotateFor makes room for a new file where so many bytes of rows, which end at a
// time, belong in one. Where that fails, rows go on into the file that there is;
// where only the new file cannot be made, the next write tries again.
func (s *sink) rotateFor(rows int, end time.Time) error {
	if s.rotation == nil || rows == 0 || s.follow() != nil { // the write that comes next says what failed
		return nil
	}
	info, err := s.file.Stat()
	if err == nil && info.Size() <= int64(len(s.header)) {
		s.rotation.first = time.Time{} // it is new, or somebody emptied it
	}
	if err == nil && len(s.lead) == 0 && s.rotation.due(info.Size(), len(s.header), rows, end) {
		if err = s.rotation.rotate(s.path, end); err == nil {
			_ = s.follow()
		}
	}
	s.rotation.began(end)
	return err
}

// leadOf returns what has to be written at the end of an existing file before
// rows can follow. It fails for a file that has other columns.
func leadOf(f *os.File, size int64, header string) ([]byte, error) {
	start := make([]byte, min(size, int64(len(header))))
	if _, err := f.ReadAt(start, 0); err != nil {
		return nil, fmt.Errorf("read the first line: %w", err)
	}
	if string(start) != header[:len(start)] {
		return nil, fmt.Errorf("%s has other columns than these: %s: move it away, or choose another path",
			f.Name(), header[:len(header)-1])
	}
	if rest := header[len(start):]; rest != "" {
		return []byte(rest), nil // new, or cut short within the header
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return nil, fmt.Errorf("read the last line: %w", err)
	}
	if last[0] == '\n' {
		return nil, nil
	}
	return endOfRow(io.NewSectionReader(f, 0, size))
}

// endOfRow returns what ends the last row of a file that was cut short: a line
// end, and before it a quote where a quoted cell is open. Only the count of all
// quotes tells, so the file is read whole; that happens after a crash only.
func endOfRow(r io.Reader) ([]byte, error) {
	quotes, buf := 0, make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		quotes += bytes.Count(buf[:n], []byte{'"'})
		switch {
		case errors.Is(err, io.EOF) && quotes%2 == 1:
			return []byte("\"\n"), nil
		case errors.Is(err, io.EOF):
			return []byte("\n"), nil
		case err != nil:
			return nil, fmt.Errorf("look for the end of the last row: %w", err)
		}
	}
}
