package prometheus

import (
	"compress/gzip"
	"errors"
	"flag"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/measure"
)

var update = flag.Bool("update", false, "write the golden pages anew")

// newSmallNode returns a page with two pods after two ticks.
func newSmallNode(t testing.TB) *page {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web, db := m.newPod("web-0", "u-1"), m.newPod("db-0", "u-2")
	machine := measure.Consumer{Kind: measure.LocalMachine}
	socket := &measure.Series{Metric: m.rapl, Resource: measure.Resource{Kind: "cpu_package", ID: "0"}, Consumer: machine,
		Attributes: []measure.Attribute{{Key: "domain", Value: "package"}}}
	psys := &measure.Series{Metric: m.rapl, Resource: measure.Resource{Kind: measure.LocalMachine}, Consumer: machine,
		Attributes: []measure.Attribute{{Key: "domain", Value: "platform"}}}
	system := &measure.Series{Metric: m.system, Resource: measure.Resource{Kind: measure.LocalMachine}, Consumer: machine,
		Attributes: []measure.Attribute{{Key: "domain", Value: "package"}, {Key: "source", Value: "rapl-powercap"}}}
	for range 2 {
		p.next(t, func(b *measure.Batch) {
			web.sample(b)
			b.Uint(socket, 30_000_001)
			b.Uint(psys, 50_000_000)
			b.Uint(system, 2_000_000)
		})
	}
	p.next(t, func(b *measure.Batch) {
		web.sample(b)
		db.sample(b)
		b.Uint(socket, 30_000_001)
		b.Uint(psys, 50_000_000)
		b.Uint(system, 2_000_000)
	})
	return p
}

