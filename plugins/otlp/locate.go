package otlp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of fields, as opentelemetry/proto/metrics/v1/metrics.proto has them.
const (
	fieldResource = 1 // of a request
	fieldScope    = 2 // of a resource
	fieldMetric   = 2 // of a scope
	fieldGauge    = 5 // of a metric
	fieldSum      = 7
	fieldPoint    = 1 // of a gauge and of a sum

	fieldStart  = 2 // of a point
	fieldTime   = 3
	fieldDouble = 4
	fieldInt    = 6
	fieldFlags  = 8
)

// errLayout is a mistake in the code.
var errLayout = errors.New("the encoding is not what was expected")

// field is where a field of a message is.
type field struct {
	number     protowire.Number
	tag        int // its first byte
	value, end int // without the length, if it has one
}

// eachField calls f for the fields of a message in a body.
func eachField(body []byte, from, to int, f func(field) error) error {
	for from < to {
		number, kind, n := protowire.ConsumeTag(body[from:to])
		if n < 0 {
			return errors.Join(errLayout, protowire.ParseError(n))
		}
		at := field{number: number, tag: from, value: from + n}
		if n = protowire.ConsumeFieldValue(number, kind, body[at.value:to]); n < 0 {
			return errors.Join(errLayout, protowire.ParseError(n))
		}
		at.end = at.value + n
		if kind == protowire.BytesType {
			_, n = protowire.ConsumeVarint(body[at.value:to])
			at.value += n
		}
		if err := f(at); err != nil {
			return err
		}
		from = at.end
	}
	return nil
}

// locate finds the slots and the node's resource, which is at a place among the
// resources, or at none where it is negative.
func (f *frame) locate(node int) error {
	// Gauges and sums are all that frames have.
	path := [...][]protowire.Number{{fieldResource}, {fieldScope}, {fieldMetric}, {fieldGauge, fieldSum}, {fieldPoint}}
	found, place := 0, -1
	var descend func(depth int, m field) error
	descend = func(depth int, m field) error {
		if depth == len(path) {
			ok, err := f.locatePoint(m)
			if ok {
				found++
			}
			return err
		}
		return eachField(f.body, m.value, m.end, func(child field) error {
			if !slices.Contains(path[depth], child.number) {
				return nil
			}
			switch depth {
			case 0:
				if place++; place == node {
					f.node = span{tag: child.tag, content: child.value, end: child.end}
				}
			case 1:
				if place == node {
					f.node.scopes = child.end
				}
			}
			return descend(depth+1, child)
		})
	}
	err := descend(0, field{end: len(f.body)})
	if err == nil && found != len(f.slots) {
		err = fmt.Errorf("%w: it has %d points for %d samples", errLayout, found, len(f.slots))
	}
	return err
}

// locatePoint finds the parts of a point, and its slot by the number that is in
// place of its time. It reports false for the mark of an end, which is whole.
func (f *frame) locatePoint(m field) (bool, error) {
	var at slot
	var n uint64
	marked := false
	err := eachField(f.body, m.value, m.end, func(part field) error {
		switch part.number {
		case fieldStart:
			at.start = part.value
		case fieldTime:
			at.time = part.value
			n = binary.LittleEndian.Uint64(f.body[part.value:])
		case fieldInt:
			at.value = part.tag
		case fieldFlags:
			marked = true
		}
		return nil
	})
	if err != nil || marked {
		return false, err
	}
	if at.time == 0 || at.value == 0 || n < 1 || n > uint64(len(f.slots)) || f.slots[n-1].time > 0 {
		return false, errLayout
	}
	f.slots[n-1].value, f.slots[n-1].time, f.slots[n-1].start = at.value, at.time, at.start
	return true, nil
}

// scopesOf returns the scopes of a request with one resource as they are encoded.
func scopesOf(request []byte) (scopes []byte, err error) {
	err = eachField(request, 0, len(request), func(resource field) error {
		return eachField(request, resource.value, resource.end, func(s field) error {
			if s.number == fieldScope {
				scopes = append(scopes, request[s.tag:s.end]...)
			}
			return nil
		})
	})
	return scopes, err
}
