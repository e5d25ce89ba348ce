package prometheus

import (
	"compress/gzip"
	"net/http"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// newMeasuredNode returns the page of a full node that was measured for an hour, with about as
// many of the agent's own metrics as it has.
func newMeasuredNode(t testing.TB) (*page, *plugintest.Node) {
	t.Helper()
	n := plugintest.NewNode()
	p, _ := openInstrumented(t, nil, n.Metrics...)
	for i := range 25 {
		counter, err := p.host.Meter.Int64Counter("podjoule.own."+strconv.Itoa(i), metric.WithDescription("What the agent counted of itself"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"k8s", "prometheus"} {
			counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("plugin", name)))
		}
	}
	stages, err := p.host.Meter.Float64Histogram("podjoule.own.duration", metric.WithDescription("Time that a stage took"), metric.WithUnit("s"),
		metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tick", "poll", "transform", "write"} {
		stages.Record(t.Context(), .00123, metric.WithAttributes(attribute.String("stage", name)))
	}
	for range int(time.Hour / interval) {
		if err := p.Write(t.Context(), n.Tick()); err != nil {
			t.Fatal(err)
		}
	}
	return p, n
}

// request asks for the page of a format, compressed or not.
func request(t testing.TB, accept string, compressed bool) *http.Request {
	t.Helper()
	r := prometheusRequest(t)
	r.Header.Set("Accept", accept)
	if !compressed {
		r.Header.Del("Accept-Encoding")
	}
	return r
}

// length is how many bytes a scraper gets.
type length struct {
	discard
	n *int
}

func (l length) Write(b []byte) (int, error) {
	*l.n += len(b)
	return len(b), nil
}

// BenchmarkScrape is what a Prometheus server gets of a full node: the whole request, beside
// client_golang's answer to the same. CPU time is that of the process.
func BenchmarkScrape(b *testing.B) {
	for _, format := range []struct{ name, accept string }{{"openmetrics", prometheusAccept}, {"text", text}} {
		b.Run(format.name, func(b *testing.B) {
			p, _ := newMeasuredNode(b)
			plain, packed := request(b, format.accept, false), request(b, format.accept, true)
			size := func(r *http.Request) (n int) {
				p.host.Mux.ServeHTTP(length{discard{http.Header{}}, &n}, r)
				return n
			}
			size(packed) // as the lines are new
			b.ReportAllocs()
			from := cpuTime(b)
			for b.Loop() {
				size(packed)
			}
			b.ReportMetric(float64(cpuTime(b)-from)/float64(b.N)/1e6, "cpu-ms/scrape")
			b.ReportMetric(float64(size(plain)), "B/page")
			b.ReportMetric(float64(size(packed)), "B/scrape")
		})
		b.Run("client_golang="+format.name, func(b *testing.B) {
			p, _ := newMeasuredNode(b)
			r, reference := request(b, format.accept, true), p.reference()
			turns := cgrouptest.InTurns(b, func() { p.host.Mux.ServeHTTP(discard{http.Header{}}, r) },
				func() { reference.ServeHTTP(discard{http.Header{}}, r) })
			b.ReportMetric(1/turns.Ratio, "x-client_golang")
		})
	}
}

// cpuTime is what the process has used.
func cpuTime(t testing.TB) time.Duration {
	t.Helper()
	var used unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// BenchmarkPoints is what a point on the page costs: of samples alone, without a request.
func BenchmarkPoints(b *testing.B) {
	for as, name := range [formats]string{"text", "openmetrics"} {
		b.Run("prometheus="+name, func(b *testing.B) {
			n := plugintest.NewNode()
			p := openDefault(b, n.Metrics...)
			for range int(time.Hour / interval) {
				if err := p.Write(b.Context(), n.Tick()); err != nil {
					b.Fatal(err)
				}
			}
			s, scratch := newScraper(p.output, nil, p.host.Self, nil), new(scratch)
			body := func(compressed bool) int { return len(s.body(scratch, format(as), compressed)) }
			turns := cgrouptest.InTurns(b, func() { body(false) }, func() { body(true) })
			b.ReportMetric(float64(turns.Ours)/plugintest.NodePoints, "ns/point")
			b.ReportMetric(float64(turns.Theirs)/plugintest.NodePoints, "ns/point-packed")
			b.ReportMetric(float64(body(false))/plugintest.NodePoints, "B/point")
			b.ReportMetric(float64(body(true))/plugintest.NodePoints, "B/point-packed")
		})
	}
}

// BenchmarkPack compresses a page whose lines are known, and one with other lines, beside the
// standard library at its fastest.
func BenchmarkPack(b *testing.B) {
	p, _ := newMeasuredNode(b)
	s := newScraper(p.output, p.host.SelfReader, p.host.Self, nil)
	page := new(scratch)
	if !s.writeOwn(page, openMetricsFormat) {
		b.Fatal("not written")
	}
	page.points = p.points(nil)
	page.render(openMetricsFormat)
	library, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil {
		b.Fatal(err)
	}
	var size int
	standard := func() {
		size = 0
		library.Reset(length{n: &size})
		if _, err := library.Write(page.page.bytes); err != nil {
			b.Fatal(err)
		}
		if err := library.Close(); err != nil {
			b.Fatal(err)
		}
	}
	plan, digits := newPlan(&page.page), digitsOf(&page.page)
	for name, pack := range map[string]func(){
		"known": func() { page.body = plan.pack(page.body[:0], digits, s.codes, &page.sum) },
		"new":   func() { page.body = newPlan(&page.page).pack(page.body[:0], digits, s.codes, &page.sum) },
	} {
		b.Run(name, func(b *testing.B) {
			turns := cgrouptest.InTurns(b, pack, standard)
			b.ReportMetric(float64(turns.Ours.Nanoseconds()), "ns/page")
			b.ReportMetric(1/turns.Ratio, "x-standard")
			b.ReportMetric(float64(len(page.body)), "B/page")
			b.ReportMetric(float64(size), "B/page-standard")
		})
	}
}
