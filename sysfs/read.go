package sysfs

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// Open opens a file for Read and returns its descriptor, which the caller closes with
// unix.Close. The error names the file.
func Open(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, fmt.Errorf("open %s: %w", path, err)
	}
	return fd, nil
}

// Read reads an open file from its start into buf, which is longer than any value, and
// returns what it read. pread is unix.Pread; tests have the driver fail. The error names
// path and wraps the driver's own: ENODEV where the driver was taken away, ENODATA where a
// sensor is disabled, and so on.
func Read(pread func(fd int, p []byte, offset int64) (int, error), fd int, path string, buf []byte) ([]byte, error) {
	n, err := pread(fd, buf, 0)
	for errors.Is(err, unix.EINTR) {
		n, err = pread(fd, buf, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return buf[:n], nil
}

// ReadNumber is Read for a file that holds one number, which it returns.
func ReadNumber(pread func(fd int, p []byte, offset int64) (int, error), fd int, path string, buf []byte) (uint64, error) {
	text, err := Read(pread, fd, path, buf)
	if err != nil {
		return 0, err
	}
	n, err := ParseNumber(text)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", path, err)
	}
	return n, nil
}
