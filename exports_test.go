package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/csv"
	"github.com/podjoule/podjoule/plugins/otlp"
	"github.com/podjoule/podjoule/plugins/prometheus"
)

// export is what one metric is in every output.
type export struct {
	csv                           string // the unit
	delta, cumulative, convention shape
	page                          shape
}

// shape is what a receiver is told of a metric.
type shape struct{ name, kind, unit string }

func (p shape) String() string {
	if p.unit != "" {
		p.kind += ", " + p.unit
	}
	return "`" + p.name + "`: " + p.kind
}

const exportsHead = "# What each metric is in every output\n\n" +
	"Written by `go test . -run TestExports -update`, and to be read when it changes: names, units and kinds are public. The test holds them against these\n" +
	"rules besides:\n\n" +
	"- What is counted (CPU time, energy, page faults, operations) is a monotonic sum with the temporality that was asked for, and a counter on the page; a\n" +
	"  state (memory, a limit, a percentage) is a gauge. Nothing is both.\n" +
	"- Units are base units: seconds, bytes, joules, cores on the page, where the name ends in them; what they are by UCUM in OTLP. 100 percent is never\n" +
	"  called a ratio.\n" +
	"- A total is never called a delta.\n\n" +
	"| metric | CSV | OTLP | OTLP, cumulative | OTLP, conventions 1.43.0 | page and remote write |\n| --- | --- | --- | --- | --- | --- |\n"

// A22, A23, O6, S9: unit, kind and temporality of every metric in every output, held against
// rules and against what was reviewed.
func TestExports(t *testing.T) {
	const file = "testdata/exports.md"
	var all []*measure.Metric
	for _, p := range builtin() {
		all = append(all, p.Metrics...)
	}
	delta := sentAs(t, all, func(c *otlp.Config) { c.Temporality = otlp.Delta })
	cumulative := sentAs(t, all, func(c *otlp.Config) { c.Temporality = otlp.Cumulative })
	conventions := sentAs(t, all, func(c *otlp.Config) { c.SemanticConventions = true })
	got := exportsHead
	for _, m := range all {
		x := export{rowUnit(t, m), delta[m.Help], cumulative[m.Help], conventions[m.Help], onThePage(t, m)}
		for _, fault := range x.faults(m) {
			t.Errorf("%s: %s", m.Name, fault)
		}
		conventional := x.convention.String()
		if x.convention == x.delta {
			conventional = "-"
		}
		got += fmt.Sprintf("| `%s` | %s | %s | %s | %s | %s |\n", m.Name, x.csv, x.delta, x.cumulative, conventional, x.page)
	}
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is not what the outputs do; write it anew with: go test . -run TestExports -update\n-document +outputs\n%s", file, diff)
	}
}

// faults are where a metric breaks the rules.
func (x *export) faults(m *measure.Metric) (all []string) {
	want := func(what string, got shape, kind string, units ...string) {
		if got.kind != kind || !slices.Contains(units, got.unit) {
			all = append(all, fmt.Sprintf("%s: %v, want %s in one of %q", what, got, kind, units))
		}
	}
	units := map[measure.Unit]struct{ csv, ucum, convention, base string }{
		measure.One: {"1", "1", "1", ""}, measure.Nanosecond: {"ns", "ns", "s", "seconds"}, measure.Byte: {"bytes", "By", "By", "bytes"},
		measure.Microjoule: {"J", "J", "J", "joules"}, measure.Percent: {"%", "%", "{cpu}", "percent"}, measure.Millicore: {"cores", "{cpu}", "{cpu}", "cores"},
	}[m.Unit]
	sum, total, kind, ending := "Gauge", "Gauge", "gauge", units.base
	if m.Kind == measure.Delta {
		sum, total, kind, ending = "Sum, delta, monotonic", "Sum, cumulative, monotonic", "counter", units.base+"_total"
	}
	want("OTLP", x.delta, sum, units.ucum)
	want("OTLP, cumulative", x.cumulative, total, units.ucum)
	want("OTLP, conventions", x.convention, sum, units.ucum, units.convention)
	want("page", x.page, kind, "")
	if x.csv != units.csv {
		all = append(all, fmt.Sprintf("CSV has the unit %q, want %q", x.csv, units.csv))
	}
	if !strings.HasSuffix(x.page.name, ending) || strings.HasSuffix(x.page.name, "_total") != (kind == "counter") {
		all = append(all, fmt.Sprintf("%s does not end in its unit, or in _total as a counter does", x.page.name))
	}
	if strings.Contains(x.page.name, "delta") || strings.Contains(x.cumulative.name, "delta") {
		all = append(all, "a total is called a delta")
	}
	for _, name := range []string{x.page.name, x.delta.name, x.convention.name} {
		if strings.Contains(name, "ratio") && !strings.Contains(name, "operation") {
			all = append(all, name+" is called a ratio")
		}
	}
	return all
}

