package otlp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
)

// With the conventions, what they know has their names and units, and everything else
// its own; no sum over the points of a metric has anything twice.
func TestSemanticConventions(t *testing.T) {
	podKeys := memoryUsage.Attributes
	workingSet := &measure.Metric{Name: "memory_working_set", Unit: measure.Byte, Kind: measure.Gauge, Attributes: podKeys}
	containerMemory := &measure.Metric{Name: "container_memory_usage", Unit: measure.Byte, Kind: measure.Gauge, Attributes: podKeys}
	hwmon := &measure.Metric{Name: "hwmon_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta, Attributes: []string{"chip", "domain", "label"}}
	meter := func(m *measure.Metric, kind, id string, more ...string) *measure.Series {
		s := &measure.Series{Metric: m, Resource: measure.Resource{Kind: kind, ID: id}, Consumer: measure.Consumer{Kind: measure.LocalMachine}}
		for i := 0; i < len(more); i += 2 {
			s.Attributes = append(s.Attributes, measure.Attribute{Key: more[i], Value: more[i+1]})
		}
		return s
	}
	lost := &measure.Series{Metric: cpuTime, Consumer: measure.Consumer{Kind: "terminated_pods"}, Attributes: []measure.Attribute{{Key: "kind", Value: "total"}}}
	b := tick(0)
	b.Uint(ofPod(cpuTime, "a", "kind", "total"), 1_500_000_000)
	b.Uint(ofPod(cpuTime, "a", "kind", "user"), 1_000_000_000)
	b.Float(ofPod(cpuPercent, "a", "kind", "total"), 30)
	b.Float(ofPod(cpuPercent, "a", "kind", "user"), 20)
	b.Uint(ofPod(memoryUsage, "a"), 4096)
	b.Uint(ofPod(workingSet, "a"), 2048)
	b.Uint(ofPod(containerCPU, "a", "container", "main", "container_id", "c1", "kind", "total"), 500_000_000)
	b.Uint(ofPod(containerMemory, "a", "container", "main"), 1024)
	b.Uint(ofPod(podEnergy, "a", "domain", "package"), 2_500_000)
	b.Uint(lost, 7)
	b.Uint(ofPackage("0"), 3_000_000)
	b.Uint(meter(raplEnergy, "dram", "0", "domain", "dram"), 1_000_000)
	b.Uint(meter(raplEnergy, measure.LocalMachine, "", "domain", "platform"), 1_000_000)
	b.Uint(meter(hwmon, measure.LocalMachine, "", "chip", "power_meter", "domain", "machine"), 5_000_000)
	b.Uint(meter(hwmon, measure.LocalMachine, "", "chip", "ina3221", "domain", "gpu", "label", "VDD_GPU"), 4_000_000)
	for _, temporality := range []string{Delta, Cumulative} {
		c := defaults()
		c.Temporality, c.SemanticConventions, c.Identity = temporality, true, Resource
		x := newBuilder(c, "1.2.3", "agent-1")
		md, err := x.build(b, noSelf())
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		eachPoint(md, func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint) {
			if rm.SchemaUrl() != "https://opentelemetry.io/schemas/1.43.0" {
				t.Errorf("the schema is %q", rm.SchemaUrl())
			}
			value := fmt.Sprint(p.IntValue())
			if p.ValueType() == pmetric.NumberDataPointValueTypeDouble {
				value = fmt.Sprint(p.DoubleValue())
			}
			kind := "gauge"
			if m.Type() == pmetric.MetricTypeSum {
				kind = strings.ToLower(m.Sum().AggregationTemporality().String())
			}
			got = append(got, fmt.Sprintf("%s %s %s %s %v", m.Name(), kind, m.Unit(), value, p.Attributes().AsRaw()))
		})
		sum := strings.ToLower(temporality)
		cpu := map[string]string{Delta: "cpu_time_delta", Cumulative: "cpu_time"}[temporality]
		want := []string{
			"k8s.pod.cpu.time " + sum + " s 1.5 map[]",
			cpu + " " + sum + " ns 1000000000 map[kind:user]",
			"k8s.pod.cpu.usage gauge {cpu} 0.3 map[]",
			"cpu_percent gauge % 20 map[kind:user]",
			"k8s.pod.memory.usage gauge By 4096 map[]",
			"k8s.pod.memory.working_set gauge By 2048 map[]",
			"container.cpu.time " + sum + " s 0.5 map[container:main container_id:c1]",
			"container.memory.usage gauge By 1024 map[container:main]",
			"pod_energy " + sum + " J 2.5 map[domain:package]",
			cpu + " " + sum + " ns 7 map[consumer_kind:terminated_pods kind:total resource_kind:]",
			"hw.energy " + sum + " J 3 map[domain:package hw.id:rapl/cpu_package/0/package hw.type:cpu resource_id:0 resource_kind:cpu_package]",
			"hw.energy " + sum + " J 1 map[domain:dram hw.id:rapl/dram/0/dram hw.type:memory resource_id:0 resource_kind:dram]",
			"hw.energy " + sum + " J 1 map[domain:platform hw.id:rapl/local_machine/platform hw.type:enclosure]",
			"hw.host.energy " + sum + " J 5 map[chip:power_meter domain:machine]",
			"hw.energy " + sum + " J 4 map[chip:ina3221 domain:gpu hw.id:hwmon/ina3221/VDD_GPU/local_machine/gpu hw.type:gpu label:VDD_GPU]",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", temporality, diff)
		}
		// The next batch is filled into the same frame, and the end has the same shape.
		if again, err := x.build(b, noSelf()); err != nil || again.DataPointCount() != md.DataPointCount() {
			t.Errorf("%d points and error %v in the second request", again.DataPointCount(), err)
		}
	}
}

// A renamed kind is left out all the same, and the end of a series is told under the
// name of its points.
func TestConventionsToTheEnd(t *testing.T) {
	c := defaults()
	c.Temporality, c.SemanticConventions = Cumulative, true
	c.RenameAttributes = map[string]string{"kind": "mode"}
	x := newBuilder(c, "1.2.3", "agent-1")
	s := ofPod(cpuTime, "a", "kind", "total")
	if _, err := x.build(count(s, 0), noSelf()); err != nil {
		t.Fatal(err)
	}
	b := tick(1)
	b.Retire(s)
	md, err := x.build(b, noSelf())
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	eachPoint(md, func(_ pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint) {
		_, mode := p.Attributes().Get("mode")
		if m.Name() != "k8s.pod.cpu.time" || !p.Flags().NoRecordedValue() || mode {
			t.Errorf("the end is told as %s with %v", m.Name(), p.Attributes().AsRaw())
		}
		n++
	})
	if n != 1 {
		t.Errorf("%d points, want the end's", n)
	}
}
