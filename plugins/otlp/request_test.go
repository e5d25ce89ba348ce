package otlp

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden compares whole requests of two ticks, in which a pod with a
// container lives and another ends, with the files in testdata.
func TestGolden(t *testing.T) {
	for _, temporality := range []string{Delta, Cumulative} {
		for _, identity := range []string{Both, Resource, Point} {
			t.Run(temporality+"_"+identity, func(t *testing.T) {
				x := newBuild(temporality, identity)
				var got bytes.Buffer
				for _, b := range twoTicks() {
					md, err := x.build(b, noSelf())
					if err != nil {
						t.Fatal(err)
					}
					text, err := new(pmetric.JSONMarshaler).MarshalMetrics(md)
					if err != nil {
						t.Fatal(err)
					}
					if err := json.Indent(&got, text, "", "  "); err != nil {
						t.Fatal(err)
					}
					got.WriteByte('\n')
				}
				golden(t, filepath.Join("testdata", temporality+"_"+identity+".json"), got.Bytes())
				if len(x.streams) != 8 {
					t.Errorf("%d series are remembered, want the 8 live ones", len(x.streams))
				}
			})
		}
	}
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v (make it with -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// twoTicks has every kind of series; the pod b ends in the second tick, with a
// last value of its CPU time.
func twoTicks() []*measure.Batch {
	first, second := tick(0), tick(1)
	rapl := ofPackage("0")
	first.Uint(rapl, 12_500_000)
	second.Uint(rapl, 1)
	live := []*measure.Series{
		ofPod(cpuTime, "a", "kind", "total"), ofPod(cpuTime, "a", "kind", "user"), ofPod(memoryUsage, "a"),
		ofPod(containerCPU, "a", "container", "web", "container_id", "c1", "kind", "total"),
		ofPod(podEnergy, "a", "domain", "package"), ofPod(pids, "a"),
	}
	ends := []*measure.Series{ofPod(cpuTime, "b", "kind", "total"), ofPod(memoryUsage, "b")}
	for i, s := range append(live, ends...) {
		first.Uint(s, uint64(1000+i))
	}
	for i, s := range live {
		second.Uint(s, uint64(2000+i))
	}
	percent := ofPod(cpuPercent, "a", "kind", "total")
	first.Float(percent, 12.5)
	second.Float(percent, 0.25)
	second.UintOver(ends[0], 7, 2*time.Second)
	second.Retire(ends...)
	return []*measure.Batch{first, second}
}

// TestNothingToSend shows that an empty batch makes no request.
func TestNothingToSend(t *testing.T) {
	b := tick(0)
	b.Retire(ofPod(memoryUsage, "never-seen"))
	requests, err := newBuild(Delta, Both).requests(b, noSelf(), maxRequest)
	if err != nil || len(requests) != 0 {
		t.Errorf("got %d requests and error %v, want none", len(requests), err)
	}
}

// TestSum follows the sum of one series through gaps and its end.
func TestSum(t *testing.T) {
	type point struct {
		Value       int64
		Start, Time time.Duration // since the first window began
		End         bool
	}
	const second = time.Second
	for _, tt := range []struct {
		temporality string
		want        [][]point
	}{
		{Delta, [][]point{
			{{1, 0, 5 * second, false}}, nil, {{3, 5 * second, 15 * second, false}}, nil,
		}},
		{Cumulative, [][]point{
			{{1, 0, 5 * second, false}}, nil, {{4, 0, 15 * second, false}}, {{0, 0, 20*second + endDelay, true}},
		}},
	} {
		t.Run(tt.temporality, func(t *testing.T) {
			x, s := newBuild(tt.temporality, Both), ofPod(cpuTime, "a")
			missing, late, end := tick(1), tick(2), tick(3)
			late.UintOver(s, 3, 10*second)
			end.Retire(s)
			var got [][]point
			for _, b := range []*measure.Batch{count(s, 0), missing, late, end} {
				md, err := x.build(b, noSelf())
				if err != nil {
					t.Fatal(err)
				}
				var points []point
				eachPoint(md, func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
					points = append(points, point{p.IntValue(), p.StartTimestamp().AsTime().Sub(start),
						p.Timestamp().AsTime().Sub(start), p.Flags().NoRecordedValue()})
				})
				got = append(got, points)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
			if len(x.streams) != 0 {
				t.Errorf("%d series are remembered after the end", len(x.streams))
			}
		})
	}
}

// TestLargeCounts shows that no integer turns negative on the way to the 63
// bits of OTLP, and that a total that overflows begins anew.
func TestLargeCounts(t *testing.T) {
	x, s := newBuild(Cumulative, Both), ofPod(cpuTime, "a")
	type point struct {
		Int    int64
		Double float64
		Start  time.Duration
	}
	var got []point
	for i, v := range []uint64{math.MaxInt64, 1, math.MaxInt64, 5} {
		b := tick(i)
		b.Uint(s, v)
		md, err := x.build(b, noSelf())
		if err != nil {
			t.Fatal(err)
		}
		eachPoint(md, func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
			got = append(got, point{p.IntValue(), p.DoubleValue(), p.StartTimestamp().AsTime().Sub(start)})
		})
	}
	want := []point{{math.MaxInt64, 0, 0}, {0, 1 << 63, 0}, {0, 1 << 64, 0}, {5, 0, 15 * time.Second}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("points (-want +got):\n%s", diff)
	}
}

// TestFloatDelta shows that a broken sample is named and hurts no other.
func TestFloatDelta(t *testing.T) {
	b := tick(0)
	b.Float(ofPod(cpuTime, "a"), 1.5)
	b.Uint(ofPod(cpuTime, "b"), 2)
	md, err := newBuild(Delta, Both).build(b, noSelf())
	if err == nil || !strings.Contains(err.Error(), "cpu_time_delta: a delta must be an integer") {
		t.Errorf("got error %v, want one that names the metric", err)
	}
	if diff := cmp.Diff([]int64{2}, values(md)); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// TestConsumersAndResources shows what becomes of a series' resource and
// consumer, and that renames hold for them too.
func TestConsumersAndResources(t *testing.T) {
	local := measure.Consumer{Kind: measure.LocalMachine}
	machine := measure.Resource{Kind: measure.LocalMachine}
	uid := []measure.Attribute{{Key: "uid", Value: "u"}}
	for _, tt := range []struct {
		name   string
		series measure.Series
		want   map[string]any
	}{
		{"machine", measure.Series{Resource: machine, Consumer: local}, map[string]any{}},
		{"part of the machine", measure.Series{Resource: measure.Resource{Kind: "dram", ID: "1"}, Consumer: local},
			map[string]any{"part": "dram", "resource_id": "1"}},
		{"part without id", measure.Series{Resource: measure.Resource{Kind: "psys"}, Consumer: local},
			map[string]any{"part": "psys"}},
		{"process", measure.Series{Resource: machine, Consumer: measure.Consumer{Kind: "process", ID: "42"}, Attributes: uid},
			map[string]any{"consumer_kind": "process", "consumer_id": "42", "pod": "u"}},
		{"cgroup of a pod", measure.Series{Resource: machine, Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/a"}, Attributes: uid},
			map[string]any{"pod": "u"}},
		{"cgroup of no pod", measure.Series{Resource: machine, Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/a"}},
			map[string]any{"consumer_kind": "cgroup", "consumer_id": "/a"}},
		{"not UTF-8", measure.Series{Resource: machine, Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/a\xff"}},
			map[string]any{"consumer_kind": "cgroup", "consumer_id": "/a\uFFFD"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := pcommon.NewMap()
			putAttributes(got, &tt.series, Both, plugin.Renames{"uid": "pod", "resource_kind": "part"})
			if diff := cmp.Diff(tt.want, got.AsRaw()); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

// Units are in UCUM, and values are in them: thousandths of a core as cores.
func TestUnitOfCores(t *testing.T) {
	m := &measure.Metric{Name: "cpu_request", Unit: measure.Millicore, Kind: measure.Gauge, Attributes: []string{"name", "namespace", "node", "uid"}}
	b := tick(0)
	b.Uint(ofPod(m, "a"), 250)
	md, err := newBuild(Delta, Both).build(b, noSelf())
	if err != nil {
		t.Fatal(err)
	}
	points := 0
	eachPoint(md, func(_ pmetric.ResourceMetrics, got pmetric.Metric, p pmetric.NumberDataPoint) {
		points++
		if got.Unit() != "{cpu}" || p.DoubleValue() != 0.25 {
			t.Errorf("%v %s, want 0.25 {cpu}", p.DoubleValue(), got.Unit())
		}
	})
	if points != 1 {
		t.Errorf("%d points, want 1", points)
	}
}

// A delta keeps its name, or loses "_delta" as a cumulative sum; the word "total" in
// the names of pressure stays, as a part of what Alumet calls them.
func TestNamesOfSums(t *testing.T) {
	for name, cumulative := range map[string]string{
		"io_pressure_some_total": "io_pressure_some_total", "io_bytes_delta": "io_bytes", "cpu_throttling_periods_delta": "cpu_throttling_periods",
	} {
		for temporality, want := range map[string]string{Delta: name, Cumulative: cumulative} {
			m := &measure.Metric{Name: name, Unit: measure.Nanosecond, Kind: measure.Delta, Attributes: []string{"name", "namespace", "node", "uid"}}
			md, err := newBuild(temporality, Both).build(count(ofPod(m, "a"), 0), noSelf())
			if err != nil {
				t.Fatal(err)
			}
			points := 0
			eachPoint(md, func(_ pmetric.ResourceMetrics, got pmetric.Metric, _ pmetric.NumberDataPoint) {
				points++
				if got.Name() != want || !got.Sum().IsMonotonic() || (got.Sum().AggregationTemporality() == pmetric.AggregationTemporalityDelta) != (temporality == Delta) {
					t.Errorf("%s, %s: called %s, monotonic %v, %v", name, temporality, got.Name(), got.Sum().IsMonotonic(), got.Sum().AggregationTemporality())
				}
			})
			if points != 1 {
				t.Errorf("%s, %s: %d points", name, temporality, points)
			}
		}
	}
}
