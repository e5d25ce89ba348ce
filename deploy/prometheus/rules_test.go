// Package prometheus_test checks the rules in this folder, as far as it takes no Prometheus:
// e2e/receivers has them evaluated by a real one.
package prometheus_test

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write prometheusrule.yaml anew")

const head = `# Written from rules.yaml by: go test ./deploy/prometheus -update
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: podjoule
  namespace: podjoule
  labels:
    app.kubernetes.io/name: podjoule
spec:
`

type groups struct {
	Groups []struct {
		Name  string `json:"name"`
		Rules []rule `json:"rules"`
	} `json:"groups"`
}

type rule struct {
	Record      string            `json:"record,omitempty"`
	Alert       string            `json:"alert,omitempty"`
	Expr        string            `json:"expr"`
	For         string            `json:"for,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// strict reads YAML: an unknown or doubled field is an error.
func strict(t *testing.T, text string, into any) {
	t.Helper()
	if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// The object for the Operator has the rules of the file, each of them.
func TestPrometheusRule(t *testing.T) {
	text := read(t, "rules.yaml")
	_, list, found := strings.Cut(text, "\ngroups:\n")
	if !found {
		t.Fatal("rules.yaml has no groups")
	}
	want := head + "  groups:\n"
	for line := range strings.Lines(list) {
		want += strings.TrimSuffix("  "+line, "  \n")
		if line == "\n" {
			want += "\n"
		}
	}
	if *update {
		if err := os.WriteFile("prometheusrule.yaml", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got := read(t, "prometheusrule.yaml")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("prometheusrule.yaml is stale; write it anew with: go test ./deploy/prometheus -update\n-rules.yaml +file\n%s", diff)
	}
	var rules groups
	strict(t, text, &rules)
	var object struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      string            `json:"name"`
			Namespace string            `json:"namespace"`
			Labels    map[string]string `json:"labels"`
		} `json:"metadata"`
		Spec groups `json:"spec"`
	}
	strict(t, got, &object)
	if diff := cmp.Diff(rules, object.Spec); diff != "" {
		t.Errorf("-rules.yaml +the object\n%s", diff)
	}
}

// Every alert says what it is, how bad, and where to read on; each has a test of its own in
// rules_test.yaml, when it fires and when not.
func TestAlertsAreWhole(t *testing.T) {
	var rules groups
	strict(t, read(t, "rules.yaml"), &rules)
	tests := read(t, "rules_test.yaml")
	seen := make(map[string]bool)
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Record != "" {
				if !strings.Contains(tests, r.Record) {
					t.Errorf("rules_test.yaml has nothing of %s", r.Record)
				}
				continue
			}
			if seen[r.Alert] {
				t.Errorf("%s is there twice", r.Alert)
			}
			seen[r.Alert] = true
			if !regexp.MustCompile(`^Podjoule[A-Za-z]+$`).MatchString(r.Alert) {
				t.Errorf("alert %q: want a name that begins with Podjoule", r.Alert)
			}
			if s := r.Labels["severity"]; s != "warning" && s != "info" {
				t.Errorf("%s: severity %q", r.Alert, s)
			}
			for _, name := range []string{"summary", "description", "runbook_url"} {
				if r.Annotations[name] == "" {
					t.Errorf("%s has no %s", r.Alert, name)
				}
			}
			if strings.Count(tests, `alertname="`+r.Alert+`"`) < 1 || !strings.Contains(tests, "alertstate=\"firing\"") {
				t.Errorf("rules_test.yaml does not have %s fire", r.Alert)
			}
		}
	}
	if len(seen) < 10 {
		t.Errorf("there are %d alerts", len(seen))
	}
}

// What is applied together is there, and both ways to scrape ask for the same.
func TestScrapes(t *testing.T) {
	var kustomization struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
		Components []string `json:"components"`
		Labels     []struct {
			Pairs map[string]string `json:"pairs"`
		} `json:"labels"`
	}
	strict(t, read(t, "kustomization.yaml"), &kustomization)
	if diff := cmp.Diff([]string{"prometheusrule.yaml", "../kubernetes/components/pod-monitor"}, slices.Concat(kustomization.Resources, kustomization.Components)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if len(kustomization.Labels) != 1 || kustomization.Labels[0].Pairs["release"] != "kube-prometheus-stack" {
		t.Errorf("labels %v, want that by which kube-prometheus-stack finds them", kustomization.Labels)
	}
	// The agents' label and port are those of the DaemonSet.
	daemonSet := read(t, "../kubernetes/base/daemonset.yaml")
	for file, texts := range map[string][]string{
		"../kubernetes/components/pod-monitor/podmonitor.yaml": {"honorLabels: true", "app.kubernetes.io/name: podjoule", "port: metrics", "targetLabel: instance", "__meta_kubernetes_pod_node_name"},
		"scrape.yaml": {"honor_labels: true", "podjoule;metrics", "target_label: instance", "__meta_kubernetes_pod_node_name"},
	} {
		text := read(t, file)
		strict(t, text, new(any))
		for _, want := range texts {
			if !strings.Contains(text, want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
	}
	for _, want := range []string{"app.kubernetes.io/name: podjoule", "- name: metrics"} {
		if !strings.Contains(daemonSet, want) {
			t.Errorf("the DaemonSet has no %q", want)
		}
	}
}
