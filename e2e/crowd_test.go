//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// awaitPods waits until a workload has so many ready pods besides some others, and
// returns them.
func awaitPods(t *testing.T, workload string, n int, others ...pod) []pod {
	t.Helper()
	_, name, _ := strings.Cut(workload, "/")
	var found []pod
	seldom(t, fmt.Sprintf("%s has %d pods", workload, n), func() bool {
		found = slices.DeleteFunc(pods(t), func(p pod) bool {
			other := slices.ContainsFunc(others, func(o pod) bool { return o.Metadata.UID == p.Metadata.UID })
			return other || !p.ready() || p.Metadata.Namespace != namespace || !strings.HasPrefix(p.Metadata.Name, name+"-")
		})
		return len(found) == n
	})
	return found
}

// standStill stops all processes of pods and returns what their cgroups counted by
// then, by UID.
func standStill(t *testing.T, pods []pod) map[string]uint64 {
	t.Helper()
	counted := make(map[string]uint64)
	for _, p := range pods {
		findGroup(t, p.cgroup()).signal(t, syscall.SIGSTOP) // all at once, as some take their time
	}
	for _, p := range pods {
		findGroup(t, p.cgroup()).stop(t)
	}
	for _, p := range pods {
		counted[p.Metadata.UID] = findGroup(t, p.cgroup()).cpu(t)
	}
	return counted
}

// moveOn lets them go on.
func moveOn(t *testing.T, pods []pod) {
	t.Helper()
	for _, p := range pods {
		findGroup(t, p.cgroup()).resume(t)
	}
}

// checkSums compares the deltas of pods with what their cgroups counted since the
// agent began; those made later began with nothing.
func checkSums(t *testing.T, a *agent, pods []pod, before, after map[string]uint64) {
	t.Helper()
	for _, p := range pods {
		uid := p.Metadata.UID
		got, want := total(t, a.deltas(uid)), after[uid]-before[uid]
		t.Logf("%s: %d ns", p.id(), got)
		if got != want || got == 0 {
			t.Errorf("%s: the deltas add up to %d ns, its cgroup counted %d ns", p.id(), got, want)
		}
	}
}
