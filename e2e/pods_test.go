//go:build e2e

package e2e

import (
	"maps"
	"os"
	"slices"
	"testing"
	"time"
)

// Every pod of the node is measured under the UID, namespace and name that it has
// in the API, the static pod under its mirror's, and nothing else is.
func TestEveryPodOfTheNode(t *testing.T) {
	rights(t)
	apply(t, "kinds.yaml")
	staticPod(t)
	for _, object := range []string{"deployment/deployment", "daemonset/daemonset"} {
		kubectl(t, "rollout", "status", "-n", namespace, "--timeout=120s", object)
	}
	for _, name := range []string{"guaranteed", "burstable", "besteffort", "hostnet"} {
		kubectl(t, "wait", "-n", namespace, "--for=condition=Ready", "--timeout=120s", "pod/"+name)
	}
	var want []string
	for _, p := range pods(t) {
		if p.Status.Phase != "Running" {
			t.Fatalf("%s is %s, want Running: what did an earlier test leave?", p.id(), p.Status.Phase)
		}
		want = append(want, p.id())
	}
	slices.Sort(want)
	if len(want) != 8 { // four alone, two of a Deployment, one of a DaemonSet, one static
		t.Fatalf("%d pods run, want 8: %v", len(want), want)
	}

	a := start(t, asAgent(t))
	ticks := func(metric string) int {
		ends := make(map[time.Time]bool)
		for _, s := range a.all(func(s sample) bool { return s.columns["metric"] == metric }) {
			ends[s.end] = true
		}
		return len(ends)
	}
	eventually(t, "the agent has three windows", func() bool { return ticks("cpu_time_delta") >= 3 })
	a.finish(t)

	for _, metric := range []string{"cpu_time_delta", "memory_usage", "cgroup_memory_anonymous"} {
		got := make(map[string]bool)
		for _, s := range a.all(func(s sample) bool { return s.columns["metric"] == metric }) {
			got[s.columns["uid"]+" "+s.columns["namespace"]+"/"+s.columns["name"]] = true
			if s.columns["node"] != nodeName {
				t.Errorf("%s of %s is on node %q, want %q", metric, s.columns["name"], s.columns["node"], nodeName)
			}
		}
		if got := slices.Sorted(maps.Keys(got)); !slices.Equal(got, want) {
			t.Errorf("pods with %s:\ngot  %v\nwant %v", metric, got, want)
		}
	}
}

// staticPod gives the kubelet a file, and waits for the pod's mirror.
func staticPod(t *testing.T) {
	t.Helper()
	file := stateFile(t, "static-pods", "static.yaml")
	if err := os.WriteFile(file, []byte(text(t, "testdata/static.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	mirror := func() *pod {
		for _, p := range pods(t) {
			if p.Metadata.Name == "static-"+nodeName {
				return &p
			}
		}
		return nil
	}
	t.Cleanup(func() {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
		eventually(t, "the static pod is gone", func() bool { return mirror() == nil })
	})
	eventually(t, "the static pod runs", func() bool { p := mirror(); return p != nil && p.Status.Phase == "Running" })
}
