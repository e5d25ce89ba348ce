package agent

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sys/unix"
)

// watchProcess publishes what the agent itself takes of the machine.
func (t *telemetry) watchProcess() error {
	cpu, err := t.meter.Float64ObservableCounter("podjoule.agent.cpu.time", metric.WithUnit("s"),
		metric.WithDescription("CPU time that the agent itself used"))
	if err != nil {
		return err
	}
	memory, err := t.meter.Int64ObservableGauge("podjoule.agent.memory.resident", metric.WithUnit("By"),
		metric.WithDescription("Resident memory of the agent itself"))
	if err != nil {
		return err
	}
	open, err := t.meter.Int64ObservableGauge("podjoule.agent.open_files", metric.WithUnit("{file}"),
		metric.WithDescription("Files, sockets and watches that the agent has open"))
	if err != nil {
		return err
	}
	limit, err := t.meter.Int64ObservableGauge("podjoule.agent.open_files.limit", metric.WithUnit("{file}"),
		metric.WithDescription("How many it may have open; absent without a limit"))
	if err != nil {
		return err
	}
	user := metric.WithAttributeSet(attribute.NewSet(attribute.String("mode", "user")))
	system := metric.WithAttributeSet(attribute.NewSet(attribute.String("mode", "system")))
	files := new(fileCount)
	_, err = t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		// What the kernel does not tell is left out.
		var used unix.Rusage
		if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
			o.ObserveFloat64(cpu, time.Duration(used.Utime.Nano()).Seconds(), user)
			o.ObserveFloat64(cpu, time.Duration(used.Stime.Nano()).Seconds(), system)
		}
		if bytes, err := residentMemory(); err == nil {
			o.ObserveInt64(memory, bytes)
		}
		if n, err := files.now(time.Now()); err == nil {
			o.ObserveInt64(open, n)
		}
		var most unix.Rlimit
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &most) == nil && most.Cur != unix.RLIM_INFINITY {
			o.ObserveInt64(limit, int64(most.Cur))
		}
		return nil
	}, cpu, memory, open, limit)
	return err
}

// residentMemory returns the resident memory of this process in bytes. The agent's own
// /proc is meant, and not that of the node.
func residentMemory() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: %d fields", len(fields))
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/self/statm: %w", err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// countFiles is how often open files are counted anew: on kernels that do not tell how
// many there are, each is listed.
const countFiles = 5 * time.Second

// fileCount counts the open files of this process.
type fileCount struct {
	mu sync.Mutex
	at time.Time
	n  int64
}

func (c *fileCount) now(now time.Time) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.at.IsZero() && now.Sub(c.at) < countFiles {
		return c.n, nil
	}
	n, err := openFiles()
	if err == nil {
		c.at, c.n = now, n
	}
	return n, err
}

func openFiles() (int64, error) {
	const folder = "/proc/self/fd"
	if info, err := os.Stat(folder); err == nil && info.Size() > 0 { // since Linux 6.2
		return info.Size(), nil
	}
	all, err := os.ReadDir(folder)
	if err != nil {
		return 0, err
	}
	return int64(len(all)) - 1, nil // the folder itself was open
}