func TestGoldenPages(t *testing.T) {
	p := newSmallNode(t)
	for _, tt := range []struct{ file, accept string }{
		{"page.txt", text},
		{"page.openmetrics", openMetrics},
	} {
		t.Run(tt.file, func(t *testing.T) {
			path := filepath.Join("testdata", tt.file)
			got := p.scrape(t, tt.accept)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatalf("%v (run the test with -update to write it)", err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("page (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPageIsCleanForPromlint(t *testing.T) {
	page := newSmallNode(t).scrape(t, text)
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func TestScrapesChangeNothing(t *testing.T) {
	p := newSmallNode(t)
	for _, accept := range []string{text, openMetrics} {
		first := p.scrape(t, accept)
		if diff := cmp.Diff(first, p.scrape(t, accept)); diff != "" {
			t.Errorf("two scrapes of %s (-first +second):\n%s", accept, diff)
		}
	}
}

func TestSamplesHaveNoTimestamp(t *testing.T) {
	for l := range strings.Lines(newSmallNode(t).scrape(t, text)) {
		if !strings.HasPrefix(l, "#") && len(strings.Fields(l)) != 2 {
			t.Errorf("want a name and a value, have %q", l)
		}
	}
}

// TestScrapeWhileWriting also checks that no scrape sees half a batch.
func TestScrapeWhileWriting(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web := m.newPod("web-0", "u-1")
	p.next(t, web.sample)
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.output)
	var scrapes sync.WaitGroup
	for range 4 {
		scrapes.Go(func() {
			for range 50 {
				families, err := registry.Gather()
				if err != nil {
					t.Errorf("Gather: %v", err)
				}
				nanoseconds := make(map[string]float64)
				for _, f := range families {
					for _, sample := range f.GetMetric() {
						if f.GetName() == "podjoule_cpu_time_seconds_total" {
							nanoseconds[value(sample, "kind")] = math.Round(sample.GetCounter().GetValue() * 1e9)
						}
					}
				}
				if n := nanoseconds; n["user"] == 0 || n["total"] != n["user"]+n["system"] {
					t.Errorf("CPU times of different batches: %v", n)
				}
			}
		})
	}
	for range 200 {
		p.next(t, web.sample)
	}
	scrapes.Wait()
	if got, want := p.linesOf(t, `podjoule_pod_energy_joules_total{domain="dram"`)[0], " 50.25"; !strings.HasSuffix(got, want) {
		t.Errorf("have %s, want%s", got, want)
	}
}

func TestLargePage(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	p.next(t, func(b *measure.Batch) {
		for i := range 500 {
			m.newPod("web-"+strconv.Itoa(i), "u-"+strconv.Itoa(i)).sample(b)
		}
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	w := httptest.NewRecorder()
	p.host.Mux.ServeHTTP(w, r)
	if got := w.Header().Get("Content-Encoding"); got != "gzip" {
		t.Fatalf("encoding %q, want gzip", got)
	}
	body, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(body)
	if err != nil {
		t.Fatalf("parse the page: %v", err)
	}
	samples := 0
	for _, f := range families {
		samples += len(f.GetMetric())
	}
	if want := 500 * 11; samples != want {
		t.Errorf("%d samples, want %d", samples, want)
	}
}

// TestSelfMetricsShareThePage includes one that cannot be gathered.
func TestSelfMetricsShareThePage(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web := m.newPod("web-0", "u-1")
	p.next(t, web.sample)
	if err := p.Ready(); err != nil {
		t.Errorf("Ready before the first scrape: %v", err)
	}
	ticks := prometheus.NewCounter(prometheus.CounterOpts{Name: "podjoule_ticks_total", Help: "Ticks"})
	broken := prometheus.NewDesc("podjoule_broken", "Broken", nil, nil)
	self := p.host.Self.(*prometheus.Registry)
	self.MustRegister(ticks, brokenCollector{broken})

	page := p.scrape(t, text)
	for _, want := range []string{"\npodjoule_ticks_total 0\n", "\npodjoule_memory_usage_bytes{"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if err := p.Ready(); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("Ready: %v, want an error that names the cause", err)
	}
	if got := p.host.Counter(t, "podjoule.prometheus.failed_scrapes"); got != 1 {
		t.Errorf("%d failed scrapes were counted, want 1", got)
	}
	self.Unregister(brokenCollector{broken})
	p.scrape(t, text)
	if err := p.Ready(); err != nil {
		t.Errorf("Ready after a scrape that went well: %v", err)
	}
}

type brokenCollector struct{ desc *prometheus.Desc }

func (c brokenCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }
func (c brokenCollector) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(c.desc, errors.New("broken"))
}

// FuzzLabels shows two series with any attribute values and reads the page back.
func FuzzLabels(f *testing.F) {
	f.Add("web", "web", "", "0")
	f.Add("a\nb", `c"\`, "dram", "1")
	f.Add("\xff", "\xfe", "x\xffy", "ü")
	f.Fuzz(func(t *testing.T, a, b, kind, id string) {
		metric := &measure.Metric{Name: "m", Kind: measure.Delta, Help: "Help", Attributes: []string{"a", "b"}}
		p := openDefault(t, metric)
		series := func(a, b string) *measure.Series {
			return &measure.Series{Metric: metric, Resource: measure.Resource{Kind: kind, ID: id},
				Attributes: []measure.Attribute{{Key: "a", Value: a}, {Key: "b", Value: b}}}
		}
		p.next(t, func(batch *measure.Batch) {
			batch.Uint(series(a, b), 1)
			batch.Uint(series(b, a), 2)
		})
		p.gather(t)
		parser := expfmt.NewTextParser(model.LegacyValidation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(p.scrape(t, text)))
		if err != nil {
			t.Fatalf("read the page back: %v", err)
		}
		clean := func(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
		got, want := map[[2]string]float64{}, map[[2]string]float64{{clean(a), clean(b)}: 1}
		want[[2]string{clean(b), clean(a)}] += 2
		for _, m := range families["podjoule_m_total"].GetMetric() {
			got[[2]string{value(m, "a"), value(m, "b")}] = m.GetCounter().GetValue()
			if have := value(m, "resource_id"); kind != measure.LocalMachine && have != clean(id) {
				t.Errorf("resource %q, want %q", have, clean(id))
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("counters (-want +got):\n%s", diff)
		}
	})
}

func value(m *dto.Metric, label string) string {
	for _, pair := range m.GetLabel() {
		if pair.GetName() == label {
			return pair.GetValue()
		}
	}
	return ""
}

func BenchmarkPage(b *testing.B) {
	m := newMetrics()
	p := openDefault(b, m.all()...)
	p.next(b, func(batch *measure.Batch) {
		for i := range 110 {
			m.newPod("web-"+strconv.Itoa(i), "u-"+strconv.Itoa(i)).sample(batch)
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		p.scrape(b, openMetrics)
	}
}
