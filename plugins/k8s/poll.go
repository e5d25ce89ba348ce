package k8s

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// Poll implements plugin.Source. In steady state it allocates nothing.
func (s *source) Poll(ctx context.Context, b *measure.Batch) error {
	pause := searchInterval
	if len(s.targets) == 0 && s.finder.Lost() {
		pause = lostInterval // an empty folder beside one with pods is none to wait for
	}
	search := s.searched.IsZero() || b.End.Sub(s.searched) >= pause
	if search {
		s.searched = b.End
	}
	changes, scanErr := s.finder.Scan(search)
	changed := len(changes.Gone)+len(changes.Appeared) > 0
	s.take(changes, b)
	if d := s.discovery.current.Load(); changed || d != s.directory || b.Last {
		s.name(d, b)
	}
	return errors.Join(scanErr, s.sweep(ctx, b))
}

// sweep reads all targets. One that cannot be read costs the others nothing.
func (s *source) sweep(ctx context.Context, b *measure.Batch) error {
	var first error
	bad := 0
	for _, t := range s.targets {
		if t.series == nil && t.cpu[total].known {
			continue // not shown: its first reading waits until it is
		}
		if err := s.read(t, b); err != nil && !errors.Is(err, cgroup.ErrGone) {
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

// read reads one target and emits what it tells. A removed cgroup is no error:
// the next scan tells that it went.
func (s *source) read(t *target, b *measure.Batch) error {
	var err error
	if s.measuresCPU {
		at := time.Now()
		err = t.reader.CPU(&s.buf, &s.cpu)
		s.emitCPU(t, total, s.cpu.Total, at, b)
		s.emitCPU(t, system, s.cpu.System, at, b)
		s.emitCPU(t, user, s.cpu.User, at, b)
	}
	if !s.measuresMemory || t.series == nil {
		return err
	}
	if e := t.reader.Memory(&s.buf, &s.memory); e != nil {
		err = errors.Join(err, e)
	}
	for part, v := range [memoryParts]cgroup.Value{
		memoryUsage:       s.memory.Usage,
		memoryAnonymous:   s.memory.Anonymous,
		memoryFile:        s.memory.File,
		memoryKernelStack: s.memory.KernelStack,
		memoryPageTables:  s.memory.PageTables,
	} {
		if v.Known {
			b.Uint(t.series.memory[part], v.N)
		}
	}
	return err
}

// emitCPU takes a reading of a counter and, if the target is shown, emits what
// was counted since the reading before, and its share of the time passed.
func (s *source) emitCPU(t *target, kind int, v cgroup.Value, at time.Time, b *measure.Batch) {
	delta, last, ok, back := t.cpu[kind].advance(v, at, b.End)
	if back {
		s.self.resets.Add(context.Background(), 1)
	}
	if !ok || t.series == nil {
		return
	}
	if last.end.Equal(b.Start) {
		b.Uint(t.series.cpuTime[kind], delta)
	} else {
		b.UintOver(t.series.cpuTime[kind], delta, b.End.Sub(last.end))
	}
	if passed := at.Sub(last.at); passed > 0 {
		b.Float(t.series.cpuPercent[kind], 100*float64(delta)/float64(passed))
	}
}
