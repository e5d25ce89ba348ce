package prometheus

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

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
	own        *own
	self       prometheus.Gatherer
	negotiator negotiator
	// gathered serves what cannot be written, and full can do everything, at its price.
	gathered, full http.Handler
	// layouts are those of the latest compressed pages, by format.
	layouts [formats]atomic.Pointer[layout]
	codes   *codes
	// busy has a place for each scrape under way.
	busy    chan struct{}
	scratch sync.Pool
}

func newScraper(out *output, reader collector, self prometheus.Gatherer, full http.Handler) *scraper {
	s := &scraper{
		out: out, self: prometheus.Gatherers{self}, full: full,
		negotiator: negotiator{formats: expfmt.DefaultOpenMetricsAcceptedFormats()},
		busy:       make(chan struct{}, maxScrapes),
		scratch:    sync.Pool{New: func() any { return new(scratch) }},
		codes:      newCodes(),
	}
	if reader != nil {
		s.own = newOwn(reader, out.familyNames)
	}
	s.gathered = http.TimeoutHandler(http.HandlerFunc(s.serveGathered), scrapeTimeout, tooLate())
	return s
}

// tooLate is what a scraper is told that waited for too long.
func tooLate() string { return fmt.Sprintf("Exceeded configured timeout of %v.\n", scrapeTimeout) }

// ServeHTTP serves the page.
func (s *scraper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	select {
	case s.busy <- struct{}{}:
	default:
		http.Error(w, fmt.Sprintf("Limit of concurrent requests reached (%d), try again later.", maxScrapes),
			http.StatusServiceUnavailable)
		return
	}
	if !s.serveWritten(w, r) {
		s.gathered.ServeHTTP(w, r) // which may go on after it has been given up, and leaves the place
	}
}

// leave gives the place of a scrape to another one.
func (s *scraper) leave() { <-s.busy }

// serveWritten serves the page if it can be written as a text of all metrics, without any
// fault. Otherwise nothing has been written, and the place is kept.
func (s *scraper) serveWritten(w http.ResponseWriter, r *http.Request) (served bool) {
	kept := false
	defer func() {
		if !kept {
			s.leave()
		}
	}()
	contentType, as, ok := s.wanted(r)
	if !ok || s.own == nil {
		kept = true
		return false
	}
	// A handler with a timeout would cost a goroutine, which wakes a thread up, and a copy
	// of the page.
	late := watchLate(w)
	defer late.end()
	b := s.scratch.Get().(*scratch)
	defer s.scratch.Put(b)
	compressed := wantsGzip(r.Header)
	var body []byte
	if ok = s.writeOwn(b, as); ok {
		body = s.body(b, as, compressed)
	}
	switch {
	case !late.end():
	case !ok:
		kept = true
		return false
	default:
		s.send(w, body, contentType, compressed)
	}
	return true
}

// serveGathered serves the page with the agent's own metrics as client_golang gathers them,
// or all of it.
func (s *scraper) serveGathered(w http.ResponseWriter, r *http.Request) {
	defer s.leave()
	if contentType, as, ok := s.wanted(r); ok {
		b := s.scratch.Get().(*scratch)
		defer s.scratch.Put(b)
		if s.gatherOwn(b, contentType) {
			compressed := wantsGzip(r.Header)
			s.send(w, s.body(b, as, compressed), contentType, compressed)
			return
		}
	}
	s.full.ServeHTTP(w, r)
}

// wanted returns the format that a scraper wants, if it is a text of all metrics.
func (s *scraper) wanted(r *http.Request) (expfmt.Format, format, bool) {
	if r.URL.RawQuery != "" && len(r.URL.Query()["name[]"]) > 0 {
		return "", 0, false
	}
	contentType := s.negotiator.negotiate(r.Header)
	switch contentType.FormatType() {
	case expfmt.TypeTextPlain:
		return contentType, textFormat, true
	case expfmt.TypeOpenMetrics:
		return contentType, openMetricsFormat, true
	default:
		return "", 0, false
	}
}

// body makes the page around the agent's own metrics, which are written, as it is sent.
func (s *scraper) body(b *scratch, as format, compressed bool) []byte {
	b.points = s.out.points(b.points[:0])
	defer clear(b.points) // holds no line that is gone
	latest := s.layouts[as].Load()
	if latest == nil || !latest.fits(b) {
		b.render(as)
		if !compressed {
			return b.page.bytes
		}
		latest = newLayout(b)
		s.layouts[as].Store(latest)
	}
	latest.fill(b, as)
	if compressed {
		b.body = latest.plan.pack(b.body[:0], &b.digits, s.codes, &b.sum)
	} else {
		b.body = latest.plan.whole(b.body[:0], &b.digits)
	}
	return b.body
}

// send sends a page that is complete and without any fault.
func (s *scraper) send(w http.ResponseWriter, body []byte, contentType expfmt.Format, compressed bool) {
	s.out.failure.Store(nil)
	header := w.Header()
	header.Add("Vary", "Accept")
	header.Add("Vary", "Accept-Encoding")
	header.Set("Content-Type", string(contentType))
	if compressed {
		header.Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(body) // a scraper that has gone away is nobody's fault
}

// writeOwn writes the text of the agent's own metrics, if it can be had without gathering.
func (s *scraper) writeOwn(b *scratch, as format) bool {
	b.resetSelf()
	return s.own.write(&b.self, as, b.endFamily)
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
	names := s.out.familyNames()
	for _, f := range self {
		name := f.GetName()
		if names[name] {
			return true
		}
		switch f.GetType() {
		case dto.MetricType_COUNTER, dto.MetricType_GAUGE, dto.MetricType_UNTYPED:
		default: // has samples of these names, too
			if names[name+"_count"] || names[name+"_sum"] || names[name+"_bucket"] {
				return true
			}
		}
	}
	return false
}
