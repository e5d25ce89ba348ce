package cgroup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Events tells when a Finder has something to update. It may be used while the
// finder is.
type Events struct {
	file *os.File

	mu    sync.Mutex
	woken bool
}

// past is a deadline that ends a wait at once.
func past() time.Time { return time.Unix(1, 0) }

// Wake ends the wait that is under way, or the next one.
func (e *Events) Wake() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.woken = true
	_ = e.file.SetReadDeadline(past()) // fails only when closed, which ends the wait too
}

// begin reports whether there is something to wait for.
func (e *Events) begin() (bool, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.woken {
		e.woken = false
		return false, nil
	}
	return true, e.file.SetReadDeadline(time.Time{})
}

// Wait waits until something happened that Finder.Update has not looked at, until
// Wake is called or until the context ends. The error wraps os.ErrClosed when the
// finder does not watch any more, and is else that of the context.
func (e *Events) Wait(ctx context.Context) error {
	conn, err := e.file.SyscallConn()
	if err != nil {
		return errNoEvents
	}
	wait, err := e.begin()
	if err != nil {
		return errNoEvents
	}
	if !wait {
		return nil
	}
	over := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(over)
		_ = e.file.SetReadDeadline(past())
	})
	defer func() {
		if !stop() {
			<-over
		}
	}()
	err = conn.Read(func(fd uintptr) bool {
		queued, err := unix.IoctlGetInt(int(fd), unix.TIOCINQ)
		return err != nil || queued > 0
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		_, err = e.begin() // woken
		return err
	}
	return errNoEvents
}

var errNoEvents = fmt.Errorf("wait for what happens to cgroups: %w", os.ErrClosed)

// eventsFile is the file of a version 2 cgroup that changes when its last process
// leaves, or the first one comes.
const eventsFile = "cgroup.events"

// Watch has the kernel tell what happens to cgroups, so that Update looks only at
// those, and at once. What is there already is looked at by the next Update.
//
// The error wraps ErrWatchLimit where the kernel's limits are in the way. They can
// be reached later too: then the events end, and Update looks at everything again.
func (f *Finder) Watch() (*Events, error) {
	f.unwatch()
	w, err := newNotifier()
	if err != nil {
		f.refused = err
		return nil, err
	}
	f.notifier, f.missed = w, true
	for _, n := range f.roots {
		f.watchAll(n)
	}
	if f.notifier == nil {
		return nil, f.refused
	}
	return &Events{file: w.file}, nil
}

// Refused is why the finder watches no more; nil while it does, and when it was
// not told to.
func (f *Finder) Refused() error { return f.refused }

func (f *Finder) watchAll(n *node) {
	f.watch(n)
	for _, child := range n.children {
		f.watchAll(child)
	}
}

// watch has the kernel tell about a folder, if it does so at all. Containers'
// folders tell nothing that those of their pods do not.
func (f *Finder) watch(n *node) {
	if f.notifier == nil || n.id.ContainerID != "" {
		return
	}
	if err := f.notifier.add(n); err != nil {
		f.unwatch()
		f.refused = err
	}
}

func (f *Finder) unwatch() {
	f.refused = nil
	if f.notifier == nil {
		return
	}
	for _, n := range f.notifier.nodes {
		n.watch = 0
	}
	f.notifier.close()
	f.notifier = nil
}

// Update does what Scan does, but looks only at what the kernel told of since,
// where it does.
func (f *Finder) Update() (*Changes, error) {
	if f.notifier == nil {
		return f.Scan(false)
	}
	f.clear()
	if err := f.notifier.drain(f.note); err != nil {
		f.unwatch()
		f.refused = err
		return f.Scan(false)
	}
	if f.missed {
		return f.scanAll(nil)
	}
	if len(f.due) == 0 {
		return &f.changes, nil
	}
	f.scan++
	// Folders before those in them, which may have been removed with them.
	due := slices.SortedFunc(maps.Keys(f.due), func(a, b *node) int { return cmp.Compare(len(a.path), len(b.path)) })
	clear(f.due)
	var errs []error
	for _, n := range due {
		if n.dropped {
			continue
		}
		if err := f.list(n, false); err != nil {
			errs = append(errs, err)
			f.mark(n) // to be looked at again, since it is not told again
		}
	}
	return &f.changes, errors.Join(errs...)
}

// note takes down what one event means.
func (f *Finder) note(e event) {
	if e.mask&unix.IN_Q_OVERFLOW != 0 {
		f.missed = true
		return
	}
	n := f.notifier.nodes[e.watch]
	if n == nil {
		return // of a watch that was given back meanwhile
	}
	if e.mask&unix.IN_IGNORED != 0 { // the kernel gave the watch back
		delete(f.notifier.nodes, e.watch)
		n.watch = 0
		f.mark(n)
		return
	}
	folder := e.mask&unix.IN_ISDIR != 0
	if n.found != nil && (folder || string(e.name) == eventsFile) {
		f.touch(n.found)
	}
	if folder && n.children != nil {
		f.mark(n)
	}
}

func (f *Finder) mark(n *node) {
	if f.due == nil {
		f.due = make(map[*node]struct{})
	}
	f.due[n] = struct{}{}
}

func (f *Finder) touch(found *Found) {
	for _, other := range f.changes.Touched {
		if other == found {
			return
		}
	}
	f.changes.Touched = append(f.changes.Touched, found)
}
