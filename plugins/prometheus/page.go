package prometheus

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Describe describes nothing: that makes the collector an unchecked one, whose
// series of one metric may differ in their labels.
func (o *output) Describe(chan<- *prometheus.Desc) {}

// Collect sends the samples of the latest batch of each interval, and the last
// values of counters that ended a short time ago. It may be called at any time
// and changes nothing.
func (o *output) Collect(ch chan<- prometheus.Metric) {
	points := o.points()
	for i := range points {
		ch <- &points[i]
	}
}

// points copies what the page shows, so that a slow scrape holds up no batch.
func (o *output) points() []point {
	o.mu.Lock()
	defer o.mu.Unlock()
	points := make([]point, 0, len(o.lines))
	for _, l := range o.lines {
		if l.shown() {
			points = append(points, point{line: l, value: l.shownValue()})
		}
	}
	return points
}

// shown says whether the latest batch had the line, or its last value is kept.
func (l *line) shown() bool { return l.series == 0 || l.seen == l.round.n }

// shownValue is where integers become floats.
func (l *line) shownValue() float64 {
	if l.family.counter {
		return float64(l.total) / l.family.perUnit
	}
	return l.value / l.family.perUnit
}

// text returns the labels of a line for an error.
func (l *line) text() string {
	var parts []string
	for _, pair := range l.pairs {
		parts = append(parts, pair.GetName()+"="+pair.GetValue())
	}
	return strings.Join(parts, ", ")
}

// point is a prometheus.Metric: a line with the value it had when the scrape
// began. Of the line it uses only what never changes.
type point struct {
	line  *line
	value float64
}

// Desc returns the description of the point's metric.
func (p *point) Desc() *prometheus.Desc { return p.line.desc }

// Write fills in the labels, which all scrapes share, and the value.
func (p *point) Write(out *dto.Metric) error {
	out.Label = p.line.pairs
	if p.line.family.counter {
		out.Counter = &dto.Counter{Value: &p.value, CreatedTimestamp: p.line.created}
		return nil
	}
	out.Gauge = &dto.Gauge{Value: &p.value}
	return nil
}
