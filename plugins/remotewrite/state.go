package remotewrite

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/measure"
)

// keepEnded is how long the total of an ended counter is remembered: where the same
// labels come back within it, the counter goes on, as it does on the page.
const keepEnded = 5 * time.Minute

// stale is the NaN that ends a series.
const stale uint64 = 0x7ff0000000000002

// state turns batches into points: totals of counters, values of gauges, and the ends
// of series. It follows the rules of the page.
type state struct {
	families map[string]*family.Family
	constant map[string]string // labels of every series

	rounds  map[time.Duration]uint64
	lines   map[string]*line // by the identity of their labels
	order   []*line          // as they came
	live    map[*measure.Series]*line
	touched []*line // scratch
	points  []point
}

// line is a series as the receiver sees it. It belongs to a set of labels: series that
// follow each other under the same ones are one line.
type line struct {
	family   *family.Family
	set      family.Set
	labels   []string  // names and values in turn, sorted by name, without empty values
	created  time.Time // of a counter: when it was 0
	total    uint64
	value    float64
	interval time.Duration
	seen     uint64 // the round of its last sample
	last     int64  // the time of its last point, in ms
	open     bool   // its last point was not a mark of its end

	series int
	newest *measure.Series
	ended  time.Time
}

// point is one value of a line.
type point struct {
	line *line
	bits uint64 // of a float
	time int64  // in ms
}

func newState(families map[string]*family.Family, constant map[string]string) *state {
	return &state{
		families: families, constant: constant,
		rounds: make(map[time.Duration]uint64), lines: make(map[string]*line), live: make(map[*measure.Series]*line),
	}
}

// take returns the points of a batch, which are good until the next call. A series
// without a sample is ended by a mark, as a scrape of the page ends it. What cannot be
// sent is an error; the rest is there all the same.
func (s *state) take(b *measure.Batch) ([]point, error) {
	s.rounds[b.Interval]++
	round := s.rounds[b.Interval]
	s.points = s.points[:0]
	var first error
	s.touched = s.touched[:0]
	for i := range b.Samples {
		l, err := s.add(b, &b.Samples[i])
		if err != nil && first == nil {
			first = err
		}
		if l != nil && (l.seen != round || l.interval != b.Interval) {
			l.seen, l.interval = round, b.Interval
			s.touched = append(s.touched, l)
		}
	}
	now := b.End.UnixMilli()
	for _, l := range s.touched {
		s.put(l, math.Float64bits(l.shown()), now)
	}
	for _, l := range s.order {
		switch {
		case !l.open:
		case l.interval == b.Interval && l.seen != round:
			s.put(l, stale, now)
		case l.series == 0 && now > l.last: // its interval may be no more, as after a reload
			s.put(l, stale, now)
		}
	}
	s.forget(b.End)
	for _, ended := range b.Ended {
		s.end(ended, b.End)
	}
	for _, l := range s.order {
		if b.Last && l.series == 0 && l.open {
			s.put(l, stale, max(now, l.last+1)) // no batch comes that could end it
		}
	}
	clear(s.touched) // holds no line that is gone
	return s.points, first
}

// put adds a point. A receiver takes one value for one time only.
func (s *state) put(l *line, bits uint64, at int64) {
	if at == l.last {
		return
	}
	l.last, l.open = at, bits != stale
	s.points = append(s.points, point{line: l, bits: bits, time: at})
}

// shown is where integers become floats.
func (l *line) shown() float64 {
	if l.family.Counter {
		return float64(l.total) / l.family.PerUnit
	}
	return l.value / l.family.PerUnit
}

// add counts a sample and returns its line; nil where it changes none.
func (s *state) add(b *measure.Batch, sample *measure.Sample) (*line, error) {
	of := sample.Series
	l := s.live[of]
	if l == nil {
		var err error
		if l, err = s.begin(of, b.StartOf(sample)); err != nil {
			return nil, err
		}
	}
	if l.newest == nil {
		l.newest = of
	}
	count, counted := sample.Uint()
	switch {
	case l.family.Counter && !counted:
		return nil, fmt.Errorf("a sample of %s is left out: a counter takes integers only", of.Metric.Name)
	case l.family.Counter:
		l.total += count
	case l.newest == of:
		l.value = sample.Float()
	case slices.Contains(b.Ended, of):
		return nil, nil // the series that follows it has the say already
	default:
		return nil, fmt.Errorf("a sample of %s is left out: another series has the same labels, {%s}", of.Metric.Name, l.set.Describe())
	}
	return l, nil
}

// begin finds or makes the line of a series that was not seen before.
func (s *state) begin(of *measure.Series, start time.Time) (*line, error) {
	f := s.families[of.Metric.Name]
	if f == nil {
		return nil, fmt.Errorf("a sample of %s is left out: its plugin did not declare the metric", of.Metric.Name)
	}
	set, err := f.Labels(of)
	if err != nil {
		return nil, err
	}
	l := s.lines[set.Identity]
	if l == nil {
		l = &line{family: f, set: set, labels: s.labels(f, &set), created: start}
		s.lines[set.Identity] = l
		s.order = append(s.order, l)
	}
	s.live[of] = l
	l.series++
	l.newest = of
	return l, nil
}

// labels returns all labels of a line. One without a value is no label.
func (s *state) labels(f *family.Family, set *family.Set) []string {
	values := maps.Clone(s.constant)
	for i, label := range set.Shape.Labels {
		values[label] = set.Values[i]
	}
	values["__name__"] = f.Name
	list := make([]string, 0, 2*len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if values[name] != "" {
			list = append(list, name, values[name])
		}
	}
	return list
}

// end takes a series off its line.
func (s *state) end(of *measure.Series, now time.Time) {
	l := s.live[of]
	if l == nil {
		return
	}
	delete(s.live, of)
	l.series--
	if l.newest == of {
		l.newest = nil
	}
	if l.series == 0 {
		l.ended = now
	}
}

// forget drops lines that ended: gauges when that was told, counters when they were
// remembered for long enough.
func (s *state) forget(now time.Time) {
	s.order = slices.DeleteFunc(s.order, func(l *line) bool {
		if l.series > 0 || l.open || l.family.Counter && now.Sub(l.ended) <= keepEnded {
			return false
		}
		if s.lines[l.set.Identity] == l {
			delete(s.lines, l.set.Identity)
		}
		return true
	})
}
