package otlp

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
)

// ofWeb makes a series of a pod with some attributes, which are keys and values.
func ofWeb(m *measure.Metric, attributes ...string) *measure.Series {
	s := &measure.Series{
		Metric:   m,
		Resource: measure.Resource{Kind: measure.LocalMachine},
		Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods/pod1"},
	}
	for i := 0; i < len(attributes); i += 2 {
		s.Attributes = append(s.Attributes, measure.Attribute{Key: attributes[i], Value: attributes[i+1]})
	}
	s.Attributes = append(s.Attributes, measure.Attribute{Key: "uid", Value: "u"})
	return s
}

// TestOptionalAttributes shows where the attributes stand that a user may choose, and
// under which names.
func TestOptionalAttributes(t *testing.T) {
	type places struct{ Resource, Point map[string]any }
	none := map[string]any{}
	web := []string{"annotation:example.org/note", "n\xff", "label:app.kubernetes.io/name", "web", "phase", "Running", "qos", "Burstable"}
	plain := map[string]any{"annotation:example.org/note": "n\uFFFD", "label:app.kubernetes.io/name": "web", "phase": "Running", "qos": "Burstable", "uid": "u"}
	conventions := map[string]any{"k8s.pod.annotation.example.org/note": "n\uFFFD", "k8s.pod.label.app.kubernetes.io/name": "web", "k8s.pod.uid": "u"}
	for _, tt := range []struct {
		name, identity string
		attributes     []string
		want           places
	}{
		{"texts", Both, web, places{conventions, plain}},
		{"texts", Resource, web, places{conventions, map[string]any{"phase": "Running", "qos": "Burstable"}}},
		{"texts", Point, web, places{nil, plain}},
		{"Deployment", Both, []string{"workload", "web", "workload_kind", "Deployment"},
			places{map[string]any{"k8s.pod.uid": "u", "k8s.deployment.name": "web"}, map[string]any{"uid": "u", "workload": "web", "workload_kind": "Deployment"}}},
		{"Deployment", Resource, []string{"workload", "web", "workload_kind", "Deployment"},
			places{map[string]any{"k8s.pod.uid": "u", "k8s.deployment.name": "web"}, none}},
		{"CronJob", Resource, []string{"workload", "w", "workload_kind", "CronJob"}, places{map[string]any{"k8s.pod.uid": "u", "k8s.cronjob.name": "w"}, none}},
		{"Job", Resource, []string{"workload", "w", "workload_kind", "Job"}, places{map[string]any{"k8s.pod.uid": "u", "k8s.job.name": "w"}, none}},
		{"DaemonSet", Resource, []string{"workload", "w", "workload_kind", "DaemonSet"}, places{map[string]any{"k8s.pod.uid": "u", "k8s.daemonset.name": "w"}, none}},
		{"StatefulSet", Resource, []string{"workload", "w", "workload_kind", "StatefulSet"}, places{map[string]any{"k8s.pod.uid": "u", "k8s.statefulset.name": "w"}, none}},
		{"ReplicaSet", Resource, []string{"workload", "w", "workload_kind", "ReplicaSet"}, places{map[string]any{"k8s.pod.uid": "u", "k8s.replicaset.name": "w"}, none}},
		{"custom", Resource, []string{"workload", "w", "workload_kind", "Workflow"},
			places{map[string]any{"k8s.pod.uid": "u"}, map[string]any{"workload": "w", "workload_kind": "Workflow"}}},
		{"static", Resource, []string{"node", "n1", "workload", "n1", "workload_kind", "Node"},
			places{map[string]any{"k8s.pod.uid": "u", "k8s.node.name": "n1"}, map[string]any{"workload": "n1", "workload_kind": "Node"}}},
		{"empty label", Resource, []string{"label:app", ""}, places{map[string]any{"k8s.pod.uid": "u", "k8s.pod.label.app": ""}, none}},
	} {
		t.Run(tt.name+"_"+tt.identity, func(t *testing.T) {
			b := tick(0)
			b.Uint(ofWeb(memoryUsage, tt.attributes...), 1)
			md, err := newBuild(Delta, tt.identity).build(b, noSelf())
			if err != nil {
				t.Fatal(err)
			}
			points := 0
			eachPoint(md, func(rm pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
				points++
				got := places{rm.Resource().Attributes().AsRaw(), p.Attributes().AsRaw()}
				if tt.identity == Point {
					got.Resource = nil // the agent's own
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("attributes (-want +got):\n%s", diff)
				}
			})
			if points != 1 {
				t.Errorf("%d points, want 1", points)
			}
		})
	}
}

// TestChangedLabelIsAnotherResource shows a pod whose label changes: the last mark of
// the old series stands on the resource that its values stood on.
func TestChangedLabelIsAnotherResource(t *testing.T) {
	for _, identity := range []string{Both, Resource} {
		t.Run(identity, func(t *testing.T) {
			x := newBuild(Cumulative, identity)
			old, fresh := ofWeb(cpuTime, "label:app", "old"), ofWeb(cpuTime, "label:app", "new")
			first, second := tick(0), tick(1)
			first.Uint(old, 5)
			second.Uint(fresh, 7)
			second.Retire(old)
			var got []string
			for _, b := range []*measure.Batch{first, second} {
				md, err := x.build(b, noSelf())
				if err != nil {
					t.Fatal(err)
				}
				eachPoint(md, func(rm pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
					label, _ := rm.Resource().Attributes().Get("k8s.pod.label.app")
					got = append(got, fmt.Sprint(label.AsString(), " ", p.IntValue(), " ", p.Flags().NoRecordedValue()))
				})
			}
			if diff := cmp.Diff([]string{"old 5 false", "new 7 false", "old 0 true"}, got); diff != "" {
				t.Errorf("points (-want +got):\n%s", diff)
			}
			if len(x.streams) != 1 {
				t.Errorf("%d series are remembered, want the new one", len(x.streams))
			}
		})
	}
}
