package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

var update = flag.Bool("update", false, "write the generated documents anew")

// metricsDocument describes every metric, from the plugins' own declarations.
func metricsDocument() string {
	var b strings.Builder
	b.WriteString("# Metrics\n\nGenerated from the plugins' declarations by `go test . -run TestMetricsDocument -update`.\n\n" +
		"These are the names in CSV and OTLP. On the Prometheus page and by remote write they have the prefix `podjoule_`, base units and, where they count, the\n" +
		"ending `_total`: `cpu_time_delta` is `podjoule_cpu_time_seconds_total` there. A delta is what was counted within a window; a gauge is a\n" +
		"state at its end. What the kernel does not tell is left out.\n\n" +
		"Those of pods and containers have more attributes where `attributes` of `[plugins.k8s]` chooses them: `workload`, `workload_kind`, `qos`,\n" +
		"`phase`, `label:KEY`, `annotation:KEY`.\n")
	for _, p := range builtin() {
		if len(p.Metrics) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n| metric | kind | unit | attributes | what it is |\n| --- | --- | --- | --- | --- |\n", p.Name, upperFirst(p.Doc))
		for _, m := range p.Metrics {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, m.Unit, strings.Join(m.Attributes, ", "), m.Help)
		}
	}
	return b.String()
}

func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func TestMetricsDocument(t *testing.T) {
	const file = "docs/metrics.md"
	want := metricsDocument()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale; write it anew with: go test . -run TestMetricsDocument -update\n-code +document\n%s", file, diff)
	}
}

// All metrics at once can be shown by every output: none has names that meet there.
func TestOutputsTakeAllMetrics(t *testing.T) {
	var all []*measure.Metric
	for _, p := range builtin() {
		all = append(all, p.Metrics...)
	}
	for _, p := range builtin() {
		if p.Role != plugin.RoleOutput {
			continue
		}
		opened, err := p.Config().Open(t.Context(), plugintest.NewHost(t, all...).Host)
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		if closer, ok := opened.(io.Closer); ok {
			if err := closer.Close(); err != nil {
				t.Errorf("%s: %v", p.Name, err)
			}
		}
	}
}

// Every declaration is well formed.
func TestMetricsAreWellDeclared(t *testing.T) {
	seen := make(map[string]bool)
	for _, p := range builtin() {
		for _, m := range p.Metrics {
			if seen[m.Name] {
				t.Errorf("%s is declared twice", m.Name)
			}
			seen[m.Name] = true
			if m.Help == "" || strings.HasSuffix(m.Help, ".") {
				t.Errorf("%s: help %q, want a sentence without its full stop", m.Name, m.Help)
			}
			if strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				t.Errorf("%s: letters, digits and underscores only", m.Name)
			}
			for i := 1; i < len(m.Attributes); i++ {
				if m.Attributes[i-1] >= m.Attributes[i] {
					t.Errorf("%s: attributes %v are not sorted", m.Name, m.Attributes)
				}
			}
		}
	}
}
