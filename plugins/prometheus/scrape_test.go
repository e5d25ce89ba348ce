package prometheus

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// Own metrics under names of samples are put together with them where they agree, and
// told where they do not.
func TestClashOfNames(t *testing.T) {
	for _, tt := range []struct {
		name  string
		self  prometheus.Collector
		wrong string
	}{
		{"same kind", prometheus.NewGauge(prometheus.GaugeOpts{Name: "podjoule_g_count", Help: "Gauge"}), ""},
		{"another help", prometheus.NewGauge(prometheus.GaugeOpts{Name: "podjoule_g_count", Help: "Other"}), "has help"},
		{"another kind", prometheus.NewCounter(prometheus.CounterOpts{Name: "podjoule_g_count", Help: "Gauge"}), "has type"},
		{"a part of a histogram", prometheus.NewHistogram(prometheus.HistogramOpts{Name: "podjoule_g"}), "collides"},
		{"a part of a summary", prometheus.NewSummary(prometheus.SummaryOpts{Name: "podjoule_g"}), "collides"},
		{"no part of a gauge", prometheus.NewGauge(prometheus.GaugeOpts{Name: "podjoule_g"}), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gauge := &measure.Metric{Name: "g_count", Help: "Gauge", Attributes: []string{"uid"}}
			p := openDefault(t, gauge)
			p.host.Self.(*prometheus.Registry).MustRegister(tt.self)
			p.next(t, func(b *measure.Batch) {
				b.Uint(&measure.Series{Metric: gauge, Resource: measure.Resource{Kind: measure.LocalMachine}}, 1)
			})
			p.sameAsReference(t, "/metrics", text, openMetrics)
			switch err := p.Ready(); {
			case tt.wrong == "" && err != nil:
				t.Errorf("Ready: %v", err)
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("Ready: %v, want %q", err, tt.wrong)
			}
		})
	}
}

func TestCompressedPage(t *testing.T) {
	m := newMetrics()
	for _, pods := range []int{0, 1, 300} { // none, less than a chunk, several chunks
		p := openDefault(t, m.all()...)
		p.next(t, func(b *measure.Batch) {
			for i := range pods {
				m.newPod("web-"+strconv.Itoa(i), "u-"+strconv.Itoa(i)).sample(b)
			}
		})
		for _, accept := range []string{text, openMetrics} {
			w := get(t, p.host.Mux, "/metrics", http.Header{"Accept": {accept}, "Accept-Encoding": {"gzip"}})
			r, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(p.scrape(t, accept), string(got)); diff != "" {
				t.Errorf("%d pods, the compressed page (-plain +compressed):\n%s", pods, diff)
			}
		}
	}
}

// TestScrapeIsBounded lets gathering hang: scrapes are refused, and given up in time.
func TestScrapeIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		host := plugintest.NewHost(t)
		host.SelfReader = nil
		host.Self = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
			<-hang
			return nil, nil
		})
		if _, err := Plugin().Config().Open(t.Context(), host.Host); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		var scrapes sync.WaitGroup
		for range maxScrapes {
			scrapes.Go(func() {
				w := get(t, host.Mux, "/metrics", nil)
				if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "timeout of 10s") {
					t.Errorf("a scrape that hangs: status %d, %s", w.Code, w.Body)
				}
			})
		}
		synctest.Wait()
		if w := get(t, host.Mux, "/metrics", nil); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "Limit of concurrent requests reached (16)") {
			t.Errorf("one scrape too many: status %d, %s", w.Code, w.Body)
		}
		scrapes.Wait()
		if took := time.Since(begun); took != scrapeTimeout {
			t.Errorf("given up after %v, want %v", took, scrapeTimeout)
		}
		close(hang)
		synctest.Wait()
		if w := get(t, host.Mux, "/metrics", nil); w.Code != http.StatusOK {
			t.Errorf("when gathering works again: status %d, %s", w.Code, w.Body)
		}
	})
}

// discard is a scraper that throws the page away.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// newFullNode returns a page of so many pods, with as many of the agent's own metrics as
// there are.
func newFullNode(t testing.TB, pods int) *page {
	t.Helper()
	m := newMetrics()
	p, _ := openInstrumented(t, nil, m.all()...)
	for i := range 25 {
		counter, err := p.host.Meter.Int64Counter("podjoule.own." + strconv.Itoa(i))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"k8s", "prometheus"} {
			counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("plugin", name)))
		}
	}
	p.next(t, func(b *measure.Batch) {
		for i := range pods {
			m.newPod("web-"+strconv.Itoa(i), "u-"+strconv.Itoa(i)).sample(b)
		}
	})
	return p
}

// A page allocates what it costs to collect its own metrics, and nothing for its samples.
func TestScrapeAllocatesLittle(t *testing.T) {
	p, r := newFullNode(t, 500), prometheusRequest(t)
	if allocs := testing.AllocsPerRun(20, func() { p.host.Mux.ServeHTTP(discard{http.Header{}}, r) }); allocs > 200 {
		t.Errorf("%v allocations for a page of 5,500 samples, want 200 at most", allocs)
	}
}

// prometheusAccept is what a Prometheus server says.
const prometheusAccept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1"

// prometheusRequest is what a Prometheus server asks for.
func prometheusRequest(t testing.TB) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", prometheusAccept)
	r.Header.Set("Accept-Encoding", "gzip")
	return r
}

// A gatherer may be any: units, which the page does not show, families in another
// order, and a metric twice.
func TestAnyGatherer(t *testing.T) {
	gauge := func(name string, values ...float64) *dto.MetricFamily {
		f := &dto.MetricFamily{Name: &name, Help: new("Help"), Unit: new("seconds"), Type: dto.MetricType_GAUGE.Enum()}
		for _, v := range values {
			f.Metric = append(f.Metric, &dto.Metric{Gauge: &dto.Gauge{Value: &v}})
		}
		return f
	}
	for _, tt := range []struct {
		name string
		self []*dto.MetricFamily
		want bool // to be told as wrong
	}{
		{"units", []*dto.MetricFamily{gauge("a_seconds", 1), gauge("z_seconds", 2)}, false},
		{"in another order", []*dto.MetricFamily{gauge("z_seconds", 1), gauge("a_seconds", 2)}, false},
		{"twice", []*dto.MetricFamily{gauge("a_seconds", 1, 2)}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMetrics()
			host := plugintest.NewHost(t, m.all()...)
			host.SelfReader = nil
			host.Self = prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return tt.self, nil })
			opened, err := Plugin().Config().Open(t.Context(), host.Host)
			if err != nil {
				t.Fatal(err)
			}
			p := &page{output: opened.(plugin.Output).(*output), host: host, end: tick}
			p.next(t, m.newPod("web-0", "u-1").sample)
			p.sameAsReference(t, "/metrics", text, openMetrics)
			if err := p.Ready(); (err != nil) != tt.want {
				t.Errorf("Ready: %v", err)
			}
		})
	}
}

// What scrapes share holds no line, since pods go.
func TestScratchHoldsNoLines(t *testing.T) {
	p := newSmallNode(t)
	b := new(scratch)
	newScraper(p.output, nil, p.host.Self, nil).body(b, textFormat, true)
	if len(b.points) == 0 || len(b.body) == 0 {
		t.Fatalf("%d points and %d bytes", len(b.points), len(b.body))
	}
	for i := range b.points {
		if b.points[i].line != nil {
			t.Fatalf("point %d still holds its line", i)
		}
	}
}
