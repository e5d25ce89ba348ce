// Package grafana_test writes the dashboard in this folder and checks it, as far as it takes
// no Prometheus: e2e/receivers has its queries answered by a real one.
package grafana_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write podjoule.json anew")

// source is dashboard.toml.
type source struct {
	Short    map[string]string
	Variable []struct {
		Name, Key, Label, Default string
		All                       bool
	}
	Annotation []struct {
		Name, Color, Text, Expr string
		Time                    bool // the value is a time, in milliseconds
	}
	Row []struct {
		Title string
		Panel []panelSource
	}
}

type panelSource struct {
	Title, Help, Unit, Kind string
	Stack                   bool
	Wide                    int // how many places it takes of a row's two
	Queries                 []struct {
		Legend, Expr string
		Line         bool // not stacked
	}
}

func readSource(t *testing.T) *source {
	t.Helper()
	var s source
	meta, err := toml.DecodeFile("dashboard.toml", &s)
	if err != nil {
		t.Fatal(err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		t.Fatalf("dashboard.toml has unknown keys: %v", unknown)
	}
	return &s
}

// whole is a query without short forms.
func (s *source) whole(t *testing.T, query string) string {
	t.Helper()
	for short, long := range s.Short {
		query = strings.ReplaceAll(query, short, long)
	}
	if left := regexp.MustCompile(`<[a-z]+>`).FindString(query); left != "" {
		t.Fatalf("%s stands for nothing: %s", left, query)
	}
	return query
}

// The file for Grafana is what dashboard.toml describes.
func TestDashboard(t *testing.T) {
	d := readSource(t).dashboard(t)
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("podjoule.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("podjoule.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("podjoule.json is stale; write it anew with: go test ./deploy/grafana -update\n-dashboard.toml +file\n%s", diff)
	}
}

// Rates are watts and amounts are joules; panels have names of their own and do not overlap.
func TestPanels(t *testing.T) {
	d := readSource(t).dashboard(t)
	seen := make(map[string]bool)
	var rows, panels int
	for _, p := range d.Panels {
		if seen[p.Title] && p.Type != "row" {
			t.Errorf("there are two panels %s", p.Title)
		}
		if p.Type == "row" {
			rows++
			continue
		}
		seen[p.Title] = true
		panels++
		if p.Grid.X+p.Grid.W > 24 {
			t.Errorf("%s: %d places from %d on: there are 24", p.Title, p.Grid.W, p.Grid.X)
		}
		for _, q := range d.Panels {
			if p.ID != q.ID && p.Grid.overlaps(q.Grid) {
				t.Errorf("%s and %s overlap", p.Title, q.Title)
			}
		}
		for _, target := range p.Targets {
			unit := p.Defaults().Unit
			joules, rate := strings.Contains(target.Expr, "_joules_total"), strings.Contains(target.Expr, "[$__rate_interval]")
			if joules && (unit == "watt") != rate || joules && (unit == "joule") != strings.Contains(target.Expr, "[$__range]") {
				t.Errorf("%s: %s is shown as %s", p.Title, target.Expr, unit)
			}
			if strings.Contains(target.Expr, "_bytes{") != (unit == "bytes") {
				t.Errorf("%s: %s is shown as %s", p.Title, target.Expr, unit)
			}
			if counter := strings.Contains(target.Expr, "_total"); counter && !rate && !strings.Contains(target.Expr, "[$__range]") {
				t.Errorf("%s: %s shows a counter as it is", p.Title, target.Expr)
			}
			if !strings.Contains(target.Expr, `instance=~"$node"`) || !strings.Contains(target.Expr, `cluster=~"$cluster"`) {
				t.Errorf("%s: %s is of all nodes", p.Title, target.Expr)
			}
		}
	}
	if rows != 5 || panels < 15 {
		t.Errorf("%d rows with %d panels", rows, panels)
	}
}

// Every variable of a query is one of the dashboard's or of Grafana's, and each is used.
func TestVariables(t *testing.T) {
	s := readSource(t)
	d := s.dashboard(t)
	var known, used []string
	for _, v := range d.Templating.List[1:] {
		for _, u := range variablesIn(v.Definition) {
			if !slices.Contains(known, u) {
				t.Errorf("the variable %s depends on %s, which comes later", v.Name, u)
			}
		}
		known = append(known, v.Name)
	}
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			used = append(used, variablesIn(target.Expr)...)
		}
	}
	slices.Sort(used)
	used = slices.DeleteFunc(slices.Compact(used), func(name string) bool { return strings.HasPrefix(name, "__") })
	slices.Sort(known)
	if diff := cmp.Diff(known, used); diff != "" {
		t.Errorf("-variables +what queries use\n%s", diff)
	}
}

func variablesIn(query string) (names []string) {
	for _, found := range regexp.MustCompile(`\$(\w+)`).FindAllStringSubmatch(query, -1) {
		names = append(names, found[1])
	}
	return names
}

// What is applied to a cluster is the dashboard, under the label by which Grafana's sidecar takes it.
func TestFolder(t *testing.T) {
	text, err := os.ReadFile("kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type generator struct {
		Name    string   `json:"name"`
		Files   []string `json:"files"`
		Options struct {
			DisableNameSuffixHash bool              `json:"disableNameSuffixHash"`
			Labels                map[string]string `json:"labels"`
		} `json:"options"`
	}
	var k struct {
		APIVersion         string      `json:"apiVersion"`
		Kind               string      `json:"kind"`
		Namespace          string      `json:"namespace"`
		ConfigMapGenerator []generator `json:"configMapGenerator"`
	}
	if err := yaml.UnmarshalStrict(text, &k); err != nil {
		t.Fatal(err)
	}
	if len(k.ConfigMapGenerator) != 1 {
		t.Fatalf("there are %d ConfigMaps", len(k.ConfigMapGenerator))
	}
	g := k.ConfigMapGenerator[0]
	if diff := cmp.Diff([]string{"podjoule.json"}, g.Files); diff != "" || g.Options.Labels["grafana_dashboard"] != "1" || k.Namespace != "podjoule" {
		t.Errorf("kustomization.yaml is %+v", k)
	}
}
