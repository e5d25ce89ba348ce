package prometheus

import "slices"

// layout is a page without its numbers. Until lines come or go, the next page is made of it:
// its text is in one piece of memory, while the names and labels of lines are all over it,
// and to fetch them costs more than all else.
type layout struct {
	// lines are the samples that the page has, and self is the agent's own part, with the
	// numbers of then.
	lines []uint64
	self  pageText
	// numbers tell where each number comes from: from a sample, or below 0 from the
	// agent's own part.
	numbers []int
	plan    *plan
}

// newLayout returns the layout of a page that was rendered, whose memory is given back.
func newLayout(b *scratch) *layout {
	defer func() { b.page = pageText{} }()
	l := &layout{
		lines:   make([]uint64, len(b.points)),
		self:    pageText{slices.Clone(b.self.bytes), slices.Clone(b.self.numbers)},
		numbers: slices.Clone(b.numbers),
		plan:    newPlan(&b.page),
	}
	for i := range b.points {
		l.lines[i] = b.points[i].line.serial
	}
	return l
}

// fits tells whether the next page has the same lines.
func (l *layout) fits(b *scratch) bool {
	if len(l.lines) != len(b.points) || !l.self.sameParts(&b.self) {
		return false
	}
	for i := range b.points {
		if b.points[i].line.serial != l.lines[i] {
			return false
		}
	}
	return true
}

// fill makes the numbers of the page that fits, and nothing else.
func (l *layout) fill(b *scratch, as format) {
	b.digits.reset()
	for _, at := range l.numbers {
		if at >= 0 {
			b.digits.number(b.points[at].value, as)
		} else {
			b.digits.copyNumber(&b.self, ^at)
		}
	}
}
