package main

import (
	"context"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/prometheus"
	"github.com/podjoule/podjoule/plugins/remotewrite"
)

// written is what a receiver of remote write 1.0 has of each series: its last value,
// and whether its end was marked since.
type written struct {
	t      *testing.T
	mu     sync.Mutex
	values map[string]float64
	ended  map[string]bool
}

// message calls a function with each field of a message.
func (w *written) message(b []byte, field func(n protowire.Number, content []byte, v uint64)) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			w.t.Errorf("no message: %v", protowire.ParseError(n))
			return
		}
		b = b[n:]
		var content []byte
		var v uint64
		switch kind {
		case protowire.BytesType:
			content, n = protowire.ConsumeBytes(b)
		case protowire.Fixed64Type:
			v, n = protowire.ConsumeFixed64(b)
		default:
			v, n = protowire.ConsumeVarint(b)
		}
		if n < 0 {
			w.t.Errorf("no message: %v", protowire.ParseError(n))
			return
		}
		b = b[n:]
		field(number, content, v)
	}
}

func (w *written) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	packed, err := io.ReadAll(r.Body)
	if err != nil {
		w.t.Error(err)
	}
	body, err := snappy.Decode(nil, packed)
	if err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.message(body, func(n protowire.Number, series []byte, _ uint64) {
		if n != 1 {
			return
		}
		labels := make(map[string]string)
		var bits uint64
		w.message(series, func(n protowire.Number, part []byte, _ uint64) {
			var text [3]string
			w.message(part, func(inner protowire.Number, content []byte, v uint64) {
				switch {
				case n == 1 && inner <= 2:
					text[inner] = string(content)
				case n == 2 && inner == 1:
					bits = v
				}
			})
			if n == 1 {
				labels[text[1]] = text[2]
			}
		})
		key := seriesKey(labels)
		const stale = 0x7ff0000000000002
		if w.ended[key] = bits == stale; bits != stale {
			w.values[key] = math.Float64frombits(bits)
		}
	})
}

// seriesKey tells series apart as Prometheus does, but for the labels that a scrape adds.
func seriesKey(labels map[string]string) string {
	var key strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" && name != "job" && name != "instance" {
			key.WriteString(name + "=" + strconv.Quote(labels[name]) + ",")
		}
	}
	return key.String()
}

// onPage returns the lines of the page.
func onPage(t *testing.T, host *plugintest.Host) map[string]float64 {
	t.Helper()
	answer := httptest.NewRecorder()
	host.Mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatalf("read the page: %v", err)
	}
	lines := make(map[string]float64)
	for name, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{"__name__": name}
			for _, pair := range m.GetLabel() {
				labels[pair.GetName()] = pair.GetValue()
			}
			lines[seriesKey(labels)] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return lines
}

// TestRemoteWriteAgreesWithThePage gives the same batches, with series that come, go
// and follow each other, to both outputs: names, labels and values are the same, and
// what the page does not show any more is ended.
func TestRemoteWriteAgreesWithThePage(t *testing.T) {
	cpu := &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta, Help: "CPU time", Attributes: []string{"label:app/name", "uid"}}
	memory := &measure.Metric{Name: "memory_usage", Unit: measure.Byte, Help: "Memory", Attributes: cpu.Attributes}
	energy := &measure.Metric{Name: "energy", Unit: measure.Microjoule, Kind: measure.Delta, Help: "Energy", Attributes: cpu.Attributes}
	metrics := []*measure.Metric{cpu, memory, energy}
	host := plugintest.NewHost(t, metrics...)
	open := func(c plugin.Config, host *plugin.Host) plugin.Output {
		opened, err := c.Open(t.Context(), host)
		if err != nil {
			t.Fatal(err)
		}
		return opened.(plugin.Output)
	}
	samples := *host.Host
	samples.SelfReader = nil // the agent's own metrics are on the page alone
	page := open(prometheus.Plugin().Config(), &samples)

	w := &written{t: t, values: make(map[string]float64), ended: make(map[string]bool)}
	server := httptest.NewServer(w)
	defer server.Close()
	c := remotewrite.Plugin().Config().(*remotewrite.Config)
	c.URL, c.ProtocolVersion = server.URL, remotewrite.Version1
	pushed := open(c, host.Host)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pushed.(plugin.Runner).Run(ctx) }()

	rng := rand.New(rand.NewPCG(8, 8))
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	live := make(map[int]*measure.Series)
	compared := 0
	for range 300 {
		step := time.Second
		if rng.IntN(40) == 0 {
			step = 7 * time.Minute // ended counters are forgotten
		}
		var b measure.Batch
		b.Reset(time.Second, now, now.Add(step))
		now = now.Add(step)
		for id := range 12 {
			s := live[id]
			if s == nil && rng.IntN(3) == 0 {
				s = &measure.Series{Metric: metrics[id%3], Resource: measure.Resource{Kind: measure.LocalMachine}}
				if id%4 == 0 {
					s.Resource = measure.Resource{Kind: "dram", ID: strconv.Itoa(id)}
				}
				s.Attributes = []measure.Attribute{{Key: "label:app/name", Value: []string{"", "a\n\"\xff", "web"}[id/3%3]}, {Key: "uid", Value: strconv.Itoa(id)}}
				live[id] = s
			}
			if s == nil {
				continue
			}
			if rng.IntN(4) > 0 {
				b.Uint(s, rng.Uint64N(1<<40))
			}
			if rng.IntN(12) == 0 {
				b.Retire(s)
				delete(live, id)
			}
		}
		for _, out := range []plugin.Output{page, pushed} {
			if err := out.Write(t.Context(), &b); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "the receiver to have it all", func() bool { return host.Counter(t, "podjoule.remotewrite.queue.bytes") == 0 })
		lines := onPage(t, host)
		w.mu.Lock()
		for key, want := range lines {
			if got, ok := w.values[key]; !ok || got != want {
				t.Fatalf("%s is %v by remote write (known: %v), and %v on the page", key, got, ok, want)
			}
			compared++
		}
		for key := range w.values {
			// A gauge that ends is marked one batch after its last sample.
			if _, shown := lines[key]; !shown && !w.ended[key] && len(b.Ended) == 0 {
				t.Fatalf("%s is not on the page, and its end is not marked", key)
			}
		}
		w.mu.Unlock()
	}
	if compared < 1000 {
		t.Errorf("compared %d values only", compared)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
