package prometheus

import (
	"bufio"
	"bytes"
	"fmt"

	"github.com/klauspost/compress/gzip"
)

// scratch is the memory that a scrape needs, which others use after it.
type scratch struct {
	points []point
	// self is the text of the agent's own families, and parts are where each ends.
	self  bytes.Buffer
	parts []part
	page  *bufio.Writer
	gzip  *gzip.Writer
	body  bytes.Buffer
}

// part is the text of one family.
type part struct {
	name string
	end  int
}

func (b *scratch) resetSelf() {
	b.self.Reset()
	b.parts = b.parts[:0]
}

func (b *scratch) endFamily(name string) { b.parts = append(b.parts, part{name, b.self.Len()}) }

// chunk is what is compressed at once. Compression without state looks for repetitions within
// so much. Of a longer one the compressor would make several blocks, and look through the end of
// each once more for the next.
const chunk = 1<<15 - 1

func newScratch() *scratch {
	b := &scratch{page: bufio.NewWriterSize(nil, chunk)}
	// No state is kept between the chunks: the fastest level that keeps some takes little
	// less time, and 800 KB of memory. The level is a valid one, so that there is no error.
	b.gzip, _ = gzip.NewWriterLevel(nil, gzip.StatelessCompression)
	return b
}

// render makes the body of the answer: samples and the agent's own metrics, sorted by
// their names.
func (b *scratch) render(out *output, as format, compressed bool) error {
	b.body.Reset()
	b.page.Reset(&b.body)
	if compressed {
		b.gzip.Reset(&b.body)
		b.page.Reset(b.gzip)
	}
	b.points = out.points(b.points[:0])
	defer clear(b.points) // holds no line that is gone

	next, begin := 0, 0
	for i := range b.points {
		p := &b.points[i]
		if f := p.line.family; i == 0 || f != b.points[i-1].line.family {
			for next < len(b.parts) && b.parts[next].name < f.Name {
				_, _ = b.page.Write(b.self.Bytes()[begin:b.parts[next].end])
				begin, next = b.parts[next].end, next+1
			}
			_, _ = b.page.WriteString(f.heads[as])
		}
		p.write(b.page, as)
	}
	_, _ = b.page.Write(b.self.Bytes()[begin:])
	if as == openMetricsFormat {
		_, _ = b.page.WriteString("# EOF\n")
	}
	if err := b.page.Flush(); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	if compressed {
		if err := b.gzip.Close(); err != nil {
			return fmt.Errorf("compress the page: %w", err)
		}
	}
	return nil
}
