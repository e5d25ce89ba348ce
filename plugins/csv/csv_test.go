package csv

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

var tick = time.Date(2026, 3, 1, 12, 0, 5, 0, time.FixedZone("CET", 3600))

// node is a small set of metrics and series.
type node struct {
	metrics                                   []*measure.Metric
	cpu, percent, memory, energy, packageUsed *measure.Series
}

func newNode() *node {
	pod := []string{"name", "namespace", "node", "uid"}
	cpu := &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
		Attributes: []string{"kind", "name", "namespace", "node", "uid"}}
	percent := &measure.Metric{Name: "cpu_percent", Unit: measure.Percent, Attributes: cpu.Attributes}
	memory := &measure.Metric{Name: "memory_usage", Unit: measure.Byte, Attributes: pod}
	energy := &measure.Metric{Name: "pod_energy", Unit: measure.Microjoule, Kind: measure.Delta,
		Attributes: []string{"domain", "name", "namespace", "node", "quality", "source", "uid"}}
	rapl := &measure.Metric{Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta,
		Attributes: []string{"domain"}}

	machine := measure.Resource{Kind: measure.LocalMachine}
	web := measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods.slice/pod1"}
	identity := []measure.Attribute{
		{Key: "name", Value: "web-0"}, {Key: "namespace", Value: "shop"},
		{Key: "node", Value: "n1"}, {Key: "uid", Value: "u-1"},
	}
	ofKind := append([]measure.Attribute{{Key: "kind", Value: "total"}}, identity...)
	return &node{
		metrics: []*measure.Metric{cpu, percent, memory, energy, rapl},
		cpu:     &measure.Series{Metric: cpu, Resource: machine, Consumer: web, Attributes: ofKind},
		percent: &measure.Series{Metric: percent, Resource: machine, Consumer: web, Attributes: ofKind},
		memory:  &measure.Series{Metric: memory, Resource: machine, Consumer: web, Attributes: identity},
		energy: &measure.Series{Metric: energy, Resource: machine, Consumer: web, Attributes: []measure.Attribute{
			{Key: "domain", Value: "package"}, {Key: "name", Value: "web-0"}, {Key: "uid", Value: "u-1"},
		}},
		packageUsed: &measure.Series{Metric: rapl,
			Resource:   measure.Resource{Kind: "cpu_package", ID: "0"},
			Consumer:   measure.Consumer{Kind: measure.LocalMachine},
			Attributes: []measure.Attribute{{Key: "domain", Value: "package"}},
		},
	}
}

// batch returns one sample of each series.
func (n *node) batch(end time.Time) *measure.Batch {
	b := new(measure.Batch)
	b.Reset(time.Second, end.Add(-time.Second), end)
	b.Uint(n.cpu, 250_000_001)
	b.Float(n.percent, 25.0000001)
	b.Uint(n.memory, 4096)
	b.Uint(n.energy, 1_500_000)
	b.Uint(n.packageUsed, 7_000_001)
	return b
}

// open opens the plugin and closes it at the end of the test.
func open(t testing.TB, h *plugintest.Host, c *Config) *output {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatalf("Validate: %v", err)
	}
	opened, err := c.Open(t.Context(), h.Host)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return opened.(*output)
}

func write(t testing.TB, out plugin.Output, b *measure.Batch) {
	t.Helper()
	if err := out.Write(t.Context(), b); err != nil {
		t.Fatalf("Write: %v", err)
	}
}

const wantHeader = "timestamp,metric,unit,value,resource_kind,resource_id,consumer_kind,consumer_id," +
	"domain,kind,name,namespace,node,quality,source,uid\n"

const wantRows = `2026-03-01T11:00:05.000000000Z,cpu_time_delta,ns,250000001,local_machine,,cgroup,/kubepods.slice/pod1,,total,web-0,shop,n1,,,u-1
2026-03-01T11:00:05.000000000Z,cpu_percent,%,25.0000001,local_machine,,cgroup,/kubepods.slice/pod1,,total,web-0,shop,n1,,,u-1
2026-03-01T11:00:05.000000000Z,memory_usage,bytes,4096,local_machine,,cgroup,/kubepods.slice/pod1,,,web-0,shop,n1,,,u-1
2026-03-01T11:00:05.000000000Z,pod_energy,J,1.5,local_machine,,cgroup,/kubepods.slice/pod1,package,,web-0,,,,,u-1
2026-03-01T11:00:05.000000000Z,rapl_consumed_energy,J,7.000001,cpu_package,0,local_machine,,package,,,,,,,
`

func TestWritesRowsToStandardOutput(t *testing.T) {
	n := newNode()
	h := plugintest.NewHost(t, n.metrics...)
	out := open(t, h, Plugin().Config().(*Config))
	write(t, out, n.batch(tick))
	if diff := cmp.Diff(wantHeader+wantRows, h.Stdout.String()); diff != "" {
		t.Errorf("first batch (-want +got):\n%s", diff)
	}
	write(t, out, n.batch(tick.Add(1500*time.Millisecond)))
	if err := out.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	later := strings.ReplaceAll(wantRows, "11:00:05.000000000Z", "11:00:06.500000000Z")
	if diff := cmp.Diff(wantHeader+wantRows+later, h.Stdout.String()); diff != "" {
		t.Errorf("both batches (-want +got):\n%s", diff)
	}
}

