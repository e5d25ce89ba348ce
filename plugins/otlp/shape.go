package otlp

import (
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// shape is how the points of a metric are shown: as the metric is, or as the
// OpenTelemetry conventions have it. Series of one metric may have several.
type shape struct {
	metric     *measure.Metric
	name, unit string
	divisor    float64 // of values, to get the unit
	dropKind   bool    // the name tells what the attribute "kind" does
	meter      bool    // has the attributes of a meter
}

// shapeKey tells the shapes of a metric from one another.
type shapeKey struct {
	metric *measure.Metric
	name   string
}

// shapeOf returns the shape of a series.
func (x *builder) shapeOf(s *measure.Series) *shape {
	m := s.Metric
	made := shape{metric: m, name: m.Name, unit: ucum(m.Unit), divisor: m.Unit.Divisor()}
	if x.cumulative && m.Kind == measure.Delta {
		made.name = strings.TrimSuffix(m.Name, "_delta")
	}
	if x.conventions {
		made.conform(s)
	}
	key := shapeKey{m, made.name}
	if x.shapes[key] == nil {
		x.shapes[key] = &made
	}
	return x.shapes[key]
}

// conform gives a shape the name and the unit of the conventions, where they know what
// the series measures. These are those of version 1.43.0, as schemaURL says:
// docs/system/k8s-metrics.md, container-metrics.md and docs/hardware.
//
// Of CPU time, only all of it is theirs: in one metric with its parts, a sum over the
// points would count it twice. Energy of pods they do not have.
func (made *shape) conform(s *measure.Series) {
	_, ofPod := s.Attribute("uid")
	kind, _ := s.Attribute("kind")
	name, level := s.Metric.Name, "k8s.pod."
	if rest, ok := strings.CutPrefix(name, "container_"); ok {
		name, level = rest, "container."
	}
	switch {
	case ofPod && name == "cpu_time_delta" && kind == "total":
		made.name, made.unit, made.divisor, made.dropKind = level+"cpu.time", "s", 1e9, true
	case ofPod && name == "cpu_percent" && kind == "total":
		made.name, made.unit, made.divisor, made.dropKind = level+"cpu.usage", "{cpu}", 100, true
	case ofPod && name == "memory_usage":
		made.name = level + "memory.usage"
	case ofPod && name == "memory_working_set":
		made.name = level + "memory.working_set"
	case name == "rapl_consumed_energy", name == "hwmon_consumed_energy":
		// The machine as a whole is told there only, so that no sum has it twice.
		if domain, _ := s.Attribute("domain"); domain == "machine" {
			made.name = "hw.host.energy"
			return
		}
		made.name, made.meter = "hw.energy", true
	}
}

// finish changes the attributes of a point, which are those of its series, into those
// of the shape.
func (made *shape) finish(to pcommon.Map, s *measure.Series, renames plugin.Renames) {
	if made.dropKind {
		to.Remove(renames.Name("kind"))
	}
	if made.meter {
		to.PutStr("hw.id", validText(meterID(s)))
		to.PutStr("hw.type", meterType(s))
	}
}

// meterID names a meter as no other of the machine is named.
func meterID(s *measure.Series) string {
	source, _, _ := strings.Cut(s.Metric.Name, "_")
	parts := []string{source}
	for _, key := range []string{"chip", "label"} {
		if value, ok := s.Attribute(key); ok {
			parts = append(parts, value)
		}
	}
	parts = append(parts, s.Resource.Kind)
	if s.Resource.ID != "" {
		parts = append(parts, s.Resource.ID)
	}
	domain, _ := s.Attribute("domain")
	return strings.Join(append(parts, domain), "/")
}

// meterType is the kind of what a meter measures, in the words of the conventions, which
// know no more of the machine's parts than these.
func meterType(s *measure.Series) string {
	switch domain, _ := s.Attribute("domain"); domain {
	case "package", "core", "uncore", "cpu":
		return "cpu"
	case "dram":
		return "memory"
	case "gpu":
		return "gpu"
	}
	return "enclosure"
}
