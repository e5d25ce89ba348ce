//go:build e2e

package e2e

import (
	"net/http"
	"testing"
	"time"
)

// A Job that burns for 300 ms is found, named and counted from its first moment, by
// an agent that ticks ten times a second, or as usual on an emulated node. Its pod waits
// behind a gate until its witness is there.
func TestShortJob(t *testing.T) {
	t.Parallel()
	rights(t)
	apply(t, "job.yaml")
	var short []pod
	seldom(t, "the Job has its pod", func() bool {
		short = podsAt(t, "namespaces/"+namespace+"/pods?labelSelector=job-name=short")
		return len(short) == 1
	})
	awaitReady(t, "beside-short")

	tick := 100 * time.Millisecond
	if emulated() {
		tick = usual()
	}
	a := startTicking(t, tick, asAgent(t))
	a.goOn(t, 1)
	w := watch(t, short[0])
	a.late(t, func() {
		demand(t, http.MethodPatch, "/api/v1/namespaces/"+namespace+"/pods/"+short[0].Metadata.Name, "application/json-patch+json",
			`[{"op": "remove", "path": "/spec/schedulingGates"}]`, nil)
		eventually(t, "the pod has used CPU time", func() bool {
			g, found := lookFor(short[0].Metadata.UID)
			n, err := g.counter()
			return found && err == nil && n > 0
		})
	})
	w.await(t)
	a.goOn(t, 5)
	a.finish(t)
	w.check(t, a, 0)
	if got := total(t, a.deltas(w.pod.Metadata.UID)); got != w.last() {
		t.Errorf("%s: the deltas add up to %d ns, its cgroup counted %d", w.pod.id(), got, w.last())
	}
}
