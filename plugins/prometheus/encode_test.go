package prometheus

import (
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/podjoule/podjoule/agent/measure"
)

// reference serves the same page as client_golang makes it.
func (p *page) reference() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.output)
	return promhttp.HandlerFor(prometheus.Gatherers{registry, p.host.Self}, promhttp.HandlerOpts{
		ErrorHandling:                       promhttp.ContinueOnError,
		EnableOpenMetrics:                   true,
		EnableOpenMetricsTextCreatedSamples: true,
	})
}

func get(t testing.TB, h http.Handler, target string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// accepts are what scrapers ask for.
func accepts() []string {
	all := []string{
		"", "*/*", "text/plain", "text/plain;version=0.0.4", "text/html",
		"application/openmetrics-text", "application/openmetrics-text; version=0.0.1", openMetrics,
		"application/openmetrics-text;version=2.0.0,text/plain;q=0.5",
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=0.0.4;q=0.3,*/*;q=0.1",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text",
	}
	for _, scheme := range []string{"allow-utf-8", "underscores", "dots", "values", "nonsense"} {
		all = append(all, openMetrics+"; escaping="+scheme, "text/plain; escaping="+scheme)
	}
	return all
}

// sameAsReference compares the page with the one that client_golang makes, in every
// format: compressed, and then as it is, which is made of what the former left.
func (p *page) sameAsReference(t testing.TB, target string, accepts ...string) {
	t.Helper()
	reference := p.reference()
	for _, accept := range accepts {
		header := http.Header{"Accept": {accept}}
		want := get(t, reference, target, header)
		packed := get(t, p.host.Mux, target, http.Header{"Accept": {accept}, "Accept-Encoding": {"gzip"}})
		if diff := cmp.Diff(want.Body.String(), unpacked(t, packed.Body.Bytes())); diff != "" {
			t.Fatalf("Accept %q, compressed (-want +got):\n%s", accept, diff)
		}
		want = get(t, reference, target, header) // a scrape that fails is counted
		got := get(t, p.host.Mux, target, header)
		if diff := cmp.Diff(want.Header(), got.Header()); diff != "" || want.Code != got.Code {
			t.Errorf("Accept %q: status %d, want %d, headers (-want +got):\n%s", accept, got.Code, want.Code, diff)
		}
		if diff := cmp.Diff(want.Body.String(), got.Body.String()); diff != "" {
			t.Fatalf("Accept %q (-want +got):\n%s", accept, diff)
		}
	}
}

// addSelf registers metrics of every kind, whose names come before, among and after
// those of the samples. Some have names that the formats have to quote or escape.
func (p *page) addSelf(label string) {
	label = strings.ToValidUTF8(label, "?")
	histogram := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "podjoule_agent_tick_seconds", Help: "Ticks\n\"", Buckets: []float64{.1, 1}})
	histogram.Observe(.5)
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "podjoule_n", Help: "Summary", Objectives: map[float64]float64{.5: .1}})
	summary.Observe(2)
	counter := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "zz_total", Help: `Back\slash`}, []string{"label"})
	counter.WithLabelValues(label).Add(3)
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "aa.dotted", Help: ""}, []string{"a.label"})
	gauge.WithLabelValues(label).Set(math.Inf(-1))
	p.host.Self.(*prometheus.Registry).MustRegister(histogram, summary, counter, gauge)
}

func TestSameAsClientGolang(t *testing.T) {
	p := newSmallNode(t)
	p.sameAsReference(t, "/metrics", accepts()...)
	p.addSelf("label")
	p.sameAsReference(t, "/metrics", accepts()...)
	for _, target := range []string{
		"/metrics?name[]=podjoule_memory_usage_bytes&name[]=zz_total", "/metrics?name[]=", "/metrics?x=1", "/metrics?name[",
	} {
		p.sameAsReference(t, target, text, openMetrics)
	}
	empty := openDefault(t)
	empty.sameAsReference(t, "/metrics", accepts()...)
}

func TestValues(t *testing.T) {
	for _, tt := range []struct {
		value             float64
		text, openMetrics string
	}{
		{0, "0", "0.0"}, {math.Copysign(0, -1), "0", "0.0"}, {1, "1", "1.0"}, {-1, "-1", "-1.0"}, {42, "42", "42.0"},
		{0.5, "0.5", "0.5"}, {64 << 20, "6.7108864e+07", "6.7108864e+07"}, {1e-9, "1e-09", "1e-09"},
		{math.MaxUint64, "1.8446744073709552e+19", "1.8446744073709552e+19"}, {math.NaN(), "NaN", "NaN"},
		{math.Inf(1), "+Inf", "+Inf"}, {math.Inf(-1), "-Inf", "-Inf"},
	} {
		if got := string(appendValue([]byte("e."), tt.value, textFormat)); got != "e."+tt.text {
			t.Errorf("%v is %s as text, want %s", tt.value, got[2:], tt.text)
		}
		if got := string(appendValue([]byte("e."), tt.value, openMetricsFormat)); got != "e."+tt.openMetrics {
			t.Errorf("%v is %s in OpenMetrics, want %s", tt.value, got[2:], tt.openMetrics)
		}
	}
}

// FuzzPage shows any labels, helps and numbers as client_golang does.
func FuzzPage(f *testing.F) {
	f.Add("web", "0", "dram", "Help", uint64(1), 0.5, int64(0))
	f.Add("a\nb", `c"\`, "\xff", "He\\lp\n\"x\"", uint64(math.MaxUint64), math.NaN(), int64(-1))
	f.Add("", "ü", "x\xff\x00y", "", uint64(1)<<53+1, math.Inf(-1), int64(math.MaxInt64))
	f.Add("{}", "=,", "\u2028", "\xfe", uint64(0), math.Copysign(0, -1), int64(1e15+1))
	f.Add("0", "00", "a", "é", uint64(1e9), 1e21, int64(time.Hour))
	f.Add("b", "a", "", "x", uint64(1e15), 5e-324, int64(3))
	f.Fuzz(func(t *testing.T, a, b, id, help string, count uint64, value float64, span int64) {
		metrics := []*measure.Metric{
			{Name: "m_delta", Unit: measure.Nanosecond, Kind: measure.Delta, Help: help, Attributes: []string{"z", "b", "resource"}},
			{Name: "n_count_x", Unit: measure.Byte, Help: help, Attributes: []string{"a"}},
			{Name: "k", Unit: measure.Microjoule, Kind: measure.Delta, Help: help, Attributes: []string{"a"}},
			{Name: "plain", Help: help},
			{Name: "never", Help: help},
		}
		p := openDefault(t, metrics...)
		p.addSelf(a)
		series := func(m *measure.Metric, resource string, values ...string) *measure.Series {
			s := &measure.Series{Metric: m, Resource: measure.Resource{Kind: resource, ID: id}}
			for i, value := range values {
				s.Attributes = append(s.Attributes, measure.Attribute{Key: m.Attributes[i], Value: value})
			}
			return s
		}
		p.next(t, func(batch *measure.Batch) {
			for i, kind := range []string{measure.LocalMachine, "part", b} {
				batch.UintOver(series(metrics[0], kind, b, a+kind, id), count, time.Duration(span))
				batch.UintOver(series(metrics[0], kind, a, b), count/3, time.Duration(span))
				batch.Uint(series(metrics[0], kind), uint64(i))
				batch.Float(series(metrics[1], kind, a+"1"+kind), value)
				batch.Float(series(metrics[1], kind, b+"2"+kind), -value)
				batch.Uint(series(metrics[1], kind, "3"+kind), count)
			}
			batch.Uint(series(metrics[3], measure.LocalMachine), count)
		})
		p.sameAsReference(t, "/metrics", text, openMetrics, "application/openmetrics-text; version=0.0.1; escaping=dots")
	})
}
