package prometheus

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/prometheus/otlptranslator"
	"go.opentelemetry.io/otel/attribute"

	base "github.com/podjoule/podjoule/agent/family"
)

// ownLine is the lines of one set of attributes: one, but many of a histogram.
type ownLine struct {
	values []string // of the labels, by which lines are sorted
	names  []string // of the labels
	// text is what comes before the number, or before the sum of a histogram.
	text  string
	value float64

	// bounds and those below are of a histogram, the latter without the last one.
	bounds []float64
	below  []uint64
	count  uint64
	// buckets and counted are what comes before the numbers, by format.
	buckets [formats][]string
	counted string

	seen uint64 // in which scrape
}

// newOwnLine prepares a line; it is nil if its labels need quotes or are not allowed, or if
// the bounds of a histogram are not as they should be.
func newOwnLine(f *ownFamily, set *attribute.Set, bounds []float64) *ownLine {
	labels, ok := ownLabels(set)
	if !ok {
		return nil
	}
	l := new(ownLine)
	for _, pair := range labels {
		l.names, l.values = append(l.names, pair[0]), append(l.values, pair[1])
	}
	if f.kind != histogramKind {
		l.text = f.name + showLabels(l.names, l.values) + " "
		return l
	}
	for i, bound := range bounds {
		if math.IsNaN(bound) || math.IsInf(bound, 0) || i > 0 && bound <= bounds[i-1] {
			return nil
		}
	}
	l.bounds, l.below = slices.Clone(bounds), make([]uint64, len(bounds))
	l.text = f.name + "_sum" + showLabels(l.names, l.values) + " "
	l.counted = f.name + "_count" + showLabels(l.names, l.values) + " "
	names := append(slices.Clone(l.names), "le")
	for as := range formats {
		for _, bound := range append(slices.Clone(bounds), math.Inf(1)) {
			values := append(slices.Clone(l.values), string(appendValue(nil, bound, as)))
			l.buckets[as] = append(l.buckets[as], f.name+"_bucket"+showLabels(names, values)+" ")
		}
	}
	return l
}

// ownLabels returns the labels that attributes become, and their values, sorted.
func ownLabels(set *attribute.Set) (pairs [][2]string, ok bool) {
	var namer otlptranslator.LabelNamer
	for each := set.Iter(); each.Next(); {
		a := each.Attribute()
		name, err := namer.Build(string(a.Key))
		value := a.Value.String()
		if err != nil || !base.IsLabel(name) || name == "le" || !utf8.ValidString(value) {
			return nil, false
		}
		pairs = append(pairs, [2]string{name, value})
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return slices.Compare(a[:], b[:]) })
	for i := range pairs {
		if i > 0 && pairs[i][0] == pairs[i-1][0] {
			return nil, false // the exporter puts them together
		}
	}
	return pairs, true
}

// compare orders the lines of a family.
func (l *ownLine) compare(other *ownLine) int {
	return compareValues(l.values, other.values)
}

// write appends the lines.
func (l *ownLine) write(into *pageText, as format) {
	for i, text := range l.buckets[as] {
		count := l.count // of the last bucket, which has all
		if i < len(l.below) {
			count = l.below[i]
		}
		writeCount(into, text, count, as)
	}
	into.add(l.text)
	into.number(l.value, as)
	into.add("\n")
	if l.counted != "" {
		writeCount(into, l.counted, l.count, as)
	}
}

// writeCount appends one line of a histogram. In OpenMetrics counts look like integers.
func writeCount(into *pageText, text string, n uint64, as format) {
	into.add(text)
	if as == openMetricsFormat {
		into.count(n)
	} else {
		into.number(float64(n), as)
	}
	into.add("\n")
}
