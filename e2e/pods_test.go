//go:build e2e

package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"slices"
	"sync"
	"testing"
)

// Every pod of the node is measured under the UID, namespace and name that it has
// in the API, the static pod under its mirror's, and nothing else is. What each used
// adds up to what its cgroup counted. When all but one are deleted, each one's series
// end with it, and the other's go on.
func TestEveryPodOfTheNode(t *testing.T) {
	if emulated() { // where others would wait for minutes, and on this machine get in its way
		t.Parallel()
	}
	known := followPods(t)
	all := everyKind(t)
	stays := all[slices.IndexFunc(all, func(p pod) bool { return p.Metadata.Name == "stays" })]
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
	for _, o := range append(describedIn(t, "testdata/kinds.yaml"), describedIn(t, "testdata/workloads.yaml")...) {
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
	checkNoOthers(t, a, all, known)
}

// everyKind makes a pod of each kind, and returns them.
func everyKind(t *testing.T) []pod {
	t.Helper()
	rights(t)
	apply(t, "stays.yaml")
	apply(t, "kinds.yaml")
	all := []pod{staticPod(t)}
	if !emulated() { // where other tests have their like, and each pod takes ten seconds
		apply(t, "workloads.yaml")
		all = append(all, awaitPods(t, "deployment/deployment", 2)...)
		all = append(all, awaitPods(t, "daemonset/daemonset", 1)...)
		all = append(all, awaitPods(t, "statefulset/statefulset", 1)...)
	}
	return append(all, awaitReady(t, "stays", "guaranteed", "burstable", "besteffort", "hostnet", "initialised")...)
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

// checkNoOthers compares the pods that the agent told of with those that were made here, all
// of which it knew before it began, and with those of other tests that the API had.
func checkNoOthers(t *testing.T, a *agent, pods []pod, known func() map[string]bool) {
	t.Helper()
	ids := make(map[string]string)
	for _, p := range pods {
		ids[p.Metadata.UID] = p.id()
	}
	others, told := known(), make(map[string]bool)
	for _, s := range a.all(func(s sample) bool { return s.column("consumer_kind") != "terminated_pods" }) {
		uid := s.column("uid")
		id := uid + " " + s.column("namespace") + "/" + s.column("name")
		if told[uid] = true; id != ids[uid] && (ids[uid] != "" || !others[uid]) {
			t.Fatalf("the agent told of a pod %q, which is not one of the node's", id)
		}
	}
	for uid, id := range ids {
		if !told[uid] {
			t.Errorf("the agent told nothing of %s", id)
		}
	}
}

// followPods returns what tells which pods the API has had on this node from now on.
func followPods(t *testing.T) func() map[string]bool {
	t.Helper()
	watch := request(t, http.MethodGet, "/api/v1/pods?watch=true&fieldSelector=spec.nodeName="+nodeName, "", "")
	if watch.StatusCode != http.StatusOK {
		t.Fatalf("watch the node's pods: %s", watch.Status)
	}
	var mu sync.Mutex
	uids := make(map[string]bool)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for events := json.NewDecoder(watch.Body); ; {
			var event struct{ Object pod }
			if events.Decode(&event) != nil {
				return
			}
			mu.Lock()
			uids[event.Object.Metadata.UID] = true
			mu.Unlock()
		}
	}()
	t.Cleanup(func() {
		watch.Body.Close()
		<-ended
	})
	return func() map[string]bool {
		select {
		case <-ended:
			t.Fatal("the API server ended the watch of the node's pods, or it took too long")
		default:
		}
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(uids)
	}
}

// staticPod gives the kubelet a file, and waits for the pod's mirror, which it returns.
func staticPod(t *testing.T) (mirror pod) {
	t.Helper()
	if err := os.WriteFile(stateFile(t, "static-pods", "static.yaml"), []byte(text(t, "testdata/static.yaml")), 0o600); err != nil {
		t.Fatal(err)
	}
	found := func() bool {
		all := pods(t)
		at := slices.IndexFunc(all, func(p pod) bool { return p.Metadata.Name == "static-"+nodeName })
		if at >= 0 {
			mirror = all[at]
		}
		return at >= 0
	}
	t.Cleanup(func() {
		removeStaticPod(t)
		seldom(t, "the static pod is gone", func() bool { return !found() })
	})
	seldom(t, "the static pod runs", func() bool { return found() && mirror.ready() })
	return mirror
}

// removeStaticPod takes its file from the kubelet, if that has it.
func removeStaticPod(t *testing.T) {
	t.Helper()
	if err := os.Remove(stateFile(t, "static-pods", "static.yaml")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}
