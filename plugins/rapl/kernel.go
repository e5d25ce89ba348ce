package rapl

import "golang.org/x/sys/unix"

// kernel is what is asked of it; tests have it refuse, and count what no CPU at hand does.
type kernel struct {
	pread func(fd int, p []byte, offset int64) (int, error)
	read  func(fd int, p []byte) (int, error)
	close func(fd int) error
	// event opens an event, as unix.PerfEventOpen does.
	event func(attr *unix.PerfEventAttr, pid, cpu, group, flags int) (int, error)
}

func realKernel() *kernel {
	return &kernel{pread: unix.Pread, read: unix.Read, close: unix.Close, event: unix.PerfEventOpen}
}
