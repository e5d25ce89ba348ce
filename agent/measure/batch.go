package measure

import (
	"math"
	"time"
)

// Sample is one value of one series. What is counted is an unsigned integer,
// what was divided is a float.
type Sample struct {
	Series *Series
	// Span is the time that a delta covers, up to the end of the batch. It is
	// 0 where the delta covers just the batch's own window, as nearly all do;
	// it is longer after reads that failed, since nothing of a counter is lost.
	Span time.Duration

	bits  uint64
	float bool
}

// Uint returns the value of a counted sample, and false for a float.
func (s *Sample) Uint() (uint64, bool) { return s.bits, !s.float }

// Float returns the value as a float. Integers above 2^53 lose precision.
func (s *Sample) Float() float64 {
	if s.float {
		return math.Float64frombits(s.bits)
	}
	return float64(s.bits)
}

// Batch is what the sources of one interval measured in one tick. It is reused:
// whoever receives one may not keep it, nor its slices.
type Batch struct {
	// Interval is the poll interval of the sources that filled the batch.
	// Batches of different intervals are independent of each other.
	Interval time.Duration
	// Start and End bound the window that the deltas cover. Their difference
	// is monotonic, and the same on the wall clock: one that was set in between
	// counts as if it had been right all along. End is also the time of the
	// gauges. In the first batch of an interval Start equals End.
	Start, End time.Time
	// Last says that the agent ends after this batch: what a source has held
	// back so far belongs in it.
	Last bool
	// Samples holds at most one sample of each series.
	Samples []Sample
	// Ended holds the series that will not come again. Their last sample may
	// be in this batch or in an earlier one.
	Ended []*Series
}

// Reset empties the batch for the next window and keeps its memory.
func (b *Batch) Reset(interval time.Duration, start, end time.Time) {
	clear(b.Samples) // drops the pointers of series that are gone
	clear(b.Ended)
	b.Interval, b.Start, b.End, b.Last = interval, start, end, false
	b.Samples, b.Ended = b.Samples[:0], b.Ended[:0]
}

// Uint adds a counted value.
func (b *Batch) Uint(s *Series, v uint64) {
	b.Samples = append(b.Samples, Sample{Series: s, bits: v})
}

// UintOver adds a delta that covers span instead of the batch's window.
func (b *Batch) UintOver(s *Series, v uint64, span time.Duration) {
	b.Samples = append(b.Samples, Sample{Series: s, bits: v, Span: span})
}

// Float adds a value that was divided, such as a ratio.
func (b *Batch) Float(s *Series, v float64) {
	b.Samples = append(b.Samples, Sample{Series: s, bits: math.Float64bits(v), float: true})
}

// Retire says that series have ended: outputs close them and forget them.
func (b *Batch) Retire(series ...*Series) { b.Ended = append(b.Ended, series...) }

// StartOf returns when the window of a sample began: the batch's start, or
// earlier or later where the sample has a span of its own.
func (b *Batch) StartOf(s *Sample) time.Time {
	if s.Span == 0 {
		return b.Start
	}
	return b.End.Add(-s.Span)
}
