//go:build e2e

package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// With containers = true, each container has series of its own name, and what they
// tell is what the runtime reads of it: CPU time from its birth on, to the
// nanosecond, and memory while it stands still. All together are no more than the
// pod, whose deltas add up to its cgroup all the same. An init container's series
// end with it.
func TestContainers(t *testing.T) {
	t.Parallel()
	rights(t)
	a := start(t, asAgent(t)+"containers = true\n")
	a.runs(t) // when the pod is made
	apply(t, "containers.yaml")
	prepared := endInit(t, a, "containers")
	p := awaitReady(t, "containers")[0]
	g := findGroup(t, p.cgroup())
	for range 2 {
		g.stop(t)
		a.goOn(t, 2)
		for _, c := range p.Status.ContainerStatuses {
			_, id, _ := strings.Cut(c.ContainerID, "://")
			checkContainer(t, a, p, c.Name, id)
		}
		if got, want := total(t, a.deltas(p.Metadata.UID)), g.cpu(t); got != want {
			t.Errorf("pod: the deltas add up to %d ns, its cgroup counted %d ns", got, want)
		}
		g.resume(t)
		a.goOn(t, 3)
	}
	g.stop(t)
	a.finish(t)
	checkLevels(t, a, p, prepared)
}

// endInit waits until the init container of a pod is told under its name and agrees with the
// runtime, and ends it. It returns the least that it used.
func endInit(t *testing.T, a *agent, name string) uint64 {
	t.Helper()
	var p pod
	var id string
	seldom(t, "the kubelet tells of the init container of "+name, func() bool {
		for _, p = range podsAt(t, "namespaces/"+namespace+"/pods?fieldSelector=metadata.name="+name) {
			for _, c := range p.Status.InitContainerStatuses {
				_, id, _ = strings.Cut(c.ContainerID, "://")
			}
		}
		return id != ""
	})
	g := findGroup(t, id)
	g.stop(t)
	a.goOn(t, 2)
	checkContainer(t, a, p, "prepare", id)
	used := g.cpu(t)
	g.signal(t, syscall.SIGTERM)
	g.resume(t)
	return used
}

// checkContainer compares what was told of a container that stands still with the
// runtime's numbers. Its memory still changes a little when the kernel gives back
// what it had set aside for it on each CPU.
func checkContainer(t *testing.T, a *agent, p pod, name, id string) {
	t.Helper()
	var got, want map[string]uint64
	agree(t, "container "+name+" by podjoule and by the runtime", func() (string, string) {
		want, got = runtimeNumbers(t, id), make(map[string]uint64)
		for _, s := range a.ofContainer(p, name) {
			metric := s.column("metric")
			if _, wanted := want[metric]; !wanted || s.column("container_id") != id {
				continue
			}
			if metric != "container_cpu_time_delta" {
				got[metric] = 0 // only the last counts
			}
			got[metric] += number(t, s.column("value"))
		}
		return fmt.Sprint(got), fmt.Sprint(want)
	})
	t.Logf("%s: %v", name, got)
}

// ofContainer returns the samples of a container under its pod's names, without
// the parts of CPU time.
func (a *agent) ofContainer(p pod, name string) []sample {
	return a.ofPod(p.Metadata.UID, func(s sample) bool {
		c := s.column
		return c("container") == name && c("namespace") == p.Metadata.Namespace &&
			c("name") == p.Metadata.Name && (c("kind") == "" || c("kind") == "total")
	})
}

// checkLevels looks at the containers of a pod together.
func checkLevels(t *testing.T, a *agent, p pod, prepared uint64) {
	t.Helper()
	used := make(map[string]uint64)
	var sum uint64
	for _, s := range a.ofPod(p.Metadata.UID, func(s sample) bool {
		return s.is("container_cpu_time_delta") && s.column("kind") == "total"
	}) {
		used[s.column("container")] += number(t, s.column("value"))
		sum += number(t, s.column("value"))
	}
	if len(used) != 3 || used["prepare"] < prepared || prepared == 0 || used["web"] == 0 || used["sidecar"] == 0 {
		t.Fatalf("the containers used %v ns, want at least %d of prepare, and some of web and sidecar", used, prepared)
	}
	t.Logf("prepare: %d ns", used["prepare"])
	if pod := total(t, a.deltas(p.Metadata.UID)); sum > pod {
		t.Errorf("the containers used %d ns, more than their pod's %d ns", sum, pod)
	}
	begin := a.ofContainer(p, "web")[0].end
	for _, s := range a.ofContainer(p, "prepare") {
		if s.end.After(begin) {
			t.Errorf("%s of the init container at %v, after the web container's began at %v", s.column("metric"), s.end, begin)
		}
	}
}
