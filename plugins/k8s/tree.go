package k8s

import (
	"errors"
	"fmt"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// tree is one kubepods folder. A machine can hold those of several nodes.
//
// The folder's own counter keeps the CPU time of pods that are gone, also of what they
// used after they were last read, and of those that came and went unseen. It is read
// before its pods are looked for, and they are read after it: so what it counted beyond
// them is never more than what such pods used. It may be less for a moment, by what the
// living used between the two readings.
type tree struct {
	path    string
	targets int // pods and containers in it
	named   int // pods in it that have a name

	reader *cgroup.Reader
	now    cgroup.Value // the folder's counter in this tick
	err    error        // of reading it
	total  account

	// By package, where that is wanted: see sockets.
	packages     []account
	openPackages bool // they have a base
	cpus         cpuTimes
	spent        []uint64 // what the CPUs counted since they were first read
	split        bool     // they could be read in this tick
	errPackages  error    // why not
	place        place
}

// account compares what a folder counted with what its pods did.
type account struct {
	last   uint64    // what the folder had counted in the tick before
	open   bool      // there is a base
	base   uint64    // what the counter was when nothing was booked; modulo 2^64
	booked uint64    // counted by pods: emitted, or yet to be
	left   uint64    // counted by none that is known
	told   uint64    // of that, what was emitted
	end    time.Time // of the window for which that was last known
	series *measure.Series
}

// begin takes a new base.
func (l *account) begin(now uint64) {
	l.open, l.base, l.last = true, now-l.booked-l.left, now
}

// balance takes what the folder has counted, and returns how much more is left.
func (l *account) balance(now uint64) uint64 {
	l.last = now
	more := int64(now - l.base - l.booked - l.left)
	if more <= 0 {
		return 0
	}
	l.left += uint64(more)
	return uint64(more)
}

// grow makes room for packages. One that is found later has counted from zero.
func (t *tree) grow(packages int) {
	for len(t.packages) < packages {
		var fresh account
		if len(t.packages) > 0 {
			fresh.end = t.packages[0].end
		}
		t.packages, t.spent = append(t.packages, fresh), append(t.spent, 0)
	}
}

// followFolders takes note of which kubepods folders there are.
func (s *source) followFolders() {
	for path := range s.finder.Kubepods() {
		if s.trees[path] == nil {
			s.trees[path] = &tree{path: path, reader: s.hierarchy.Reader(path)}
			if s.sockets != nil {
				s.trees[path].grow(len(s.sockets.spent))
			}
		}
	}
}

// readFolders reads the counters of the kubepods folders.
func (s *source) readFolders() {
	if !s.measuresCPU {
		return
	}
	for _, t := range s.trees {
		t.err = t.reader.CPUTotal(&s.buf, &t.now)
		if s.sockets != nil && t.err == nil {
			t.errPackages = s.readFolderPackages(t)
		}
	}
}

// closeBooks adds what each folder counted and no pod is to be shown with. Whether all
// pods could be looked for is sure or not; else the next tick tells of this one too.
func (s *source) closeBooks(b *measure.Batch, sure bool) error {
	if !s.measuresCPU {
		return nil
	}
	var first error
	fail := func(err error) {
		if err != nil && first == nil {
			first = fmt.Errorf("it is not known what pods that ended used: %w", err)
		}
	}
	for path, t := range s.trees {
		if errors.Is(t.err, cgroup.ErrGone) {
			if t.total.open, t.openPackages = false, false; t.targets == 0 {
				s.dropTree(path, b)
			}
			continue
		}
		if fail(t.err); t.err != nil {
			continue
		}
		more, balanced := s.closeTotal(t, b, sure)
		if s.sockets != nil {
			fail(t.errPackages)
			if balanced && !s.sockets.counted {
				t.placeLeft(more)
			}
			fail(s.closePackages(t, b, sure))
		}
	}
	return first
}

// closeTotal closes the books of all CPU time, and returns how much more of it is left
// and whether that is known.
func (s *source) closeTotal(t *tree, b *measure.Batch, sure bool) (more uint64, balanced bool) {
	switch {
	case !t.total.open || !t.now.Known || t.now.N < t.total.last:
		s.openBooks(t)
	case sure && !s.unsure(t, func(of *target) bool { return of.cpu[total].stale }):
		more, balanced = t.total.balance(t.now.N), true
		if s.groups.CPU {
			s.tell(t, &t.total, b, func() *measure.Series {
				return s.newRemainder(t, s.metrics.pods.cpuTime, measure.Resource{Kind: measure.LocalMachine}, measure.Attribute{Key: keyKind, Value: cpuKinds[total]})
			})
		}
	}
	return more, balanced
}

// openBooks takes a new base, after the pods were read: what they counted before is
// theirs. Where that fails, the next tick tries again.
func (s *source) openBooks(t *tree) {
	err := t.reader.CPUTotal(&s.buf, &t.now)
	if t.total.open = err == nil && t.now.Known; t.total.open {
		t.total.begin(t.now.N)
	}
}

// unsure reports whether a pod of a tree could not be read in this tick though it is
// there: what it used may be told by its next reading.
func (s *source) unsure(of *tree, stale func(*target) bool) bool {
	for _, t := range s.targets {
		if t.tree == of && t.isPod() && t.lives() && !t.removed && stale(t) {
			return true
		}
	}
	return false
}

// tell emits what is left of a tree of this node, from the first time that there is
// something.
func (s *source) tell(t *tree, l *account, b *measure.Batch, newSeries func() *measure.Series) {
	if s.ours() && t.named == 0 {
		s.retire(l, b)
		return
	}
	since := l.end
	known := !s.directory.asked.IsZero() || s.directory.err != nil || b.Last // whose it is
	if !hasWindow(b) || !known {
		return
	}
	l.end = b.End
	if l.series == nil {
		if l.left == l.told || !s.ceiling.take(1) {
			return
		}
		l.series = newSeries()
	}
	if since.IsZero() || since.Equal(b.Start) {
		b.Uint(l.series, l.left-l.told)
	} else {
		b.UintOver(l.series, l.left-l.told, b.End.Sub(since))
	}
	l.told = l.left
}

// newRemainder makes a series of what the pods of a tree used beyond what is told of
// each. It has no uid, name or namespace.
func (s *source) newRemainder(t *tree, m *measure.Metric, on measure.Resource, kind ...measure.Attribute) *measure.Series {
	return &measure.Series{
		Metric:     m,
		Resource:   on,
		Consumer:   measure.Consumer{Kind: measure.TerminatedPods, ID: t.path},
		Attributes: append(kind, measure.Attribute{Key: keyNode, Value: s.node}),
	}
}

func (s *source) retire(l *account, b *measure.Batch) {
	if l.series != nil {
		b.Retire(l.series)
		s.ceiling.free(1)
		l.series = nil
	}
}

// dropTree forgets a folder that is gone.
func (s *source) dropTree(path string, b *measure.Batch) {
	t := s.trees[path]
	s.retire(&t.total, b)
	for i := range t.packages {
		s.retire(&t.packages[i], b)
	}
	t.reader.Close()
	delete(s.trees, path)
}
