//go:build receivers

package receivers

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// dashboard is what is asked by the dashboard for Grafana.
type dashboard struct {
	Panels []struct {
		Title, Type string
		Targets     []struct{ Expr, LegendFormat string }
	}
	Templating struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct {
		List []struct {
			Name   string
			Target struct{ Expr string }
		}
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/podjoule.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// view is what somebody who looks at a dashboard has chosen.
type view struct {
	chosen map[string]string
	window time.Duration
	at     time.Time
}

// ask is a query as Grafana sends it.
func (v *view) ask(t *testing.T, query string) string {
	t.Helper()
	return regexp.MustCompile(`\$\w+`).ReplaceAllStringFunc(query, func(name string) string {
		switch name = name[1:]; {
		case name == "__rate_interval" || name == "__range":
			return fmt.Sprintf("%dms", v.window.Milliseconds())
		case v.chosen[name] != "":
			return v.chosen[name]
		}
		if name != "cluster" && name != "namespace" && name != "workload" && name != "pod" && name != "source" {
			t.Fatalf("the variable %s has no value in %s", name, query)
		}
		return ".*" // All
	})
}

// shows is what the panels show, by their titles and legends.
func (s *server) shows(t *testing.T, d *dashboard, v *view) map[string]float64 {
	t.Helper()
	shown := make(map[string]float64)
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			for _, one := range s.query(t, v.at, "%s", v.ask(t, target.Expr)) {
				legend := regexp.MustCompile(`{{(\w+)}}`).ReplaceAllStringFunc(target.LegendFormat, func(label string) string {
					return one.Metric[strings.Trim(label, "{}")]
				})
				key := p.Title + ": " + legend
				if _, twice := shown[key]; twice {
					t.Errorf("%s is shown twice", key)
				}
				shown[key] = one.Value.value(t)
			}
		}
	}
	return shown
}

// labelValues are the values of a variable, of which the definition is label_values(SERIES, LABEL).
func (s *server) labelValues(t *testing.T, definition string) (values []string) {
	t.Helper()
	found := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`).FindStringSubmatch(definition)
	if found == nil {
		t.Fatalf("no definition of a variable: %s", definition)
	}
	var answer struct{ Data []string }
	if err := json.Unmarshal([]byte(get(t, s.url+"/api/v1/label/"+found[2]+"/values?match[]="+url.QueryEscape(found[1]))), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Data
}
