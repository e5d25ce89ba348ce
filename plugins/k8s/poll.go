package k8s

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// Poll implements plugin.Source. In steady state it allocates nothing.
func (s *source) Poll(ctx context.Context, b *measure.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sockets != nil {
		s.refreshSockets()
	}
	s.readFolders()                 // before their pods, see tree
	lookErr := s.look(b.End, false) // all are read below
	if d := s.discovery.current.Load(); s.changed || s.endings > 0 || d != s.directory || b.Last || s.ceiling.due() {
		s.changed = false
		s.name(d, b)
	}
	if s.windowEnd.IsZero() {
		s.begin(b.Start)
	}
	s.windowEnd = b.End
	s.memoryDue = s.memoryPace.due(b)
	err := errors.Join(lookErr, s.sweep(ctx, b))
	if s.endings > 0 {
		s.bury(b)
	}
	return errors.Join(err, s.closeBooks(b, lookErr == nil))
}

// begin has what was read before the first tick belong to the first window.
func (s *source) begin(start time.Time) {
	for _, t := range s.targets {
		for kind := range t.cpu {
			t.cpu[kind].begin(start)
		}
		t.details.begin(start)
		t.packages.begin(start)
	}
}

// sweep reads all targets. One that cannot be read costs the others nothing.
func (s *source) sweep(ctx context.Context, b *measure.Batch) error {
	var first error
	bad := 0
	for _, t := range s.targets {
		var err error
		switch {
		case !t.lives():
		case t.series != nil || !t.glanced:
			err = s.read(t)
		case t.isPod():
			err = s.readCPU(t) // not shown: what it counts is not what is left of others
		default:
			continue // not shown: its next reading waits until it is
		}
		s.emit(t, b)
		if err != nil && !errors.Is(err, cgroup.ErrGone) {
			if bad++; first == nil {
				first = err
			}
		}
	}
	if first == nil {
		return nil
	}
	s.self.readErrors.Add(ctx, int64(bad))
	return fmt.Errorf("%d of %d cgroups could not be read in full; the first: %w", bad, len(s.targets), first)
}

// read reads one target. A removed cgroup is no error: the finder tells that it went.
func (s *source) read(t *target) error {
	errCPU := s.readCPU(t)
	var errMemory error
	if s.memoryDue || !t.sampled {
		errMemory = s.readMemory(t)
	}
	return errors.Join(errCPU, errMemory, s.readDetails(t))
}

func (s *source) readCPU(t *target) error {
	t.glanced = true
	if !s.measuresCPU && !s.groups.Throttling {
		return nil
	}
	at := time.Now()
	var err error
	if s.groups.Throttling {
		err = s.readThrottling(t, at)
	} else {
		err = t.reader.CPU(&s.buf, &s.cpu)
	}
	if !s.measuresCPU {
		return err
	}
	t.removed = errors.Is(err, cgroup.ErrGone)
	untaken := t.cpu[total].sum
	reset := t.cpu[total].read(s.cpu.Total, at, s.windowEnd)
	if t.isPod() {
		t.tree.total.booked += t.cpu[total].sum - untaken
	}
	back := reset
	for kind, v := range [kinds]cgroup.Value{system: s.cpu.System, user: s.cpu.User} {
		c := &t.cpu[kind]
		switch {
		case kind == total:
		case reset:
			c.rebase(v, at, s.windowEnd)
		case t.cpu[total].known && v.Known && v.N < c.n:
			// The kernel divides the total between them anew each time, and some
			// versions take back what they gave. Without the total it cannot be told.
			c.read(cgroup.Value{N: c.n, Known: s.cpu.Total.Known}, at, s.windowEnd)
		default:
			back = c.read(v, at, s.windowEnd) || back
		}
	}
	backOnCPU, errPackages := s.readPackages(t, at)
	if back || backOnCPU {
		s.self.resets.Add(context.Background(), 1)
	}
	if errPackages == nil {
		return err // the usual way, without the allocation of a join
	}
	return errors.Join(err, errPackages)
}

func (s *source) readMemory(t *target) error {
	t.sampled = true
	var err error
	if s.groups.MemoryDetail {
		err = s.readMemoryDetail(t)
	} else if s.measuresMemory {
		err = t.reader.Memory(&s.buf, &s.memory)
	}
	if !s.measuresMemory {
		return err
	}
	if t.stale = errors.Is(err, cgroup.ErrGone); !t.stale {
		t.memory = s.memory
	}
	return err
}

// emit adds what is known of a target and was not emitted yet.
func (s *source) emit(t *target, b *measure.Batch) {
	if t.series == nil {
		return
	}
	for kind := range t.cpu {
		if hasWindow(b) { // else what was counted already belongs to the next one
			s.emitCPU(t, kind, b)
		}
	}
	s.emitPackages(t, b)
	s.emitDetails(t, b)
	s.emitRequests(t, b)
	if t.lives() && !t.stale && s.memoryDue || !t.lives() && !t.shown {
		s.emitMemory(t, b)
	}
}

// hasWindow tells the first batch, which has none, from the others.
func hasWindow(b *measure.Batch) bool { return b.Last || !b.End.Equal(b.Start) }

// emitCPU adds what a counter counted, and its share of the time that passed.
func (s *source) emitCPU(t *target, kind int, b *measure.Batch) {
	if t.cpu[kind].stale && t.lives() {
		return // the next reading tells of this window too
	}
	a, ok := t.cpu[kind].take(b.End)
	if kind == total {
		s.emitPlace(t, a, ok, b)
	}
	if !ok || t.series.cpuTime[kind] == nil {
		return
	}
	emitAmount(t.series.cpuTime[kind], a, b)
	if a.passed > 0 {
		b.Float(t.series.cpuPercent[kind], 100*float64(a.n)/float64(a.passed))
	}
}

// emitAmount adds what was counted, and of which time it is: of several windows where
// readings failed, or where the pod has its name only now.
func emitAmount(series *measure.Series, a amount, b *measure.Batch) {
	if a.since.Equal(b.Start) {
		b.Uint(series, a.n)
	} else {
		b.UintOver(series, a.n, b.End.Sub(a.since))
	}
}

func (s *source) emitMemory(t *target, b *measure.Batch) {
	for part, v := range [memoryParts]cgroup.Value{
		memoryUsage:       t.memory.Usage,
		memoryAnonymous:   t.memory.Anonymous,
		memoryFile:        t.memory.File,
		memoryKernelStack: t.memory.KernelStack,
		memoryPageTables:  t.memory.PageTables,
	} {
		if v.Known {
			b.Uint(t.series.memory[part], v.N)
			t.shown = true
		}
	}
}

// bury drops the targets that are gone and have emitted what was left.
func (s *source) bury(b *measure.Batch) {
	done := func(t *target) bool { return !t.lives() && !t.held && hasWindow(b) }
	for _, t := range s.targets {
		if done(t) {
			s.forget(t, b)
			s.endings--
		}
	}
	s.targets = slices.DeleteFunc(s.targets, done)
}
