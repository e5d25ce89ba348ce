package cgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// ErrWatchLimit is wrapped by errors of Finder.Watch where the kernel allows no
// more watches. The message names the setting.
var ErrWatchLimit = errors.New("the kernel allows no more")

// notifier is an inotify instance, see inotify(7): the kernel tells in which
// folders something happened.
type notifier struct {
	fd    int
	file  *os.File // the same, for waiting
	nodes map[int32]*node
	buf   []byte
}

func newNotifier() (*notifier, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	switch {
	case errors.Is(err, unix.EMFILE):
		return nil, fmt.Errorf("watch cgroups: %w inotify instances or open files: raise the sysctl fs.inotify.max_user_instances, or the limit of open files (LimitNOFILE)", ErrWatchLimit)
	case err != nil:
		return nil, fmt.Errorf("watch cgroups: %w", err)
	}
	return &notifier{
		fd: fd, file: os.NewFile(uintptr(fd), "inotify"),
		nodes: make(map[int32]*node), buf: make([]byte, 64<<10),
	}, nil
}

// What is told of a folder: what comes and goes in it and, of a pod's, that a file
// of the kernel changed, as cgroup.events does when the last process leaves.
const (
	folderMask = unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVE | unix.IN_ONLYDIR | unix.IN_EXCL_UNLINK
	podMask    = folderMask | unix.IN_MODIFY
)

// add has the kernel tell about a folder. One that is not there any more is no
// error: the folder above it tells.
func (w *notifier) add(n *node) error {
	mask := uint32(folderMask)
	if n.id.UID != "" {
		mask = podMask
	}
	wd, err := unix.InotifyAddWatch(w.fd, n.path, mask)
	switch {
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ENODEV):
		return nil
	case errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("watch %s: %w inotify watches: raise the sysctl fs.inotify.max_user_watches", n.path, ErrWatchLimit)
	case err != nil:
		return fmt.Errorf("watch %s: %w", n.path, err)
	}
	n.watch = int32(wd)
	w.nodes[n.watch] = n
	return nil
}

// remove gives a watch back. The folder is gone as a rule, but the kernel keeps
// watches of removed cgroups, unlike those of other folders, until it is told.
func (w *notifier) remove(n *node) {
	if n.watch == 0 || w.nodes[n.watch] != n {
		return
	}
	_, _ = unix.InotifyRmWatch(w.fd, uint32(n.watch)) // fails where the kernel was first
	delete(w.nodes, n.watch)
	n.watch = 0
}

// drain calls visit for everything that was told since the last time.
func (w *notifier) drain(visit func(event)) error {
	for {
		n, err := unix.Read(w.fd, w.buf)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return nil
		case err != nil:
			return fmt.Errorf("read what happened to cgroups: %w", err)
		}
		parseEvents(w.buf[:n], visit)
	}
}

func (w *notifier) close() { _ = w.file.Close() } // only read

// event is one entry that the kernel writes. Its name is valid during the visit.
type event struct {
	watch int32
	mask  uint32
	name  []byte // of the entry in the folder; empty for the folder itself
}

// Offsets in struct inotify_event, see inotify(7).
const (
	eventMask   = 4
	eventLength = 12 // of the name, with the zeros that fill it up
	eventName   = 16
)

func parseEvents(buf []byte, visit func(event)) {
	for len(buf) >= eventName {
		length := binary.NativeEndian.Uint32(buf[eventLength:])
		if uint64(length) > uint64(len(buf)-eventName) {
			return
		}
		size := eventName + int(length)
		name := buf[eventName:size]
		for i, c := range name {
			if c == 0 {
				name = name[:i]
				break
			}
		}
		visit(event{
			watch: int32(binary.NativeEndian.Uint32(buf)),
			mask:  binary.NativeEndian.Uint32(buf[eventMask:]),
			name:  name,
		})
		buf = buf[size:]
	}
}
