package prometheus

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// output keeps what the page shows. Write is the only thing that changes it:
// scrapes just look.
type output struct {
	keep time.Duration

	renames  plugin.Renames
	failures metric.Int64Counter
	// failure is what was wrong with the latest scrape.
	failure atomic.Pointer[error]

	mu       sync.Mutex
	families map[string]*family // by the names of metrics
	shown    []*family          // in the order of the page
	names    map[string]bool    // of the families
	// rounds counts the batches of each interval.
	rounds map[time.Duration]*round
	// lines are what the page may show, by the identity of their labels.
	lines map[string]*line
	// live tells the line of each series that has not ended.
	live map[*measure.Series]*line
	// kept are counters whose series ended a short time ago.
	kept []*line
	// made is how many lines there were ever.
	made uint64
}

// round counts the batches of one interval.
type round struct{ n uint64 }

// line is one line of the page. It belongs to a set of labels rather than to a
// series: where series follow each other under the same labels, the counter
// goes on from where it was, and the page has no line twice.
type line struct {
	// What a scrape and a batch look at comes first, to be in memory together.

	// serial tells the line from all others that there were. Its name and labels are
	// never changed.
	serial uint64
	family *family
	total  uint64  // of a counter, in the unit of the samples
	value  float64 // of a gauge, in the unit of the samples
	// round and seen tell the batch that the last sample came in.
	round *round
	seen  uint64
	// series is how many live series the line has; newest is the one that a
	// gauge listens to.
	series int
	newest *measure.Series

	labelSet
	created time.Time // of a counter: when it was 0
	// createdValue is that time as OpenMetrics shows it.
	createdValue string
	ended        time.Time
}

func newOutput(families map[string]*family, keep time.Duration, failures metric.Int64Counter) *output {
	o := &output{
		keep:     keep,
		failures: failures,
		rounds:   make(map[time.Duration]*round),
		lines:    make(map[string]*line),
		live:     make(map[*measure.Series]*line),
	}
	o.setFamilies(families)
	return o
}

// Write adds deltas to their counters and replaces gauges. What cannot be shown
// is an error; the rest of the batch is taken all the same.
func (o *output) Write(_ context.Context, b *measure.Batch) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.rounds[b.Interval]
	if r == nil {
		r = new(round)
		o.rounds[b.Interval] = r
	}
	r.n++
	var first error
	for i := range b.Samples {
		if err := o.take(b, &b.Samples[i], r); err != nil && first == nil {
			first = err
		}
	}
	o.dropKept(b.End)
	for _, s := range b.Ended {
		o.end(s, b.End)
	}
	return first
}

func (o *output) take(b *measure.Batch, sample *measure.Sample, r *round) error {
	s := sample.Series
	l := o.live[s]
	if l == nil {
		var err error
		if l, err = o.begin(s, b.StartOf(sample), r); err != nil {
			return err
		}
	}
	if l.newest == nil {
		l.newest = s
	}
	count, counted := sample.Uint()
	switch {
	case l.family.Counter && !counted:
		return fmt.Errorf("a sample of %s is left out: a counter takes integers only", s.Metric.Name)
	case l.family.Counter:
		l.total += count
	case l.newest == s:
		l.value = sample.Float()
	case slices.Contains(b.Ended, s):
		return nil // the series that follows it has the say already
	default:
		return fmt.Errorf("a sample of %s is left out: another series has the same labels, {%s}", s.Metric.Name, l.Describe())
	}
	l.round, l.seen = r, r.n
	return nil
}

// begin finds or makes the line of a series that was not seen before.
func (o *output) begin(s *measure.Series, start time.Time, r *round) (*line, error) {
	f := o.families[s.Metric.Name]
	if f == nil {
		return nil, fmt.Errorf("a sample of %s is left out: its plugin did not declare the metric", s.Metric.Name)
	}
	set, err := f.labels(s)
	if err != nil {
		return nil, err
	}
	l := o.lines[set.Identity]
	if l == nil {
		o.made++
		l = &line{serial: o.made, family: f, round: r, labelSet: set}
		if f.Counter {
			l.created = start
			l.createdValue = string(appendValue(nil, float64(start.UnixNano())/1e9, openMetricsFormat))
		}
		o.lines[set.Identity] = l
		f.insert(l)
	}
	o.live[s] = l
	l.series++
	l.newest = s
	return l, nil
}

// end takes a series off its line. A gauge without a series goes at once, a
// counter when every scraper had the time to see its last value.
func (o *output) end(s *measure.Series, now time.Time) {
	l := o.live[s]
	if l == nil {
		return
	}
	delete(o.live, s)
	l.series--
	if l.newest == s {
		l.newest = nil
	}
	switch {
	case l.series > 0:
	case l.family.Counter && o.keep > 0:
		l.ended = now
		o.kept = append(o.kept, l)
	default:
		o.drop(l)
	}
}

// drop takes a line off the page for good.
func (o *output) drop(l *line) {
	delete(o.lines, l.Identity)
	l.family.remove(l)
}

// dropKept drops the counters that were kept for long enough, and takes those
// that have a series again off the list.
func (o *output) dropKept(now time.Time) {
	o.kept = slices.DeleteFunc(o.kept, func(l *line) bool {
		switch {
		case l.series > 0:
			return true
		case now.Sub(l.ended) <= o.keep:
			return false
		}
		o.drop(l)
		return true
	})
}
