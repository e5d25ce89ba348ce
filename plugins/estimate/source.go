package estimate

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// source estimates the energy of the node.
type source struct {
	model   model
	doubt   error // about the model, for Ready
	compare bool
	stat    statFile
	meter   meter
	heard   heard
	self    *instruments

	usage usage
	terms [levels][parts]term
	// series are nil while nothing is estimated.
	series [levels][parts]*measure.Series
	differ *measure.Series

	resting atomic.Pointer[error] // why nothing is estimated, beside a meter, for Ready
}

// Poll implements plugin.Source.
func (s *source) Poll(ctx context.Context, b *measure.Batch) error {
	s.meter.look(b.End)
	s.heard.hear(b)
	if !s.compare && (s.meter.found() || s.heard.recent(b.End)) {
		if s.resting.Load() == nil {
			s.rest(ctx, b, s.metered())
		}
		return nil
	}
	s.begin(ctx)
	now, err := s.stat.read()
	if err != nil {
		return err // what passes until the next reading counts in it
	}
	w, ok := s.usage.take(now, b.End)
	if w.wentBackwards {
		s.self.resets.Add(ctx, 1)
	}
	if w.jumped {
		s.self.jumps.Add(ctx, 1)
	}
	var estimated uint64
	if ok {
		estimated = s.emit(b, w)
	}
	if !s.compare {
		return nil
	}
	return s.emitDifference(b, estimated, w.passed)
}

// begin has the series ready.
func (s *source) begin(ctx context.Context) {
	if s.series[levelMiddle][partIdle] != nil {
		return
	}
	for level := range s.model.levels {
		for part := range parts {
			s.series[level][part] = newSeries(level, part, s.model.name)
			s.terms[level][part].power = s.model.power[level][part]
		}
	}
	s.differ = newDifference(s.model.name)
	s.resting.Store(nil)
	s.self.active.Record(ctx, 1)
}

// rest ends the series: a meter does it better.
func (s *source) rest(ctx context.Context, b *measure.Batch, why error) {
	s.resting.Store(&why)
	s.self.active.Record(ctx, 0)
	for level := range s.series {
		for part, series := range s.series[level] {
			if series != nil {
				b.Retire(series)
			}
			s.series[level][part] = nil
		}
	}
	s.usage = usage{}
	s.stat.close()
}

// emit adds the energy of a window, and returns the estimate in µJ.
func (s *source) emit(b *measure.Batch, w window) uint64 {
	var estimated uint64
	span := w.passed
	if span == b.End.Sub(b.Start) {
		span = 0
	}
	for level := range s.model.levels {
		for part, ns := range [parts]uint64{partIdle: w.present, partDynamic: w.busy} {
			energy := s.terms[level][part].take(ns)
			b.UintOver(s.series[level][part], energy, span)
			if level == levelMiddle {
				estimated += energy
			}
		}
	}
	return estimated
}

// emitDifference adds by how much the estimate of a window is more than what was measured
// in it.
func (s *source) emitDifference(b *measure.Batch, estimated uint64, window time.Duration) error {
	if !s.meter.found() {
		return nil
	}
	measured, err := s.meter.measured(b.End, window)
	if errors.Is(err, errNoWindow) {
		return nil
	}
	if err != nil {
		return err
	}
	b.Float(s.differ, float64(estimated)-float64(measured))
	return nil
}

// Ready implements plugin.Readier.
func (s *source) Ready() error {
	if why := s.resting.Load(); why != nil {
		return *why
	}
	return s.doubt
}

// Close implements io.Closer.
func (s *source) Close() error {
	s.stat.close()
	return nil
}