// The rules find what is wrong.
func TestExportsFindFaults(t *testing.T) {
	cpu := &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta}
	right := export{
		"ns", shape{"cpu_time_delta", "Sum, delta, monotonic", "ns"}, shape{"cpu_time", "Sum, cumulative, monotonic", "ns"},
		shape{"k8s.pod.cpu.time", "Sum, delta, monotonic", "s"}, shape{"podjoule_cpu_time_seconds_total", "counter", ""},
	}
	if faults := right.faults(cpu); faults != nil {
		t.Errorf("what is right: %v", faults)
	}
	for name, spoil := range map[string]func(x *export){
		"a gauge by OTLP":           func(x *export) { x.delta.kind = "Gauge" },
		"the other temporality":     func(x *export) { x.cumulative.kind = "Sum, delta, monotonic" },
		"a sum that may fall":       func(x *export) { x.convention.kind = "Sum, delta" },
		"a unit that is none":       func(x *export) { x.delta.unit = "nanoseconds" },
		"a gauge on the page":       func(x *export) { x.page.kind = "gauge" },
		"no _total":                 func(x *export) { x.page.name = "podjoule_cpu_time_seconds" },
		"no base unit":              func(x *export) { x.page.name = "podjoule_cpu_time_ns_total" },
		"a delta that is a total":   func(x *export) { x.cumulative.name = "cpu_time_delta" },
		"another unit in the files": func(x *export) { x.csv = "s" },
		"a ratio":                   func(x *export) { x.page.name = "podjoule_cpu_ratio_seconds_total" },
	} {
		wrong := right
		if spoil(&wrong); len(wrong.faults(cpu)) != 1 {
			t.Errorf("%s: %q, want one fault", name, wrong.faults(cpu))
		}
	}
}

// tell adds a sample of each metric to a batch.
func tell(metrics ...*measure.Metric) *measure.Batch {
	b := new(measure.Batch)
	end := time.Date(2026, 3, 1, 12, 0, 5, 0, time.UTC)
	b.Reset(time.Second, end.Add(-time.Second), end)
	for _, m := range metrics {
		s := &measure.Series{Metric: m, Resource: measure.Resource{Kind: measure.LocalMachine}, Consumer: measure.Consumer{Kind: measure.LocalMachine}}
		for _, key := range m.Attributes {
			value := "of " + key
			if key == "kind" {
				value = "total"
			}
			s.Attributes = append(s.Attributes, measure.Attribute{Key: key, Value: value})
		}
		b.Uint(s, 1)
	}
	return b
}

func openOutput(t *testing.T, c plugin.Config, host *plugin.Host) plugin.Output {
	t.Helper()
	opened, err := c.Open(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	return opened.(plugin.Output)
}

// rowUnit is the unit of a metric in rows of CSV.
func rowUnit(t *testing.T, m *measure.Metric) string {
	t.Helper()
	host := plugintest.NewHost(t, m)
	if err := openOutput(t, csv.Plugin().Config(), host.Host).Write(t.Context(), tell(m)); err != nil {
		t.Fatal(err)
	}
	return parseRows(t, host.Stdout.String())[0]["unit"]
}

// onThePage is a metric on the page.
func onThePage(t *testing.T, m *measure.Metric) shape {
	t.Helper()
	host := plugintest.NewHost(t, m)
	host.SelfReader = nil
	if err := openOutput(t, prometheus.Plugin().Config(), host.Host).Write(t.Context(), tell(m)); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	host.Mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetHelp() == m.Help {
			return shape{f.GetName(), strings.ToLower(f.GetType().String()), ""}
		}
	}
	t.Fatalf("%s is not on the page", m.Name)
	return shape{}
}

// sentAs are metrics as a receiver of OTLP gets them, by what they are said to be.
func sentAs(t *testing.T, metrics []*measure.Metric, change func(*otlp.Config)) map[string]shape {
	t.Helper()
	got := make(map[string]shape)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request := pmetricotlp.NewExportRequest()
		if err := unpack(r, request.UnmarshalProto); err != nil {
			t.Error(err)
		}
		for _, rm := range request.Metrics().ResourceMetrics().All() {
			for _, sm := range rm.ScopeMetrics().All() {
				for _, m := range sm.Metrics().All() {
					got[m.Description()] = shape{m.Name(), kindOnWire(m), m.Unit()}
				}
			}
		}
	}))
	defer receiver.Close()
	c := otlp.Plugin().Config().(*otlp.Config)
	c.Protocol, c.Endpoint = "http/protobuf", receiver.URL
	change(c)
	host := plugintest.NewHost(t, metrics...)
	out := openOutput(t, c, host.Host)
	if err := out.Write(t.Context(), tell(metrics...)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // what is queued is sent before the end
	if err := out.(plugin.Runner).Run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, m := range metrics {
		if got[m.Help] == (shape{}) {
			t.Fatalf("%s did not arrive", m.Name)
		}
	}
	return got
}

func kindOnWire(m pmetric.Metric) string {
	if m.Type() != pmetric.MetricTypeSum {
		return m.Type().String()
	}
	kind := "Sum, " + strings.ToLower(m.Sum().AggregationTemporality().String())
	if m.Sum().IsMonotonic() {
		kind += ", monotonic"
	}
	return kind
}
