package prometheus

// scratch is the memory that a scrape needs, which others use after it.
type scratch struct {
	points []point
	// self is the text of the agent's own families, and parts are where each ends.
	self  pageText
	parts []part
	page  pageText
	// packed is the page, compressed.
	packed []byte
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
func (b *scratch) render(out *output, as format) {
	b.page.reset()
	b.points = out.points(b.points[:0])
	defer clear(b.points) // holds no line that is gone

	next, begin := 0, mark{}
	for i := range b.points {
		p := &b.points[i]
		if f := p.line.family; i == 0 || f != b.points[i-1].line.family {
			for next < len(b.parts) && b.parts[next].name < f.Name {
				b.page.copy(&b.self, begin, b.parts[next].end)
				begin, next = b.parts[next].end, next+1
			}
			b.page.add(f.heads[as])
		}
		p.write(&b.page, as)
	}
	b.page.copy(&b.self, begin, b.self.end())
	if as == openMetricsFormat {
		b.page.add("# EOF\n")
	}
}
