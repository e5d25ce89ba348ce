package main

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/simnode"
)

// selfMetrics returns what an agent with every plugin tells about itself on its page, once
// it has ticked, and its receiver was found to be away.
func selfMetrics(t *testing.T) map[string]*dto.MetricFamily {
	t.Helper()
	n := newNode(t, "node-1", simnode.V2)
	sysfs := t.TempDir()
	meters, err := simnode.NewPowercap(sysfs, simnode.TwoSocketServer()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := meters.Close(); err != nil {
			t.Error(err)
		}
	}()
	r := startProgram(t, "run", "--config", configFile(t, fmt.Sprintf(`[agent]
listen = "127.0.0.1:0"
sysfs_root = %q
[plugins.k8s]
k8s_node = "node-1"
k8s_api_url = %q
cgroup_root = %q
poll_interval = "100ms"
[plugins.rapl]
[plugins.hwmon]
[plugins.estimate]
model = "amd-epyc-gen3"
[plugins.attribution]
[plugins.csv]
[plugins.prometheus]
[plugins.remotewrite]
url = "http://127.0.0.1:1/api/v1/write"
[plugins.otlp]
endpoint = "http://127.0.0.1:1"
`, sysfs, n.url, n.tree.Root())))
	address := "http://" + r.listening()
	var page string
	eventually(t, "a tick that knows all names, and answers from the network", func() bool {
		_, page = get(t, address+"/metrics")
		return strings.Contains(page, `name="etcd-node-1"`) && strings.Contains(page, "podjoule_otlp_requests_total{") &&
			strings.Contains(page, "podjoule_remotewrite_requests_total{")
	})
	r.signal(9)
	r.wait()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range builtin() {
		for _, m := range p.Metrics {
			maps.DeleteFunc(families, func(_ string, f *dto.MetricFamily) bool { return f.GetHelp() == m.Help })
		}
	}
	return families
}

// selfDocument describes them.
func selfDocument(families map[string]*dto.MetricFamily) string {
	var b strings.Builder
	b.WriteString("# What the agent tells about itself\n\nGenerated from the page of an agent with every plugin by `go test . -run TestSelfMetricsDocument -update`.\n\n" +
		"They are on the Prometheus page beside what is measured, and in the requests of `otlp`, where the same names have dots, no unit and no `_total`.\n" +
		"A counter with a label such as `code` has no line for a value that never was.\n\n| metric | kind | labels | what it is |\n| --- | --- | --- | --- |\n")
	for _, f := range slices.SortedFunc(maps.Values(families), func(x, y *dto.MetricFamily) int { return cmp.Compare(x.GetName(), y.GetName()) }) {
		var labels []string
		for _, m := range f.Metric {
			for _, l := range m.Label {
				labels = append(labels, l.GetName())
			}
		}
		slices.Sort(labels)
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.GetName(), strings.ToLower(f.GetType().String()), strings.Join(slices.Compact(labels), ", "), f.GetHelp())
	}
	return b.String()
}

func TestSelfMetricsDocument(t *testing.T) {
	t.Parallel()
	const file = "docs/self-metrics.md"
	families := selfMetrics(t)
	want := selfDocument(families)
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(want, string(got)); diff != "" {
		t.Errorf("%s is stale; write it anew with: go test . -run TestSelfMetricsDocument -update\n-page +document\n%s", file, diff)
	}
	// Alerts and dashboards of users stand on these: they change with a note in the changelog only.
	for _, name := range []string{
		"podjoule_agent_build_info", "podjoule_agent_ticks_total", "podjoule_agent_late_ticks_total", "podjoule_agent_tick_duration_seconds",
		"podjoule_agent_stage_duration_seconds", "podjoule_agent_samples", "podjoule_agent_series", "podjoule_agent_plugin_errors_total",
		"podjoule_agent_plugin_failing", "podjoule_agent_config_last_reload_successful", "podjoule_agent_config_last_reload_success_timestamp_seconds",
		"podjoule_agent_cpu_time_seconds_total", "podjoule_agent_memory_resident_bytes", "podjoule_agent_open_files", "podjoule_agent_open_files_limit",
		"podjoule_pods", "podjoule_pods_unresolved", "podjoule_k8s_resets_total", "podjoule_k8s_read_errors_total",
		"podjoule_otlp_requests_total", "podjoule_otlp_queue_bytes",
	} {
		if families[name] == nil {
			t.Errorf("%s is not on the page", name)
		}
	}
}
