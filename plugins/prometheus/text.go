package prometheus

import (
	"bytes"
	"iter"
	"strconv"
)

// pageText is a page, or a part of one, and where its numbers are: all else is the same
// from one scrape to the next, until series come or go.
type pageText struct {
	bytes   []byte
	numbers []span
}

// span is a place in a text.
type span struct{ from, to int }

func (t *pageText) reset() { t.bytes, t.numbers = t.bytes[:0], t.numbers[:0] }

// add appends what is no number.
func (t *pageText) add(text string) { t.bytes = append(t.bytes, text...) }

// number appends a number.
func (t *pageText) number(v float64, as format) {
	from := len(t.bytes)
	t.bytes = appendValue(t.bytes, v, as)
	t.numbers = append(t.numbers, span{from, len(t.bytes)})
}

// count appends an integer.
func (t *pageText) count(n uint64) {
	from := len(t.bytes)
	t.bytes = strconv.AppendUint(t.bytes, n, 10)
	t.numbers = append(t.numbers, span{from, len(t.bytes)})
}

// Write appends lines of a page, each with its number at its end. It is an io.Writer.
func (t *pageText) Write(lines []byte) (int, error) {
	from := len(t.bytes)
	t.bytes = append(t.bytes, lines...)
	for line := range bytes.Lines(lines) {
		to := from + len(line)
		if line[0] != '#' {
			if last := bytes.LastIndexByte(line, ' '); last >= 0 {
				t.numbers = append(t.numbers, span{from + last + 1, to - 1})
			}
		}
		from = to
	}
	return len(lines), nil
}

// parts are what is before, between and after the numbers.
func (t *pageText) parts() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		from := 0
		for _, n := range t.numbers {
			if !yield(t.bytes[from:n.from]) {
				return
			}
			from = n.to
		}
		yield(t.bytes[from:])
	}
}

// sameParts tells whether two texts differ in their numbers alone.
func (t *pageText) sameParts(other *pageText) bool {
	if len(t.numbers) != len(other.numbers) {
		return false
	}
	at, otherAt := 0, 0
	for i, n := range t.numbers {
		m := other.numbers[i]
		if string(t.bytes[at:n.from]) != string(other.bytes[otherAt:m.from]) {
			return false
		}
		at, otherAt = n.to, m.to
	}
	return string(t.bytes[at:]) == string(other.bytes[otherAt:])
}

// of returns a number.
func (t *pageText) of(i int) []byte { return t.bytes[t.numbers[i].from:t.numbers[i].to] }

// copyNumber appends a number of another text.
func (t *pageText) copyNumber(other *pageText, i int) {
	from := len(t.bytes)
	t.bytes = append(t.bytes, other.of(i)...)
	t.numbers = append(t.numbers, span{from, len(t.bytes)})
}

// mark is a place between two lines.
type mark struct{ bytes, numbers int }

func (t *pageText) end() mark { return mark{len(t.bytes), len(t.numbers)} }

// copy appends what is between two marks of another text.
func (t *pageText) copy(other *pageText, from, to mark) {
	move := len(t.bytes) - from.bytes
	t.bytes = append(t.bytes, other.bytes[from.bytes:to.bytes]...)
	for _, n := range other.numbers[from.numbers:to.numbers] {
		t.numbers = append(t.numbers, span{n.from + move, n.to + move})
	}
}
