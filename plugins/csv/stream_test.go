package csv

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// A reader that stops reading holds up no tick: rows wait, those beyond the bound are
// counted, and all others arrive when it reads again.
func TestReaderStops(t *testing.T) {
	for _, kind := range []string{"standard output", "named pipe"} {
		t.Run(kind, func(t *testing.T) {
			n := newNode()
			h := plugintest.NewHost(t, n.metrics...)
			c := &Config{Path: stdout}
			var reader *os.File
			if kind == "named pipe" {
				c.Path = filepath.Join(t.TempDir(), "pipe")
				if err := unix.Mkfifo(c.Path, 0o600); err != nil {
					t.Fatal(err)
				}
				var err error
				if reader, err = os.OpenFile(c.Path, os.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
					t.Fatal(err)
				}
			} else {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = w.Close() }()
				reader, h.Host.Stdout = r, w
			}
			defer func() { _ = reader.Close() }()
			out := open(t, h, c)
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- out.Run(ctx) }()

			var b measure.Batch
			b.Reset(time.Second, tick, tick)
			for range 10_000 {
				b.Uint(n.cpu, 1)
			}
			writes, told := 0, 0
			for range 20 { // about 1.2 MB each; no Write waits for the reader
				if err := out.Write(t.Context(), &b); err != nil {
					told++
					if !strings.Contains(err.Error(), "rows of this batch are lost") {
						t.Fatalf("Write: %v", err)
					}
				}
				writes++
			}
			lost := int(h.Counter(t, "podjoule.csv.lost_rows"))
			if told == 0 || lost != told*len(b.Samples) {
				t.Errorf("%d rows lost and %d errors, want all of some batches", lost, told)
			}

			// The agent ends while the reader reads again: all that waits arrives.
			lines := make(chan int)
			go func() {
				count := 0
				scanner := bufio.NewScanner(reader)
				for scanner.Scan() {
					count++
				}
				lines <- count
			}()
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
			if err := out.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if f, ok := h.Host.Stdout.(*os.File); ok {
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := <-lines, 1+writes*len(b.Samples)-lost; got != want {
				t.Errorf("%d lines were read, want the header and %d rows", got, want-1)
			}
		})
	}
}

// At the end a reader that does not read is given up, and what it missed is told.
func TestReaderStopsForGood(t *testing.T) {
	n := newNode()
	h := plugintest.NewHost(t, n.metrics...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	defer func() { _ = w.Close() }()
	h.Host.Stdout = w
	out := open(t, h, &Config{Path: stdout})
	var b measure.Batch
	b.Reset(time.Second, tick, tick)
	for range 10_000 {
		b.Uint(n.cpu, 1)
	}
	write(t, out, &b)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	if err := out.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	if took := time.Since(start); took < drainTime || took > drainTime+10*time.Second {
		t.Errorf("Run went on for %v, want about %v", took, drainTime)
	}
	if err := out.Close(); err == nil || !strings.Contains(err.Error(), "bytes of rows are lost") {
		t.Errorf("Close: error %v, want one that tells the lost rows", err)
	}
}

// A reader that goes away is told, and rows wait for the next one.
func TestReaderGoesAway(t *testing.T) {
	n := newNode()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	read := func() *os.File {
		r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	reader := read()
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: path})
	write(t, out, n.batch(tick))
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Run(t.Context()); !errors.Is(err, unix.EPIPE) {
		t.Fatalf("Run: error %v, want that the pipe is broken", err)
	}
	if err := out.Write(t.Context(), n.batch(tick)); !errors.Is(err, unix.EPIPE) {
		t.Errorf("Write: error %v, want that the pipe is broken", err)
	}
	reader = read()
	defer func() { _ = reader.Close() }()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := out.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
	if err := out.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	got := make([]byte, 1<<16)
	size, err := reader.Read(got)
	if err != nil || string(got[:size]) != wantHeader+wantRows+wantRows {
		t.Errorf("read %v\n%s", err, got[:size])
	}
}
