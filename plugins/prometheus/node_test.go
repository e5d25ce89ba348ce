package prometheus

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

const interval = 5 * time.Second

var tick = time.Date(2026, 3, 1, 12, 0, 5, 250e6, time.UTC)

// metrics are those of a node, as plugins declare them.
type metrics struct {
	cpu, percent, memory, anonymous, containerCPU, rapl, podEnergy, system *measure.Metric
}

func newMetrics() *metrics {
	identity := []string{"name", "namespace", "node", "uid"}
	withKind := []string{"kind", "name", "namespace", "node", "uid"}
	return &metrics{
		cpu: &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
			Help: "CPU time that the pod used", Attributes: withKind},
		percent: &measure.Metric{Name: "cpu_percent", Unit: measure.Percent,
			Help: "CPU usage of the pod; 100 is one core fully used", Attributes: withKind},
		memory: &measure.Metric{Name: "memory_usage", Unit: measure.Byte,
			Help: "Memory in use by the pod", Attributes: identity},
		anonymous: &measure.Metric{Name: "cgroup_memory_anonymous", Unit: measure.Byte,
			Help: "Anonymous memory of the pod", Attributes: identity},
		containerCPU: &measure.Metric{Name: "container_cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
			Help:       "CPU time that the container used",
			Attributes: []string{"container", "container_id", "kind", "name", "namespace", "node", "uid"}},
		rapl: &measure.Metric{Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta,
			Help: "Energy that a RAPL domain used", Attributes: []string{"domain"}},
		podEnergy: &measure.Metric{Name: "pod_energy", Unit: measure.Microjoule, Kind: measure.Delta,
			Help:       "Energy that the pod used",
			Attributes: []string{"domain", "name", "namespace", "node", "quality", "source", "uid"}},
		system: &measure.Metric{Name: "energy_system", Unit: measure.Microjoule, Kind: measure.Delta,
			Help: "Energy that the node used outside of pods", Attributes: []string{"domain", "quality", "source"}},
	}
}

func (m *metrics) all() []*measure.Metric {
	return []*measure.Metric{m.cpu, m.percent, m.memory, m.anonymous, m.containerCPU, m.rapl, m.podEnergy, m.system}
}

// pod holds eleven series of one pod.
type pod struct {
	cpu, percent                       [3]*measure.Series
	memory, anonymous, container, core *measure.Series
	dram                               *measure.Series
}

func (m *metrics) newPod(name, uid string) *pod {
	series := func(metric *measure.Metric, extra ...measure.Attribute) *measure.Series {
		s := &measure.Series{
			Metric:   metric,
			Resource: measure.Resource{Kind: measure.LocalMachine},
			Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods.slice/kubepods-pod" + uid + ".slice"},
		}
		known := map[string]string{"name": name, "namespace": "shop", "node": "n1", "uid": uid}
		for _, a := range extra {
			known[a.Key] = a.Value
		}
		for _, key := range metric.Attributes {
			if value, ok := known[key]; ok {
				s.Attributes = append(s.Attributes, measure.Attribute{Key: key, Value: value})
			}
		}
		return s
	}
	p := new(pod)
	for i, kind := range []string{"total", "system", "user"} {
		attribute := measure.Attribute{Key: "kind", Value: kind}
		p.cpu[i], p.percent[i] = series(m.cpu, attribute), series(m.percent, attribute)
	}
	p.memory, p.anonymous = series(m.memory), series(m.anonymous)
	p.container = series(m.containerCPU, measure.Attribute{Key: "container", Value: "app"},
		measure.Attribute{Key: "container_id", Value: "c-" + uid}, measure.Attribute{Key: "kind", Value: "total"})
	source, quality := measure.Attribute{Key: "source", Value: "rapl-powercap"}, measure.Attribute{Key: "quality", Value: "measured"}
	p.core = series(m.podEnergy, measure.Attribute{Key: "domain", Value: "package"}, source, quality)
	p.dram = series(m.podEnergy, measure.Attribute{Key: "domain", Value: "dram"}, source, quality)
	return p
}

func (p *pod) series() []*measure.Series {
	return append(append(p.cpu[:], p.percent[:]...), p.memory, p.anonymous, p.container, p.core, p.dram)
}

// sample adds a sample of each series.
func (p *pod) sample(b *measure.Batch) {
	for i, s := range p.cpu {
		b.Uint(s, uint64(3-i)*1_000_000_001)
	}
	for i, s := range p.percent {
		b.Float(s, float64(3-i)*20)
	}
	b.Uint(p.memory, 64<<20)
	b.Uint(p.anonymous, 48<<20)
	b.Uint(p.container, 2_500_000_000)
	b.Uint(p.core, 1_234_567)
	b.Uint(p.dram, 250_000)
}

// page is an opened plugin and the page that it serves.
type page struct {
	*output
	host *plugintest.Host
	end  time.Time
}

func open(t testing.TB, c *Config, metrics ...*measure.Metric) *page {
	t.Helper()
	h := plugintest.NewHost(t, metrics...)
	if err := c.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	gathered := *h.Host
	gathered.SelfReader = nil // the agent's own metrics are those that tests put into Self
	opened, err := c.Open(t.Context(), &gathered)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return &page{output: opened.(plugin.Output).(*output), host: h, end: tick}
}

func openDefault(t testing.TB, metrics ...*measure.Metric) *page {
	return open(t, Plugin().Config().(*Config), metrics...)
}

// next writes a batch of the next tick, filled by the given function.
func (p *page) next(t testing.TB, fill func(*measure.Batch)) {
	t.Helper()
	p.end = p.end.Add(interval)
	b := new(measure.Batch)
	b.Reset(interval, p.end.Add(-interval), p.end)
	fill(b)
	if err := p.Write(t.Context(), b); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

// scrape returns the page in the format that Prometheus asks for by default,
// or in the one of the given Accept header.
func (p *page) scrape(t testing.TB, accept string) string {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	p.host.Mux.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusOK {
		t.Fatalf("status %d: %s", w.Code, body)
	}
	return string(body)
}

const (
	text        = "text/plain"
	openMetrics = "application/openmetrics-text; version=1.0.0"
)

// lines returns the samples of the page whose names start with a prefix.
func (p *page) linesOf(t testing.TB, prefix string) []string {
	t.Helper()
	var lines []string
	for l := range strings.Lines(p.scrape(t, text)) {
		if strings.HasPrefix(l, prefix) {
			lines = append(lines, strings.TrimSuffix(l, "\n"))
		}
	}
	return lines
}

// gather returns the values of the samples alone, by name and labels; it fails
// where a scrape would miss a sample.
func (p *page) gather(t testing.TB) map[string]float64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(p.output)
	families, err := registry.Gather()
	if err != nil {
		t.Fatalf("Gather: %v", err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += fmt.Sprintf(" %s=%q", l.GetName(), l.GetValue())
			}
			values[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}
