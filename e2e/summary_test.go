//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// podStats is what the kubelet tells of a pod in /stats/summary. It looks every 10
// to 20 s, and its time stamps are cut to seconds.
type podStats struct {
	PodRef struct{ Name, Namespace, UID string }
	CPU    struct {
		Time                 time.Time
		UsageCoreNanoSeconds uint64
	}
	Memory struct{ UsageBytes, WorkingSetBytes, RSSBytes uint64 }
}

// summary is the kubelet's list of pods that run.
func summary(t *testing.T) []podStats {
	t.Helper()
	var answer struct{ Pods []podStats }
	read(t, "nodes/"+nodeName+"/proxy/stats/summary", &answer)
	return answer.Pods
}

// summaryOf waits until the kubelet has looked at a pod, surely after a time.
func summaryOf(t *testing.T, p pod, after time.Time) podStats {
	t.Helper()
	var found podStats
	seldom(t, "the kubelet has looked at "+p.id(), func() bool {
		for _, s := range summary(t) {
			if s.PodRef.UID == p.cgroup() && s.CPU.Time.After(after) {
				found = s
				return true
			}
		}
		return false
	})
	return found
}

// What the kubelet tells of a pod is what podjoule tells: at two moments at which the
// pod stands still, exactly; and at one between them, at which it burns, as far as
// the kubelet says when that was.
func TestSummary(t *testing.T) {
	long(t)
	t.Parallel()
	p := runningPod(t, "summarized.yaml", "summarized")
	g := findGroup(t, p.cgroup())
	g.stop(t)
	a := start(t, asAgent(t))
	a.catchUp(t, []pod{p})
	first := summaryOf(t, p, time.Now())
	checkSummaryMemory(t, a, p)
	g.resume(t)
	between := summaryOf(t, p, time.Now().Add(2*time.Second))
	g.stop(t)
	last := summaryOf(t, p, time.Now())
	a.finish(t)

	used := func(s podStats) uint64 { return s.CPU.UsageCoreNanoSeconds - first.CPU.UsageCoreNanoSeconds }
	got, want := total(t, a.deltas(p.Metadata.UID)), used(last)
	t.Logf("%d ns in %v by the agent, %d by the kubelet", got, last.CPU.Time.Sub(first.CPU.Time), want)
	if got != want || got == 0 {
		t.Errorf("the deltas add up to %d ns, the kubelet counted %d ns", got, want)
	}
	least, most := around(t, a.deltas(p.Metadata.UID), between.CPU.Time)
	t.Logf("%d ns by the kubelet while it burned, %d to %d by the agent", used(between), least, most)
	if used(between) < least || used(between) > most {
		t.Errorf("at %v the kubelet had counted %d ns, the agent %d to %d", between.CPU.Time, used(between), least, most)
	}
}

// around is the least and the most that a pod had used when the kubelet looked: in
// the second that the time stamp begins, give or take what looking takes.
func around(t *testing.T, deltas []sample, stamp time.Time) (least, most uint64) {
	t.Helper()
	const looking = 500 * time.Millisecond
	for _, s := range deltas {
		n := number(t, s.column("value"))
		if most += n; s.end.Before(stamp.Add(-looking)) {
			least += n
		}
		if s.end.After(stamp.Add(time.Second + looking)) {
			break
		}
	}
	return least, most
}

// checkSummaryMemory compares the memory of a pod that stands still: usageBytes is
// memory_usage, and rssBytes is cgroup_memory_anonymous. workingSetBytes has no
// metric; it is memory_usage without the files that were not used for long, which
// are some of cgroup_memory_file. The kernel may give back a little of usage that it
// had set aside, which the kubelet sees when it looks the next time.
func checkSummaryMemory(t *testing.T, a *agent, p pod) {
	t.Helper()
	var s podStats
	last := func(metric string) uint64 {
		found := a.ofPod(p.Metadata.UID, func(s sample) bool { return s.is(metric) })
		return number(t, found[len(found)-1].column("value"))
	}
	agree(t, "memory_usage and cgroup_memory_anonymous of "+p.id(), func() (string, string) {
		s = summaryOf(t, p, time.Time{})
		return fmt.Sprint(last("memory_usage"), last("cgroup_memory_anonymous")), fmt.Sprint(s.Memory.UsageBytes, s.Memory.RSSBytes)
	})
	t.Logf("memory by the kubelet: %+v", s.Memory)
	if usage, set := s.Memory.UsageBytes, s.Memory.WorkingSetBytes; s.Memory.RSSBytes == 0 || set > usage || set+last("cgroup_memory_file") < usage {
		t.Errorf("the kubelet's %+v do not go with %d bytes of files", s.Memory, last("cgroup_memory_file"))
	}
}

// The kubelet's pods are podjoule's, under the same UIDs and names, but for static
// pods: those have the UID of their file at the kubelet, and that of their mirror at
// podjoule, as in the API.
func TestSummaryPods(t *testing.T) {
	long(t)
	t.Parallel()
	rights(t)
	static := staticInSummary(t)
	a := start(t, asAgent(t))
	var got, want []string
	agree(t, "pods of podjoule and of the kubelet", func() (string, string) {
		a.goOn(t, 2)
		got, want = a.latest(), nil
		mirrors := make(map[string]string)
		for _, p := range pods(t) {
			mirrors[p.cgroup()] = p.Metadata.UID
		}
		for _, s := range summary(t) {
			want = append(want, mirrors[s.PodRef.UID]+" "+s.PodRef.Namespace+"/"+s.PodRef.Name)
		}
		slices.Sort(want)
		return strings.Join(got, ", "), strings.Join(want, ", ")
	})
	a.finish(t)
	t.Logf("%d pods", len(got))
	if !slices.Contains(got, static.id()) {
		t.Errorf("the static pod %s is not among %v", static.id(), got)
	}
}

// latest are the ids of the pods in the last window but one, which is whole.
func (a *agent) latest() []string {
	ends := a.windows()
	var ids []string
	for _, s := range a.all(func(s sample) bool {
		return s.column("metric") == "memory_usage" && s.end.Equal(ends[len(ends)-2])
	}) {
		ids = append(ids, s.column("uid")+" "+s.column("namespace")+"/"+s.column("name"))
	}
	slices.Sort(ids)
	return ids
}

// staticInSummary gives the kubelet the file of a pod and returns its mirror.
func staticInSummary(t *testing.T) pod {
	t.Helper()
	const name = "summarized"
	file := stateFile(t, "static-pods", name+".yaml")
	write(t, file, strings.Replace(text(t, "testdata/static.yaml"), "name: static", "name: "+name, 1))
	mirror := func() (found pod) {
		for _, p := range podsAt(t, "namespaces/default/pods") {
			if p.Metadata.Name == name+"-"+nodeName {
				found = p
			}
		}
		return found
	}
	t.Cleanup(func() {
		if err := os.Remove(file); err != nil {
			t.Error(err)
		}
		eventually(t, "the static pod is gone", func() bool { return mirror().Metadata.UID == "" })
	})
	eventually(t, "the static pod runs", func() bool { return mirror().ready() })
	return mirror()
}
