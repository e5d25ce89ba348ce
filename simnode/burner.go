package simnode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// burnStep is how often a burner compares its CPU clock with its load.
	burnStep = 5 * time.Millisecond
	// burnChunk is how much it reads at a time to spend system time.
	burnChunk = 64 << 10
	// ready is what a burner says once it waits for its load.
	ready = "ready\n"
)

// Burn is the whole main of a simulated pod's process. It writes "ready" and a
// line end to out, reads its load from the first line of in, follows the load by
// its own CPU clock, and returns nil when in ends, so that it never outlives the
// process that holds the other end. An error says what is wrong with the load.
//
// It changes settings of the Go runtime to keep the runtime's own work small,
// and is therefore for a process that does nothing else.
func Burn(in io.Reader, out io.Writer) error {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	if _, err := io.WriteString(out, ready); err != nil {
		return fmt.Errorf("say that the burner is ready: %w", err)
	}
	lines := bufio.NewReaderSize(in, 64<<10)
	line, err := lines.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return errors.New("read the load: its line is too long")
	case errors.Is(err, io.EOF) && len(line) == 0:
		return nil
	case err != nil && !errors.Is(err, io.EOF):
		return fmt.Errorf("read the load: %w", err)
	}
	load, err := parseLoad(line)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		// Whatever follows the load is skipped: only the end counts.
		_, _ = io.Copy(io.Discard, lines)
	}()
	return burn(ctx, load)
}

// burn follows a load until the context ends.
func burn(ctx context.Context, load Load) error {
	start := time.Now()
	begin, err := ownCPU()
	if err != nil {
		return err
	}
	if load.Memory > 0 {
		if err := hold(load.Memory); err != nil {
			return err
		}
	}
	spinner, err := newSpinner()
	if err != nil {
		return err
	}
	defer spinner.close()

	timer := time.NewTimer(0)
	defer timer.Stop()
	var system time.Duration // spent in the kernel on purpose so far
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Since(start)
		wantUser, wantSystem := load.At(now)
		have, err := ownCPU()
		if err != nil {
			return err
		}
		owed := wantUser + wantSystem - (have - begin)
		// No more than a step at once, so that the end of the input is seen soon.
		if due := min(owed, burnStep); due > 0 {
			kernel, err := spinner.system(min(due, wantSystem-system))
			if err != nil {
				return err
			}
			system += kernel
			if err := spinner.user(have + due); err != nil {
				return err
			}
		}
		switch next, more := load.idle(now); {
		case owed > burnStep:
			timer.Reset(0)
		case more:
			timer.Reset(max(next, now+burnStep) - time.Since(start))
		}
	}
}

// hold takes anonymous memory and touches every page of it. The process keeps it
// until it ends.
func hold(size uint64) error {
	b, err := unix.Mmap(-1, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return fmt.Errorf("take %d bytes of memory: %w", size, err)
	}
	for i := 0; i < len(b); i += unix.Getpagesize() {
		b[i] = 1
	}
	return nil
}

// ownCPU is the CPU time of this process so far.
func ownCPU() (time.Duration, error) { return cpuClock(unix.CLOCK_PROCESS_CPUTIME_ID) }

func cpuClock(id int32) (time.Duration, error) {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0, fmt.Errorf("read CPU clock %d: %w", id, err)
	}
	return time.Duration(ts.Nano()), nil
}

// spinner spends CPU time.
type spinner struct {
	zero, null int
	buffer     []byte
}

func newSpinner() (*spinner, error) {
	zero, err := unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/zero: %w", err)
	}
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(zero)
		return nil, fmt.Errorf("open /dev/null: %w", err)
	}
	return &spinner{zero, null, make([]byte, burnChunk)}, nil
}

func (s *spinner) close() {
	unix.Close(s.zero)
	unix.Close(s.null)
}

// system works in the kernel for at least a time and returns for how long.
func (s *spinner) system(d time.Duration) (time.Duration, error) {
	if d <= 0 {
		return 0, nil
	}
	begin, err := ownCPU()
	for err == nil {
		var n int
		if n, err = unix.Read(s.zero, s.buffer); err == nil {
			_, err = unix.Write(s.null, s.buffer[:n])
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("copy /dev/zero to /dev/null: %w", err)
		}
		var now time.Duration
		if now, err = ownCPU(); now-begin >= d {
			return now - begin, err
		}
	}
	return 0, err
}

// user works outside the kernel until the process's CPU clock shows a time.
func (s *spinner) user(until time.Duration) error {
	for {
		now, err := ownCPU()
		if err != nil || now >= until {
			return err
		}
		x := uint32(1)
		for range 20_000 { // some 20 µs between two looks at the clock
			x = x*1664525 + 1013904223
		}
		s.buffer[0] = byte(x) // the result is used, so that the loop stays
	}
}
