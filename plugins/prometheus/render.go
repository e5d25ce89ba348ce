package prometheus

import "slices"

// usualLine is about how long the lines of a sample are, to begin with enough memory.
const usualLine = 250

// scratch is the memory that a scrape needs, which others use after it.
type scratch struct {
	points []point
	// self is the text of the agent's own families, and parts are where each ends.
	self  pageText
	parts []part
	// page is one that is rendered, and numbers tell where its numbers come from, as in
	// layout; digits are the numbers of one that is not.
	page    pageText
	numbers []int
	digits  pageText
	// body is what is sent.
	body []byte
	sum  checksum
}

// part is the text of one family.
type part struct {
	name string
	end  mark
}

func (b *scratch) resetSelf() {
	b.self.reset()
	b.parts = b.parts[:0]
}

func (b *scratch) endFamily(name string) { b.parts = append(b.parts, part{name, b.self.end()}) }

// render makes the page: samples and the agent's own metrics, sorted by their names.
func (b *scratch) render(as format) {
	b.page.reset()
	b.page.bytes = slices.Grow(b.page.bytes, len(b.points)*usualLine)
	b.numbers = b.numbers[:0]
	next, begin := 0, mark{}
	for i := range b.points {
		p := &b.points[i]
		if f := p.line.family; i == 0 || f != b.points[i-1].line.family {
			for next < len(b.parts) && b.parts[next].name < f.Name {
				b.copySelf(begin, b.parts[next].end)
				begin, next = b.parts[next].end, next+1
			}
			b.page.add(f.heads[as])
		}
		p.write(&b.page, as)
		b.numbers = append(b.numbers, i)
	}
	b.copySelf(begin, b.self.end())
	if as == openMetricsFormat {
		b.page.add("# EOF\n")
	}
}

// copySelf appends families of the agent's own.
func (b *scratch) copySelf(from, to mark) {
	b.page.copy(&b.self, from, to)
	for i := from.numbers; i < to.numbers; i++ {
		b.numbers = append(b.numbers, ^i)
	}
}
