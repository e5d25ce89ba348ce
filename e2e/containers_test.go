//go:build e2e

package e2e

import (
	"strings"
	"testing"
)

// With containers = true, each container has series of its own name whose deltas
// add up to what its own cgroup counted, and all together are no more than the
// pod's, which still add up to the pod's cgroup.
func TestContainers(t *testing.T) {
	p := runningPod(t, "two.yaml", "two")
	uid := p.Metadata.UID
	whole := findGroup(t, uid)
	whole.stop(t)
	groups, before := make(map[string]group), make(map[string]uint64) // by the container's name
	for _, c := range p.Status.ContainerStatuses {
		_, id, _ := strings.Cut(c.ContainerID, "://")
		groups[c.Name] = findGroup(t, id)
		before[c.Name] = groups[c.Name].cpu(t)
	}
	if len(groups) != 2 {
		t.Fatalf("the pod has %d containers, want 2", len(groups))
	}
	pod := whole.cpu(t)

	a := start(t, asAgent(t)+"containers = true\n")
	windows := func() int { return len(a.deltas(uid)) }
	eventually(t, "the agent has its first reading and a window", func() bool { return windows() > 0 })
	whole.resume(t)
	n := windows()
	eventually(t, "five windows more", func() bool { return windows() >= n+5 })
	whole.stop(t)
	n = windows()
	eventually(t, "a window after the pod was stopped", func() bool { return windows() > n })
	a.finish(t)

	var sum uint64
	for _, s := range a.all(func(s sample) bool {
		return strings.HasPrefix(s.columns["metric"], "container_") && s.columns["uid"] == uid
	}) {
		if _, known := groups[s.columns["container"]]; !known {
			t.Errorf("%s of an unknown container %q", s.columns["metric"], s.columns["container"])
		}
	}
	for name, g := range groups {
		got := total(t, a.all(func(s sample) bool {
			return s.of("container_cpu_time_delta", uid) && s.columns["kind"] == "total" && s.columns["container"] == name
		}))
		want := g.cpu(t) - before[name]
		if got != want || got == 0 {
			t.Errorf("container %s: the deltas add up to %d ns, its cgroup counted %d ns", name, got, want)
		}
		sum += got
	}
	got, want := total(t, a.deltas(uid)), whole.cpu(t)-pod
	if got != want {
		t.Errorf("pod: the deltas add up to %d ns, its cgroup counted %d ns", got, want)
	}
	if sum > got {
		t.Errorf("the containers used %d ns, more than their pod's %d ns", sum, got)
	}
}