func TestHeaderComesWithoutSamplesToo(t *testing.T) {
	n := newNode()
	h := plugintest.NewHost(t, n.metrics...)
	out := open(t, h, &Config{Path: stdout})
	write(t, out, new(measure.Batch))
	if diff := cmp.Diff(wantHeader, h.Stdout.String()); diff != "" {
		t.Errorf("output (-want +got):\n%s", diff)
	}
}

func TestRefusesUndeclaredAttribute(t *testing.T) {
	n := newNode()
	h := plugintest.NewHost(t, n.metrics[4]) // declares domain only
	out := open(t, h, &Config{Path: stdout})
	err := out.Write(t.Context(), n.batch(tick))
	if err == nil || !strings.Contains(err.Error(), `cpu_time_delta is left out: it has the attribute "kind"`) {
		t.Errorf("Write: error %v, want one that names metric and attribute", err)
	}
	want := "timestamp,metric,unit,value,resource_kind,resource_id,consumer_kind,consumer_id,domain\n" +
		"2026-03-01T11:00:05.000000000Z,rapl_consumed_energy,J,7.000001,cpu_package,0,local_machine,,package\n"
	if diff := cmp.Diff(want, h.Stdout.String()); diff != "" {
		t.Errorf("rows of the other series (-want +got):\n%s", diff)
	}
}

func TestForgetsEndedSeries(t *testing.T) {
	n := newNode()
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: stdout})
	b := n.batch(tick)
	write(t, out, b)
	if got, want := len(out.rows.ready), 5; got != want {
		t.Fatalf("%d series known, want %d", got, want)
	}
	b.Retire(n.cpu, n.percent, n.memory, n.energy)
	write(t, out, b)
	if got, want := len(out.rows.ready), 1; got != want {
		t.Errorf("%d series known after four ended, want %d", got, want)
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	n := newNode()
	out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: stdout})
	out.sink.w = io.Discard
	b := n.batch(tick)
	allocs := testing.AllocsPerRun(100, func() { write(t, out, b) })
	if allocs != 0 {
		t.Errorf("%v allocations a batch, want 0", allocs)
	}
}

var errFull = errors.New("no space left on device")

// narrow takes as many bytes as it has room for, then fails.
type narrow struct {
	room    int
	written strings.Builder
}

func (w *narrow) Write(p []byte) (int, error) {
	n := min(w.room, len(p))
	w.written.Write(p[:n])
	w.room -= n
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func TestNothingIsLostOrCutWhenSpaceComesBack(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		n := newNode()
		out := open(t, plugintest.NewHost(t, n.metrics...), &Config{Path: stdout})
		w := &narrow{}
		out.sink.w = w
		want := wantHeader
		for i := range 10 {
			w.room = rng.IntN(2000)
			end := tick.Add(time.Duration(i) * time.Second)
			err := out.Write(t.Context(), n.batch(end))
			if err != nil && !errors.Is(err, errFull) {
				t.Fatalf("seed %d: Write: %v", seed, err)
			}
			want += strings.ReplaceAll(wantRows, "2026-03-01T11:00:05.000000000Z", end.UTC().Format(timeLayout))
			if got := w.written.String(); (err == nil) != (got == want) || !strings.HasPrefix(want, got) {
				t.Fatalf("seed %d, batch %d, error %v: have written\n%s\nwant, or a part of it:\n%s", seed, i, err, got, want)
			}
		}
		w.room = 1 << 20
		if err := out.Close(); err != nil {
			t.Fatalf("seed %d: Close: %v", seed, err)
		}
		if diff := cmp.Diff(want, w.written.String()); diff != "" {
			t.Fatalf("seed %d: written in the end (-want +got):\n%s", seed, diff)
		}
	}
}

func TestRowsThatWaitAreBounded(t *testing.T) {
	n := newNode()
	h := plugintest.NewHost(t, n.metrics...)
	out := open(t, h, &Config{Path: stdout})
	w := &narrow{}
	out.sink.w = w
	var b measure.Batch
	b.Reset(time.Second, tick, tick)
	for range 10_000 {
		b.Uint(n.cpu, 1)
	}
	for range 20 { // about 1.2 MB each
		if err := out.Write(t.Context(), &b); !errors.Is(err, errFull) {
			t.Fatalf("Write: error %v, want %v", err, errFull)
		}
	}
	if size := len(out.waiting); size < maxWaiting || size > maxWaiting+2<<20 {
		t.Errorf("%d bytes wait, want about %d", size, maxWaiting)
	}
	lost := h.Counter(t, "podjoule.csv.lost_rows")
	if lost == 0 {
		t.Error("no lost rows were counted")
	}
	if err := out.Close(); err == nil || !strings.Contains(err.Error(), "bytes of rows are lost") {
		t.Errorf("Close: error %v, want one that tells the lost rows", err)
	}
	w.room = 1 << 30
	write(t, out, &b)
	rows := strings.Count(w.written.String(), "\n") - 1
	if want := 21*len(b.Samples) - int(lost); rows != want {
		t.Errorf("%d rows were written when there was room, want %d", rows, want)
	}
}
