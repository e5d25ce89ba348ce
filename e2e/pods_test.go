//go:build e2e

package e2e

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"testing"
)

// Every pod of the node is measured under the UID, namespace and name that it has
// in the API, the static pod under its mirror's, and nothing else is. What each used
// adds up to what its cgroup counted. When all but one are deleted, each one's series
// end with it, and the other's go on.
func TestEveryPodOfTheNode(t *testing.T) {
	stays := runningPod(t, "burner.yaml", "burner")
	all := everyKind(t)
	before := standStill(t, all)
	a := start(t, asAgent(t))
	a.catchUp(t, all)
	moveOn(t, all)
	a.goOn(t, 3)
	after := standStill(t, all)
	a.catchUp(t, all)
	checkSums(t, a, all, before, after)
	checkMemory(t, a, all)
	moveOn(t, all)

	mortal := slices.DeleteFunc(slices.Clone(all), func(p pod) bool { return p.Metadata.UID == stays.Metadata.UID })
	witnesses := watchAll(t, mortal)
	for _, o := range append(describedIn(t, "kinds.yaml"), describedIn(t, "workloads.yaml")...) {
		o.remove(t) // those that are there
	}
	removeStaticPod(t)
	for _, w := range witnesses {
		w.await(t)
	}
	a.goOn(t, 3)
	after = standStill(t, []pod{stays})
	a.finish(t)
	for _, w := range witnesses {
		w.check(t, a, before[w.pod.Metadata.UID])
	}
	checkTold(t, a, stays)
	checkSums(t, a, []pod{stays}, before, after)
	checkGapless(t, a, stays)
	checkNoOthers(t, a, all)
}

// everyKind makes a pod of each kind, and returns all pods of the node.
func everyKind(t *testing.T) []pod {
	t.Helper()
	apply(t, "kinds.yaml")
	staticPod(t)
	// Five alone, one that is static, and one that stays among them.
	want := 7
	if !emulated() { // where other tests have their like, and each pod takes ten seconds
		apply(t, "workloads.yaml")
		awaitPods(t, "deployment/deployment", 2)
		awaitPods(t, "daemonset/daemonset", 1)
		awaitPods(t, "statefulset/statefulset", 1)
		want += 4
	}
	awaitReady(t, "guaranteed", "burstable", "besteffort", "hostnet", "initialised")
	all := pods(t)
	for _, p := range all {
		if !p.ready() {
			t.Fatalf("%s is not ready: what did an earlier test leave?", p.id())
		}
	}
	if len(all) != want {
		t.Fatalf("%d pods run, want %d: %v", len(all), want, all)
	}
	return all
}

// checkMemory compares the last anonymous memory of pods that stand still with the
// kernel's. Version 2 may take two seconds to add it up.
func checkMemory(t *testing.T, a *agent, pods []pod) {
	t.Helper()
	for _, p := range pods {
		g := findGroup(t, p.cgroup())
		var got, want uint64
		eventually(t, "the anonymous memory of "+p.id()+" is what its cgroup has", func() bool {
			told := a.ofPod(p.Metadata.UID, func(s sample) bool { return s.is("cgroup_memory_anonymous") })
			got, want = total(t, told[len(told)-1:]), g.anonymous(t)
			return got == want && got > 0
		})
	}
}

// checkNoOthers compares all pods that the agent told of with those of the API.
func checkNoOthers(t *testing.T, a *agent, pods []pod) {
	t.Helper()
	got, want := make(map[string]bool), make(map[string]bool)
	for _, s := range a.all(func(s sample) bool { return s.column("consumer_kind") != "terminated_pods" }) {
		got[s.column("uid")+" "+s.column("namespace")+"/"+s.column("name")] = true
	}
	for _, p := range pods {
		want[p.id()] = true
	}
	if !maps.Equal(got, want) {
		t.Errorf("pods that the agent told of:\ngot  %v\nwant %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

// staticPod gives the kubelet a file, and waits for the pod's mirror.
func staticPod(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(stateFile(t, "static-pods", "static.yaml"), []byte(text(t, "testdata/static.yaml")), 0o600); err != nil {
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
		removeStaticPod(t)
		eventually(t, "the static pod is gone", func() bool { return mirror() == nil })
	})
	eventually(t, "the static pod runs", func() bool { p := mirror(); return p != nil && p.ready() })
}

// removeStaticPod takes its file from the kubelet, if that has it.
func removeStaticPod(t *testing.T) {
	t.Helper()
	if err := os.Remove(stateFile(t, "static-pods", "static.yaml")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
