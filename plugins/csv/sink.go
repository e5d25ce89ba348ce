package csv

import (
	"bytes"
	"errors"
	"io"
	"os"
	"sync/atomic"
)

// sink is where rows go: standard output, or the file at a path.
type sink struct {
	w io.Writer
	// lead has to be written before the next row: the header, or the end of
	// a row that a crash cut short.
	lead []byte
	// begun says that something was written.
	begun bool
	// started is how many bytes of the first waiting row were written
	// already, by a write that stopped short.
	started int

	// The rest is unset for standard output.
	file         *os.File
	opened       os.FileInfo
	path, header string
	rotation     *rotation // nil: the file grows
	// replaced says that another output is there for the path.
	replaced atomic.Bool
}

// write takes rows and returns the rows that are left to write, which start
// with a whole row.
func (s *sink) write(rows []byte) ([]byte, error) {
	if err := s.follow(); err != nil {
		return rows, err
	}
	if err := s.writeLead(); err != nil || len(rows) == 0 {
		return rows, err
	}
	n, err := s.w.Write(rows[s.started:])
	s.begun = s.begun || n > 0
	n += s.started
	if n == len(rows) {
		s.started = 0
		return rows[:0], err
	}
	if err == nil {
		err = io.ErrShortWrite
	}
	whole := bytes.LastIndexByte(rows[:n], '\n') + 1
	s.started = n - whole
	return rows[:copy(rows, rows[whole:])], err
}

func (s *sink) writeLead() error {
	if len(s.lead) == 0 {
		return nil
	}
	n, err := s.w.Write(s.lead)
	s.begun = s.begun || n > 0
	if s.lead = s.lead[n:]; len(s.lead) > 0 && err == nil {
		err = io.ErrShortWrite
	}
	return err
}

// close makes sure that the file is on the disk, and closes it.
func (s *sink) close() error {
	if s.file == nil {
		return nil
	}
	var err error
	if s.opened.Mode().IsRegular() {
		err = s.file.Sync()
	}
	return errors.Join(err, s.file.Close())
}
