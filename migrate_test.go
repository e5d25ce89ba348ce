package main

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/measure"
)

// declared are the metrics of all plugins by the names in CSV and OTLP and on the page.
func declared() map[string]*measure.Metric {
	all := make(map[string]*measure.Metric)
	for _, p := range builtin() {
		for _, m := range p.Metrics {
			all[m.Name], all[family.Name(m)] = m, m
		}
	}
	return all
}

// pageNames are those on the page.
func pageNames() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(declared())), func(name string) bool { return !strings.HasPrefix(name, "podjoule_") })
}

// The metrics and labels that docs/migrate.md says are ours are declared, and in its queries
// too. What parses them is a real Prometheus: e2e/receivers.TestQueriesOfDocuments.
func TestMigrateNames(t *testing.T) {
	known := declared()
	text := readDocument(t, migrate)
	selector := regexp.MustCompile(`\b(podjoule_[a-z0-9_]+)(?:\{([^}]*)\})?`)
	labels := regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"([^"]*)"`)
	found := 0
	for _, use := range selector.FindAllStringSubmatch(text, -1) {
		m := known[use[1]]
		if m == nil && use[1] == "podjoule_rapl_part_of_machine" { // of the agent itself: TestDocumentsMetrics
			continue
		}
		if m == nil {
			t.Errorf("no plugin declares %s", use[1])
			continue
		}
		found++
		for _, label := range labels.FindAllStringSubmatch(use[2], -1) {
			if !slices.Contains(append([]string{"resource_kind", "resource_id"}, m.Attributes...), label[1]) {
				t.Errorf("%s has no label %s", use[1], label[1])
			}
			if label[1] == "kind" && !strings.Contains(m.Help+" total system user", label[2]) {
				t.Errorf("%s has no kind %s", use[1], label[2])
			}
		}
	}
	if found < 50 {
		t.Errorf("%s names %d metrics of ours", migrate, found)
	}
	// The second columns: whatever is marked as a name there is one of ours.
	ours := ourNames()
	for line := range strings.Lines(withoutBlocks(text)) {
		cells := strings.Split(line, " | ")
		if len(cells) < 3 {
			continue
		}
		for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(cells[1], -1) {
			bare, _, _ := strings.Cut(name[1], "{")
			if known[bare] == nil && !slices.Contains(ours, bare) {
				t.Errorf("%s is no name of ours: %s", bare, line)
			}
		}
	}
}

// ourNames are what the second columns name besides metrics.
func ourNames() []string {
	names := []string{",", "resource_kind", "resource_id", "consumer_kind", "consumer_id", "metric", "unit", "containers = true"}
	for _, m := range declared() {
		names = append(names, m.Attributes...)
	}
	// With semantic_conventions: plugins/otlp's README, which its own tests hold.
	return append(names, "k8s.pod.cpu.time", "k8s.pod.cpu.usage")
}

// Each query comes as a pair, before and after.
func TestMigrateQueriesArePairs(t *testing.T) {
	blocks := blocksOf(t, migrate, "promql")
	if len(blocks) < 4 {
		t.Fatalf("%s has %d pairs of queries", migrate, len(blocks))
	}
	for _, b := range blocks {
		pair := strings.Split(strings.TrimSpace(b.text), "\n\n")
		if len(pair) != 2 || !strings.HasPrefix(pair[1], "# podjoule\n") || strings.Contains(pair[0], "podjoule_") {
			t.Errorf("%s:%d: want what was asked, an empty line, and what podjoule is asked: %s", b.file, b.line, b.text)
		}
	}
}
