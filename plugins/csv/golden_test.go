package csv

import (
	"encoding/csv"
	"flag"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

var update = flag.Bool("update", false, "write the golden file anew")

// S9: a file as a whole: every unit, numbers at their ends, pods, containers, parts of the
// machine, what ended pods left, series that come and go, a gap, and names that need quotes.
func TestGoldenFile(t *testing.T) {
	const file = "testdata/rows.csv"
	keys := func(more ...string) []string { return append(more, "name", "namespace", "node", "uid") }
	cpu := &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta, Attributes: keys("kind")}
	percent := &measure.Metric{Name: "cpu_percent", Unit: measure.Percent, Attributes: keys("kind")}
	memory := &measure.Metric{Name: "memory_usage", Unit: measure.Byte, Attributes: keys("label:app.kubernetes.io/name")}
	reserved := &measure.Metric{Name: "cpu_request", Unit: measure.Millicore, Attributes: keys()}
	operations := &measure.Metric{Name: "io_operations_delta", Unit: measure.One, Kind: measure.Delta, Attributes: keys("device", "direction")}
	energy := &measure.Metric{Name: "pod_energy", Unit: measure.Microjoule, Kind: measure.Delta, Attributes: keys("domain", "quality", "source")}
	rapl := &measure.Metric{Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta, Attributes: []string{"domain", "quality", "source"}}

	machine := measure.Resource{Kind: measure.LocalMachine}
	series := func(m *measure.Metric, on measure.Resource, path string, attributes ...string) *measure.Series {
		s := &measure.Series{Metric: m, Resource: on, Consumer: measure.Consumer{Kind: measure.Cgroup, ID: path}}
		if path == "" {
			s.Consumer.Kind = measure.LocalMachine
		}
		for i := 0; i < len(attributes); i += 2 {
			s.Attributes = append(s.Attributes, measure.Attribute{Key: attributes[i], Value: attributes[i+1]})
		}
		return s
	}
	web := func(m *measure.Metric, more ...string) *measure.Series {
		return series(m, machine, "/kubepods/burstable/pod1", append(more, "name", "web-0", "namespace", "shop", "node", "n1", "uid", "u-1")...)
	}
	used, share, reservedFor := web(cpu, "kind", "total"), web(percent, "kind", "total"), web(reserved)
	hostile := series(memory, machine, "/kubepods/pod2\nnext", "label:app.kubernetes.io/name", "a \"b\", c", "name", "ü,\n", "uid", "u-2")
	read := web(operations, "device", "sda", "direction", "read")
	joules := web(energy, "domain", "package", "quality", "measured", "source", "rapl-powercap")
	counted := series(rapl, measure.Resource{Kind: "cpu_package", ID: "1"}, "", "domain", "package", "quality", "measured", "source", "rapl-powercap")
	left := series(cpu, machine, "/kubepods", "kind", "total", "node", "n1")
	left.Consumer.Kind = measure.TerminatedPods

	host := plugintest.NewHost(t, cpu, percent, memory, reserved, operations, energy, rapl)
	out := open(t, host, &Config{Path: stdout, RenameAttributes: plugin.Renames{"name": "pod"}})
	for i, fill := range []func(b *measure.Batch){
		func(b *measure.Batch) {
			b.Uint(used, 250_000_001)
			b.Float(share, 25.0000001)
			b.Uint(hostile, math.MaxUint64)
			b.Uint(reservedFor, 1500)
			b.Uint(read, 0)
			b.Uint(joules, 1)
			b.Uint(counted, 1_000_000)
			b.Uint(left, 7)
		},
		func(b *measure.Batch) {
			b.UintOver(used, math.MaxUint64, 3*time.Second)
			b.Float(share, 1e-9)
			b.Uint(reservedFor, 1)
			b.Uint(joules, math.MaxUint64)
			b.Uint(counted, 120)
			b.Retire(used, share, reservedFor, read, joules)
		},
		func(b *measure.Batch) { b.Uint(counted, 0) },
	} {
		b := new(measure.Batch)
		end := tick.Add(time.Duration(i) * 1_000_000_001)
		b.Reset(time.Second, end.Add(-time.Second), end)
		fill(b)
		write(t, out, b)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	got := host.Stdout.String()
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
		t.Errorf("-%s +written\n%s", file, diff)
	}
	rows, err := csv.NewReader(strings.NewReader(got)).ReadAll()
	if err != nil || len(rows) != 1+8+5+1 || rows[3][8+7] != "ü,\n" {
		t.Errorf("read as RFC 4180 has it: error %v, rows %q", err, rows)
	}
}
