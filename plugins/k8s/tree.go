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
	last   uint64       // and in the one before
	open   bool         // there is a base
	base   uint64       // what the counter was when nothing was booked; modulo 2^64
	booked uint64       // counted by pods: emitted, or yet to be
	left   uint64       // counted by none that is known
	told   uint64       // of that, what was emitted
	end    time.Time    // of the window for which that was last known
	series *measure.Series
}

// followFolders takes note of which kubepods folders there are.
func (s *source) followFolders() {
	for path := range s.finder.Kubepods() {
		if s.trees[path] == nil {
			s.trees[path] = &tree{path: path, reader: s.hierarchy.Reader(path)}
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
	}
}

// closeBooks adds what each folder counted and no pod is to be shown with. Whether all
// pods could be looked for is sure or not; else the next tick tells of this one too.
func (s *source) closeBooks(b *measure.Batch, sure bool) error {
	if !s.measuresCPU {
		return nil
	}
	var first error
	for path, t := range s.trees {
		switch {
		case errors.Is(t.err, cgroup.ErrGone):
			if t.open = false; t.targets == 0 {
				s.dropTree(path, b)
			}
		case t.err != nil:
			if first == nil {
				first = fmt.Errorf("it is not known what pods that ended used: %w", t.err)
			}
		case !t.open || !t.now.Known || t.now.N < t.last:
			s.openBooks(t)
		case sure && !s.unsure(t):
			t.last = t.now.N
			if more := int64(t.now.N - t.base - t.booked - t.left); more > 0 {
				t.left += uint64(more)
			}
			s.tell(t, b)
		}
	}
	return first
}

// openBooks takes a new base, after the pods were read: what they counted before is
// theirs. Where that fails, the next tick tries again.
func (s *source) openBooks(t *tree) {
	err := t.reader.CPUTotal(&s.buf, &t.now)
	if t.open = err == nil && t.now.Known; t.open {
		t.base, t.last = t.now.N-t.booked-t.left, t.now.N
	}
}

// unsure reports whether a pod of a tree could not be read in this tick though it is
// there: what it used may be told by its next reading.
func (s *source) unsure(of *tree) bool {
	for _, t := range s.targets {
		if t.tree == of && t.isPod() && t.lives() && t.cpu[total].stale && !t.removed {
			return true
		}
	}
	return false
}

// tell emits what is left of a tree of this node, from the first time that there is
// something.
func (s *source) tell(t *tree, b *measure.Batch) {
	if s.ours() && t.named == 0 {
		s.retire(t, b)
		return
	}
	since := t.end
	known := !s.directory.asked.IsZero() || s.directory.err != nil || b.Last // whose it is
	if !hasWindow(b) || !known {
		return
	}
	t.end = b.End
	if t.series == nil {
		if t.left == t.told || !s.ceiling.take(1) {
			return
		}
		t.series = s.newRemainder(t)
	}
	if since.IsZero() || since.Equal(b.Start) {
		b.Uint(t.series, t.left-t.told)
	} else {
		b.UintOver(t.series, t.left-t.told, b.End.Sub(since))
	}
	t.told = t.left
}

// newRemainder makes the series of what the pods of a tree used beyond what is told of
// each. It has no uid, name or namespace.
func (s *source) newRemainder(t *tree) *measure.Series {
	return &measure.Series{
		Metric:     s.metrics.pods.cpuTime,
		Resource:   measure.Resource{Kind: measure.LocalMachine},
		Consumer:   measure.Consumer{Kind: measure.TerminatedPods, ID: t.path},
		Attributes: []measure.Attribute{{Key: keyKind, Value: cpuKinds[total]}, {Key: keyNode, Value: s.node}},
	}
}

func (s *source) retire(t *tree, b *measure.Batch) {
	if t.series != nil {
		b.Retire(t.series)
		s.ceiling.free(1)
		t.series = nil
	}
}

// dropTree forgets a folder that is gone.
func (s *source) dropTree(path string, b *measure.Batch) {
	s.retire(s.trees[path], b)
	s.trees[path].reader.Close()
	delete(s.trees, path)
}
