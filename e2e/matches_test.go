//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// crowd is how many pods sleep beside the others, as PODJOULE_E2E_CROWD says.
func crowd(t *testing.T) int {
	t.Helper()
	n, err := strconv.Atoi(os.Getenv("PODJOULE_E2E_CROWD"))
	if err != nil {
		return 0
	}
	return n
}

// Pods that burn for half a second and exit, one a second, while others sleep: each is
// told under its name with all that its cgroup counted until its end, by an agent that
// ticks each second and by one that ticks every five. The sum of all that each agent
// tells of pods, and of those that ended, is never more than what their folder counted.
func TestMatches(t *testing.T) {
	long(t)
	t.Parallel()
	rights(t)
	many, others := 4, 1 // one at least, so that there is something to tell of when all have ended
	if n := crowd(t); n > 0 {
		many, others = 20, n
	}
	apply(t, "sleepers.yaml")
	scale(t, "sleepers", others)
	awaitPods(t, "deployment/sleepers", others)
	folder := folderOfPods()
	before := folder.cpu(t)
	var agents []*agent
	for _, tick := range []time.Duration{time.Second, 5 * time.Second} {
		a := startTicking(t, tick, asAgent(t))
		a.runs(t)
		agents = append(agents, a)
	}

	var witnesses []*witness
	pace := time.NewTicker(time.Second)
	defer pace.Stop()
	for i := range many {
		<-pace.C
		witnesses = append(witnesses, watch(t, match(t, fmt.Sprint("match-", i))))
	}
	for _, w := range witnesses {
		w.await(t)
	}
	for _, a := range agents {
		a.goOn(t, 2)
		a.finish(t)
	}
	counted := folder.cpu(t) - before
	for _, a := range agents {
		exact := 0
		for _, w := range witnesses {
			got := total(t, a.deltas(w.pod.Metadata.UID))
			if got == w.last() && got > 0 {
				exact++
				checkTold(t, a, w.pod)
				continue
			}
			t.Errorf("every %v: %s: %d ns are told, its cgroup counted %d", a.tick, w.pod.id(), got, w.last())
		}
		all := total(t, a.all(func(s sample) bool { return s.column("metric") == "cpu_time_delta" && s.column("kind") == "total" }))
		t.Logf("every %v, beside %d sleeping pods: %d of %d exact; %v of all pods, whose folder counted %v", a.tick, others, exact, many,
			time.Duration(all), time.Duration(counted))
		if all > counted {
			t.Errorf("every %v: %d ns are told of all pods, their folder counted %d", a.tick, all, counted)
		}
	}
}

// match makes a pod that burns for half a second.
func match(t *testing.T, name string) pod {
	t.Helper()
	const pods = "/api/v1/namespaces/" + namespace + "/pods"
	var made pod
	demand(t, http.MethodPost, pods, "application/yaml", strings.ReplaceAll(text(t, "testdata/match.yaml"), "NAME", name), &made)
	t.Cleanup(func() { remove(t, pods+"/"+name) })
	return made
}
