package csv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

const (
	// atOnce is how many bytes a pipe that has room takes without blocking.
	atOnce = 4096
	// lookAgain is how long to wait for room before looking whether to end.
	lookAgain = 100 * time.Millisecond
	// drainTime is how long rows are offered to a reader at the end.
	drainTime = 3 * time.Second
)

// stream holds the rows for a reader that may stop reading: that of a pipe, a
// socket or a terminal. Only Run waits for it.
type stream struct {
	file *os.File
	wake chan struct{} // has a token after a push

	mu      sync.Mutex
	waiting []byte // rows that run has not taken
	taken   int    // bytes that run has taken and not written
	err     error  // of the last attempt to write
}

// mayStop tells whether whoever reads a file may keep a writer waiting.
func mayStop(f *os.File) bool {
	info, err := f.Stat()
	if err != nil {
		return false
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	var terminal bool
	err = conn.Control(func(fd uintptr) { terminal = term.IsTerminal(int(fd)) })
	return terminal && err == nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) != 0
}

func newStream(f *os.File, header string) *stream {
	return &stream{file: f, waiting: []byte(header), wake: make(chan struct{}, 1)}
}

// full returns an error when no more rows may wait.
func (s *stream) full() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.waiting)+s.taken <= maxWaiting {
		return nil
	}
	err := s.err
	if err == nil {
		err = errors.New("nobody reads")
	}
	return fmt.Errorf("write to %s: %w; %d bytes of rows wait", s.file.Name(), err, len(s.waiting)+s.taken)
}

// push adds rows. The error is that of the last attempt to write.
func (s *stream) push(add func([]byte) ([]byte, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	s.waiting, err = add(s.waiting)
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return errors.Join(err, s.err)
}

// run writes what waits. When the context ends, it goes on for drainTime at most.
func (s *stream) run(ctx context.Context) error {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(drainTime, cancel) })()
	var rows []byte
	for hard.Err() == nil {
		rows = s.take(rows[:0])
		if len(rows) == 0 {
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
			}
			// What came together with the end is still written.
			if rows = s.take(rows); len(rows) == 0 {
				return nil
			}
		}
		if err := s.write(hard, rows); err != nil {
			return err
		}
	}
	return nil
}

// take exchanges the rows that wait for an empty slice.
func (s *stream) take(empty []byte) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := s.waiting
	s.waiting, s.taken = empty, len(rows)
	return rows
}

// write writes rows piece by piece, as there is room. What it did not write goes
// back to what waits.
func (s *stream) write(ctx context.Context, rows []byte) error {
	var err error
	for len(rows) > 0 && ctx.Err() == nil && err == nil {
		var room bool
		if room, err = hasRoom(s.file, lookAgain); err != nil || !room {
			continue
		}
		var n int
		n, err = s.file.Write(rows[:min(len(rows), atOnce)])
		rows = rows[n:]
		s.mu.Lock()
		s.taken = len(rows)
		s.mu.Unlock()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err, s.taken = err, 0
	if len(rows) > 0 {
		s.waiting = append(append(make([]byte, 0, len(rows)+len(s.waiting)), rows...), s.waiting...)
	}
	return err
}

// left returns how many bytes were not written.
func (s *stream) left() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.waiting) + s.taken
}

// hasRoom waits until a file takes bytes without blocking, but not for longer than
// given.
func hasRoom(f *os.File, wait time.Duration) (bool, error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var n int
	var pollErr error
	err = conn.Control(func(fd uintptr) {
		n, pollErr = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, int(wait.Milliseconds()))
	})
	if errors.Is(pollErr, unix.EINTR) {
		pollErr = nil
	}
	return n > 0, errors.Join(err, pollErr)
}
