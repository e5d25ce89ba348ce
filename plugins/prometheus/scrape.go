package prometheus

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// scraper answers scrapes. The texts that Prometheus asks for are written here, since
// lines that are prepared once cost a small part of what messages cost that are made,
// checked and sorted for each scrape. All else, and whatever goes wrong, is left to promhttp.
type scraper struct {
	out *output
	// own writes the agent's own metrics if it can; nil leaves them to self.
	own  *own
	self prometheus.Gatherer
	// names are those of the families that the output may show.
	names   map[string]bool
	formats []expfmt.Format
	// full can do everything, at its price.
	full http.Handler
	// busy has a place for each scrape under way.
	busy    chan struct{}
	scratch sync.Pool
}

func newScraper(out *output, reader collector, self prometheus.Gatherer, full http.Handler) *scraper {
	s := &scraper{
		out: out, self: prometheus.Gatherers{self}, full: full,
		names:   make(map[string]bool, len(out.shown)),
		formats: expfmt.DefaultOpenMetricsAcceptedFormats(),
		busy:    make(chan struct{}, maxScrapes),
		scratch: sync.Pool{New: func() any { return newScratch() }},
	}
	for _, f := range out.shown {
		s.names[f.name] = true
	}
	if reader != nil {
		s.own = newOwn(reader, s.names)
	}
	return s
}

// ServeHTTP serves the page.
func (s *scraper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	default:
		http.Error(w, fmt.Sprintf("Limit of concurrent requests reached (%d), try again later.", maxScrapes),
			http.StatusServiceUnavailable)
		return
	}
	if !s.serveText(w, r) {
		s.full.ServeHTTP(w, r)
	}
}

// serveText serves the page if it can be had as a text of all metrics, without any
// fault. Otherwise it has written nothing.
func (s *scraper) serveText(w http.ResponseWriter, r *http.Request) bool {
	contentType := expfmt.NegotiateAccept(r.Header, s.formats...)
	var as format
	switch contentType.FormatType() {
	case expfmt.TypeTextPlain:
		as = textFormat
	case expfmt.TypeOpenMetrics:
		as = openMetricsFormat
	default:
		return false
	}
	if r.URL.RawQuery != "" && len(r.URL.Query()["name[]"]) > 0 {
		return false
	}
	b := s.scratch.Get().(*scratch)
	defer s.scratch.Put(b)
	if !s.writeOwn(b, as) && !s.gatherOwn(b, contentType) {
		return false
	}
	compressed := wantsGzip(r.Header)
	if err := b.render(s.out, as, compressed); err != nil {
		return false
	}
	s.out.failure.Store(nil)
	header := w.Header()
	header.Add("Vary", "Accept")
	header.Add("Vary", "Accept-Encoding")
	header.Set("Content-Type", string(contentType))
	if compressed {
		header.Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(b.body.Bytes()) // a scraper that has gone away is nobody's fault
	return true
}

// writeOwn writes the text of the agent's own metrics, if it can be had without gathering.
func (s *scraper) writeOwn(b *scratch, as format) bool {
	b.resetSelf()
	return s.own != nil && s.own.write(&b.self, as, b.endFamily)
}

// gatherOwn writes the text of the agent's own metrics, if nothing is wrong with any.
func (s *scraper) gatherOwn(b *scratch, contentType expfmt.Format) bool {
	b.resetSelf()
	self, err := s.self.Gather()
	if err != nil || s.clash(self) {
		return false
	}
	encoder := expfmt.NewEncoder(&b.self, contentType, expfmt.WithCreatedLines())
	for _, f := range self {
		if err := encoder.Encode(f); err != nil {
			return false
		}
		b.endFamily(f.GetName())
	}
	return true
}

// clash says whether the agent's own metrics may have names that collide with those of
// samples.
func (s *scraper) clash(self []*dto.MetricFamily) bool {
	for _, f := range self {
		name := f.GetName()
		if s.names[name] {
			return true
		}
		switch f.GetType() {
		case dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED:
		default: // has samples of these names, too
			if s.names[name+"_count"] || s.names[name+"_sum"] || s.names[name+"_bucket"] {
				return true
			}
		}
	}
	return false
}

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

// chunk is what is compressed at once. Compression without state looks for
// repetitions within so much.
const chunk = 64 << 10

func newScratch() *scratch {
	b := &scratch{page: bufio.NewWriterSize(nil, chunk)}
	// No state is kept between the chunks: the fastest level that keeps some takes as
	// long and 800 KB of memory. The level is a valid one, so that there is no error.
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
			for next < len(b.parts) && b.parts[next].name < f.name {
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
