package prometheus

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Describe describes nothing: that makes the collector an unchecked one, whose
// series of one metric may differ in their labels.
func (o *output) Describe(chan<- *prometheus.Desc) {}

// Collect sends the samples of the latest batch of each interval, and the last
// values of counters that ended a short time ago. It may be called at any time
// and changes nothing.
func (o *output) Collect(ch chan<- prometheus.Metric) {
	points := o.points(nil)
	for i := range points {
		ch <- &points[i]
	}
}

// points copies what the page shows, in its order, so that a slow scrape holds up no batch. They
// are appended to a slice, which may be nil.
func (o *output) points(points []point) []point {
	o.mu.Lock()
	defer o.mu.Unlock()
	points = slices.Grow(points, len(o.lines))
	for _, f := range o.shown {
		for _, l := range f.lines {
			if l.shown() {
				points = append(points, point{line: l, value: l.shownValue()})
			}
		}
	}
	return points
}

// shown says whether the latest batch had the line, or its last value is kept.
func (l *line) shown() bool { return l.series == 0 || l.seen == l.round.n }

// shownValue is where integers become floats.
func (l *line) shownValue() float64 {
	if l.family.Counter {
		return float64(l.total) / l.family.PerUnit
	}
	return l.value / l.family.PerUnit
}

// point is a line with the value it had when the scrape began. Of the line it uses
// only what never changes. It is a prometheus.Metric, for formats that are not written here.
type point struct {
	line  *line
	value float64
}

// Desc returns the description of the point's metric.
func (p *point) Desc() *prometheus.Desc { return p.line.shape.desc }

// Write fills in the labels and the value.
func (p *point) Write(out *dto.Metric) error {
	out.Label = prometheus.MakeLabelPairs(p.line.shape.desc, p.line.Values)
	if p.line.family.Counter {
		out.Counter = &dto.Counter{Value: &p.value, CreatedTimestamp: timestamppb.New(p.line.created)}
		return nil
	}
	out.Gauge = &dto.Gauge{Value: &p.value}
	return nil
}
