package csv

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
)

// timeLayout is RFC 3339 with nine digits of a second, so that timestamps sort
// as text and line up.
const timeLayout = "2006-01-02T15:04:05.000000000Z07:00"

// encoder turns batches into rows.
type encoder struct {
	columns *columns
	// ready holds the encoded rows of live series, so that a sample costs
	// no more than copying bytes.
	ready map[*measure.Series]row
	stamp []byte
}

// row is a row without its timestamp and its value.
type row struct {
	beforeValue, afterValue string
}

func newEncoder(c *columns) *encoder {
	return &encoder{columns: c, ready: make(map[*measure.Series]row)}
}

// append adds a row for each sample. A series that does not fit the columns is
// an error; the rows of the others are added all the same.
func (e *encoder) append(dst []byte, b *measure.Batch) ([]byte, error) {
	var first error
	e.stamp = b.End.UTC().AppendFormat(e.stamp[:0], timeLayout)
	for i := range b.Samples {
		s := &b.Samples[i]
		r, known := e.ready[s.Series]
		if !known {
			var err error
			if r, err = e.encode(s.Series); err != nil {
				if first == nil {
					first = err
				}
				continue
			}
			e.ready[s.Series] = r
		}
		dst = append(dst, e.stamp...)
		dst = append(dst, r.beforeValue...)
		dst = appendValue(dst, s)
		dst = append(dst, r.afterValue...)
	}
	return dst, first
}

// forget frees series that will not come again.
func (e *encoder) forget(ended []*measure.Series) {
	for _, s := range ended {
		delete(e.ready, s)
	}
}

func (e *encoder) encode(s *measure.Series) (row, error) {
	for _, a := range s.Attributes {
		if !slices.Contains(e.columns.keys, a.Key) {
			return row{}, fmt.Errorf("a sample of %s is left out: it has the attribute %q, which its plugin did not declare",
				s.Metric.Name, a.Key)
		}
	}
	after := []string{s.Resource.Kind, s.Resource.ID, s.Consumer.Kind, s.Consumer.ID}
	for _, key := range e.columns.keys {
		value, _ := s.Attribute(key)
		after = append(after, value)
	}
	before := line(s.Metric.Name, s.Metric.Unit.String())
	return row{
		beforeValue: "," + strings.TrimSuffix(before, "\n") + ",",
		afterValue:  "," + line(after...),
	}, nil
}

// appendValue adds a value in the unit that the metric shows. Integers stay
// exact: energy and cores are written digit by digit, not divided.
func appendValue(dst []byte, s *measure.Sample) []byte {
	unit := s.Series.Metric.Unit
	v, counted := s.Uint()
	switch {
	case !counted:
		return strconv.AppendFloat(dst, s.Float()/unit.Divisor(), 'g', -1, 64)
	default:
		return appendParts(dst, v, uint64(unit.Divisor()))
	}
}

// appendParts adds a number of parts, of which so many make one, without zeros at the
// end. So many is a power of ten.
func appendParts(dst []byte, parts, perOne uint64) []byte {
	dst = strconv.AppendUint(dst, parts/perOne, 10)
	if rest := parts % perOne; rest != 0 {
		point := len(dst)
		dst = strconv.AppendUint(dst, perOne+rest, 10) // always one digit too many: the first makes room for the point
		dst[point] = '.'
		dst = bytes.TrimRight(dst, "0")
	}
	return dst
}
