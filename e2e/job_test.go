//go:build e2e

package e2e

import "testing"

// A Job that burns for 300 ms may live and die between two ticks: it is then not
// seen, and the test says so. What is seen of it has its name, is not more than it
// can have used, and ends with it.
func TestShortJob(t *testing.T) {
	rights(t)
	other := runningPod(t, "burner.yaml", "burner") // shows when a tick has passed
	a := start(t, asAgent(t))
	windows := func() int { return len(a.deltas(other.Metadata.UID)) }
	eventually(t, "the agent has a window", func() bool { return windows() > 0 })
	apply(t, "job.yaml")
	kubectl(t, "wait", "-n", namespace, "--for=condition=Complete", "--timeout=120s", "job/short")
	var job pod
	for _, p := range pods(t) {
		if p.Metadata.Namespace == namespace && p.Metadata.Name != other.Metadata.Name {
			job = p
		}
	}
	uid := job.Metadata.UID
	if uid == "" {
		t.Fatal("the Job's pod is not in the API")
	}
	eventually(t, "the pod's cgroup is gone", func() bool { return !hasGroup(uid) })
	n := windows()
	eventually(t, "a window without it", func() bool { return windows() >= n+2 })
	ended := a.deltas(other.Metadata.UID)[n+1].end
	eventually(t, "three windows more", func() bool { return windows() >= n+5 })
	a.finish(t)

	seen := a.deltas(uid)
	t.Logf("seen in %d windows, with %d ns in all", len(seen), total(t, seen))
	if got := total(t, seen); got > 2e9 {
		t.Errorf("a pod that burned for 300 ms used %d ns", got)
	}
	for _, s := range a.all(func(s sample) bool { return s.columns["uid"] == uid }) {
		if s.columns["name"] != job.Metadata.Name {
			t.Errorf("its name is %q, want %q", s.columns["name"], job.Metadata.Name)
		}
		if s.end.After(ended) {
			t.Errorf("%s at %v, after its end", s.columns["metric"], s.end)
		}
	}
}
