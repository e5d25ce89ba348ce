package main

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The dashboard and the rules for Prometheus.
const (
	dashboardFile = "deploy/grafana/podjoule.json"
	rulesFile     = "deploy/prometheus/rules.yaml"
)

// seldom are what the agent tells about itself only when something was lost: docs/self-metrics.md
// does not have them. The READMEs of the plugins do.
func seldom() map[string]string {
	return map[string]string{
		"podjoule_otlp_dropped_points_total":         "plugins/otlp/README.md: dropped_points",
		"podjoule_otlp_rejected_points_total":        "plugins/otlp/README.md: rejected_points",
		"podjoule_remotewrite_dropped_samples_total": "plugins/remotewrite/README.md: dropped_samples",
	}
}

// queriesOf returns all queries of the dashboard, its variables and annotations, and of the rules.
func queriesOf(t *testing.T) (queries []string) {
	t.Helper()
	var all any
	if err := json.Unmarshal([]byte(readDocument(t, dashboardFile)), &all); err != nil {
		t.Fatal(err)
	}
	var rules any
	if err := yaml.Unmarshal([]byte(readDocument(t, rulesFile)), &rules); err != nil {
		t.Fatal(err)
	}
	for _, root := range []any{all, rules} {
		before := len(queries)
		walk(root, func(key, text string) {
			if key == "expr" || key == "definition" {
				queries = append(queries, text)
			}
		})
		if len(queries)-before < 20 {
			t.Fatalf("there are %d queries", len(queries)-before)
		}
	}
	return queries
}

// walk shows every text of a document with its key.
func walk(node any, show func(key, text string)) {
	switch node := node.(type) {
	case map[string]any:
		for key, value := range node {
			if text, is := value.(string); is {
				show(key, text)
			}
			walk(value, show)
		}
	case []any:
		for _, value := range node {
			walk(value, show)
		}
	}
}

// What the dashboard and the rules ask for is what the plugins declare and the agent tells of
// itself: a metric or label that is renamed takes them along. What they answer is shown by a real
// Prometheus: e2e/receivers.TestDashboard.
func TestDashboardNames(t *testing.T) {
	known := declared()
	self := readDocument(t, "docs/self-metrics.md")
	rare := seldom()
	for name, where := range rare {
		file, word, _ := strings.Cut(where, ": ")
		if !strings.Contains(readDocument(t, file), word) {
			t.Errorf("%s has no %s: what became of %s?", file, word, name)
		}
	}
	// A scrape adds some labels, users others.
	always := []string{"__name__", "cluster", "instance", "workload", "resource_kind", "resource_id"}
	selector := regexp.MustCompile(`([a-z_:0-9]*podjoule_[a-z0-9_:]+)(?:\{([^}]*)\})?`)
	label := regexp.MustCompile(`([a-z_]+)(?:=~|!~|!=|=)"`)
	found := 0
	for _, query := range queriesOf(t) {
		for _, use := range selector.FindAllStringSubmatch(query, -1) {
			name := use[1]
			if strings.Contains(name, ":") { // recorded: promtool's tests of the rules hold these
				continue
			}
			found++
			var labels []string
			base := regexp.MustCompile(`_(sum|count|bucket)$`).ReplaceAllString(name, "")
			row := regexp.MustCompile("(?m)^\\| `(?:" + name + "|" + base + ")` \\| \\w+ \\| ([^|]*) \\|").FindStringSubmatch(self)
			switch {
			case known[name] != nil:
				labels = known[name].Attributes
			case row != nil:
				labels = strings.Split(row[1], ", ")
			case rare[name] != "":
			default:
				t.Errorf("nothing tells %s: %s", name, query)
			}
			for _, l := range label.FindAllStringSubmatch(use[2], -1) {
				if !slices.Contains(slices.Concat(always, labels), l[1]) {
					t.Errorf("%s has no label %s: %s", name, l[1], query)
				}
			}
		}
	}
	if found < 60 {
		t.Errorf("the queries name %d metrics", found)
	}
}

// Every alert leads to a heading of docs/troubleshooting.md.
func TestRunbooks(t *testing.T) {
	var rules any
	if err := yaml.Unmarshal([]byte(readDocument(t, rulesFile)), &rules); err != nil {
		t.Fatal(err)
	}
	headings := anchors(readDocument(t, troubleshooting))
	found := 0
	walk(rules, func(key, text string) {
		if key != "runbook_url" {
			return
		}
		found++
		file, heading, _ := strings.Cut(text, "#")
		if filepath.Base(file) != filepath.Base(troubleshooting) || !slices.Contains(headings, heading) {
			t.Errorf("the runbook %s leads nowhere", text)
		}
	})
	if found < 10 {
		t.Errorf("the rules have %d runbooks", found)
	}
}
