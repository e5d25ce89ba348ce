//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// A Deployment goes from one pod to three and back. The new ones count from zero,
// although they have used CPU time when the agent has its first sight of them, and
// end when they are taken away. The one that stays has one series across.
func TestScaledDeployment(t *testing.T) {
	optional(t)
	t.Parallel()
	rights(t)
	apply(t, "scaled.yaml")
	const workload = "deployment/scaled"
	one := awaitPods(t, workload, 1)
	change(t, "/api/v1/namespaces/"+namespace+"/pods/"+one[0].Metadata.Name,
		`{"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "1"}}}`)
	before := standStill(t, one)
	a := start(t, asAgent(t))
	a.catchUp(t, one)
	moveOn(t, one)

	var two []pod
	a.late(t, func() {
		scale(t, "scaled", 3)
		two = awaitPods(t, workload, 2, one...)
	})
	after := standStill(t, two)
	a.catchUp(t, two)
	checkSums(t, a, two, nil, after)
	moveOn(t, two)

	witnesses := watchAll(t, two)
	scale(t, "scaled", 1)
	for _, w := range witnesses {
		w.await(t)
	}
	a.goOn(t, 3)
	after = standStill(t, one)
	a.finish(t)
	for _, w := range witnesses {
		w.check(t, a, 0)
	}
	checkTold(t, a, one[0])
	checkSums(t, a, one, before, after)
	checkGapless(t, a, one[0])
}

// A StatefulSet's pod is deleted and made again, between two ticks: one name and two
// UIDs, the old one ends and the new one begins from zero.
func TestRebornPod(t *testing.T) {
	optional(t)
	t.Parallel()
	rights(t)
	apply(t, "reborn.yaml")
	const workload = "statefulset/reborn"
	old := awaitPods(t, workload, 2)
	if old[0].Metadata.Name != "reborn-0" {
		old[0], old[1] = old[1], old[0]
	}
	before := standStill(t, old)
	a := start(t, asAgent(t))
	a.catchUp(t, old)
	moveOn(t, old)

	w := watch(t, old[0])
	remove(t, "/api/v1/namespaces/"+namespace+"/pods/reborn-0")
	w.await(t)
	var reborn []pod
	a.late(t, func() { reborn = awaitPods(t, workload, 1, old...) })
	a.catchUp(t, reborn)
	both := []pod{reborn[0], old[1]}
	after := standStill(t, both)
	a.finish(t)
	if got := reborn[0].Metadata.Name; got != "reborn-0" {
		t.Errorf("the new pod's name is %q, want reborn-0", got)
	}
	w.check(t, a, before[old[0].Metadata.UID])
	checkSums(t, a, both, before, after)
	for _, p := range both {
		checkTold(t, a, p)
		checkGapless(t, a, p)
	}
	checkOnly(t, a, "reborn-", append(old, reborn...))
}

// The node's pods are all replaced at once: each old one ends, each new one counts
// from zero, and nothing is lost between them.
func TestAllPodsReplaced(t *testing.T) {
	long(t)
	t.Parallel()
	rights(t)
	apply(t, "replaced.yaml")
	const workload = "deployment/replaced"
	old := awaitPods(t, workload, 6)
	before := standStill(t, old)
	a := start(t, asAgent(t))
	a.catchUp(t, old)
	moveOn(t, old)

	witnesses := watchAll(t, old)
	remove(t, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=app=replaced")
	for _, w := range witnesses {
		w.await(t)
	}
	others := awaitPods(t, workload, 6, old...)
	a.catchUp(t, others)
	after := standStill(t, others)
	a.finish(t)
	for _, w := range witnesses {
		w.check(t, a, before[w.pod.Metadata.UID])
	}
	checkSums(t, a, others, nil, after)
	for _, p := range others {
		checkTold(t, a, p)
		checkGapless(t, a, p)
	}
	checkOnly(t, a, "replaced-", append(old, others...))
}

// checkOnly looks for samples under a workload's names that are of none of its pods.
func checkOnly(t *testing.T, a *agent, prefix string, pods []pod) {
	t.Helper()
	known := make(map[string]bool)
	for _, p := range pods {
		known[p.Metadata.UID] = true
	}
	for _, s := range a.all(func(s sample) bool { return strings.HasPrefix(s.column("name"), prefix) }) {
		if !known[s.column("uid")] {
			t.Errorf("%s of %s has the UID %q of no such pod", s.column("metric"), s.column("name"), s.column("uid"))
			return
		}
	}
}
