//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// windows are the ends of all windows that the agent told of, in order.
func (a *agent) windows() []time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.ends)
}

// runs waits until the agent measures, be there pods or not.
func (a *agent) runs(t *testing.T) {
	t.Helper()
	eventually(t, "the agent runs", func() bool { return strings.Contains(a.said(t), `msg="agent runs"`) })
}

// goOn waits for so many windows that ended after now. There must be a pod.
func (a *agent) goOn(t *testing.T, n int) {
	t.Helper()
	now := time.Now()
	eventually(t, "the agent goes on", func() bool {
		ends := a.windows()
		return len(ends) >= n && ends[len(ends)-n].After(now)
	})
}

// catchUp waits until the agent has told of each pod what it used until now.
func (a *agent) catchUp(t *testing.T, pods []pod) {
	t.Helper()
	now := time.Now()
	for _, p := range pods {
		eventually(t, "the agent tells of "+p.id(), func() bool {
			d := a.deltas(p.Metadata.UID)
			return len(d) > 0 && d[len(d)-1].end.After(now)
		})
	}
}

// late does something while the agent is stopped: what happens meanwhile it sees at
// one later tick, with new pods that have used CPU time already.
func (a *agent) late(t *testing.T, do func()) {
	t.Helper()
	if err := a.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatalf("stop podjoule: %v", err)
	}
	do()
	if err := a.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatalf("let podjoule go on: %v", err)
	}
}

// checkTold looks at all that was told of a pod: every metric is there, once in a
// window, with the pod's names and its own cgroup.
func checkTold(t *testing.T, a *agent, p pod) {
	t.Helper()
	want := map[string]string{"name": p.Metadata.Name, "namespace": p.Metadata.Namespace, "node": nodeName}
	metrics, once := make(map[string]bool), make(map[string]bool)
	for _, s := range a.ofPod(p.Metadata.UID, func(sample) bool { return true }) {
		metric := s.column("metric")
		for key, value := range want {
			if got := s.column(key); got != value {
				t.Errorf("%s: %s has the %s %q, want %q", p.id(), metric, key, got, value)
				return
			}
		}
		if path := s.column("consumer_id"); !strings.Contains(strings.ReplaceAll(path, "_", "-"), p.cgroup()) {
			t.Errorf("%s: %s is of the cgroup %s", p.id(), metric, path)
			return
		}
		series := metric + " " + s.column("kind") + " " + s.column("timestamp")
		if once[series] {
			t.Errorf("%s: twice %s", p.id(), series)
			return
		}
		metrics[metric], once[series] = true, true
	}
	for _, metric := range []string{"cpu_time_delta", "cpu_percent", "memory_usage", "cgroup_memory_anonymous", "cgroup_memory_file"} {
		if !metrics[metric] {
			t.Errorf("%s: there is no %s", p.id(), metric)
		}
	}
}

// checkGapless compares a pod's windows with those of all pods: from its first on,
// it has each.
func checkGapless(t *testing.T, a *agent, p pod) {
	t.Helper()
	var got []time.Time
	for _, s := range a.deltas(p.Metadata.UID) {
		got = append(got, s.end)
	}
	want := a.windows()
	if len(got) > 0 {
		want = want[slices.IndexFunc(want, got[0].Equal):]
	}
	for i, end := range want {
		if i >= len(got) || !got[i].Equal(end) {
			t.Errorf("%s: not one window that ends at %v, though others have one", p.id(), end)
			return
		}
	}
}
