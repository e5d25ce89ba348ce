//go:build e2e

package e2e

import (
	"slices"
	"testing"
	"time"
)

// checkNames compares the pods on the page with those of the API that have a cgroup. Other
// tests' pods come and go meanwhile, and the page is as old as its last tick: unless both are
// the same, it has all pods that were there throughout the last ticks, and none that was not
// there at any time of them.
func checkNames(t *testing.T, address string, self pod) {
	t.Helper()
	const ticks = 12 * time.Second // two, as the manifests have them, and what they take
	type look struct {
		at   time.Time
		pods []string
	}
	var looks []look
	for _, metric := range []string{"podjoule_cpu_percent", "podjoule_memory_usage_bytes", "podjoule_cgroup_memory_anonymous_bytes"} {
		var shown, missing, wrong []string
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("pods with %s: %v; missing are %v, wrong are %v", metric, shown, missing, wrong)
			}
		})
		seldom(t, "the page has the node's pods with "+metric, func() bool {
			shown = scrape(t, address).pods(metric)
			now := look{at: time.Now()}
			for _, p := range pods(t) {
				if hasGroup(p.cgroup()) {
					now.pods = append(now.pods, p.id())
				}
			}
			slices.Sort(now.pods)
			if looks = append(looks, now); slices.Equal(shown, now.pods) {
				return true
			}
			begin := slices.IndexFunc(looks, func(l look) bool { return now.at.Sub(l.at) <= ticks })
			if begin == 0 && now.at.Sub(looks[0].at) < ticks-time.Second {
				return false
			}
			missing, wrong = slices.Clone(now.pods), slices.Clone(shown)
			for _, l := range looks[begin:] {
				missing = slices.DeleteFunc(missing, func(id string) bool { return !slices.Contains(l.pods, id) })
				wrong = slices.DeleteFunc(wrong, func(id string) bool { return slices.Contains(l.pods, id) })
			}
			missing = slices.DeleteFunc(missing, func(id string) bool { return slices.Contains(shown, id) })
			return len(missing) == 0 && len(wrong) == 0
		})
		t.Logf("%d pods with %s", len(shown), metric)
		if !slices.Contains(shown, self.id()) {
			t.Errorf("the agent's own pod %s is not among those with %s", self.id(), metric)
		}
	}
	for _, l := range scrape(t, address) {
		if node, told := l.labels["node"]; told && node != nodeName {
			t.Errorf("%s of %s is on node %q, want %q", l.metric, l.labels["name"], node, nodeName)
		}
	}
}

// checkPage compares the page with the kernel's counters, at two moments at which
// the pod stood still for a whole window: then both tell of the same.
func checkPage(t *testing.T, address string, p pod) {
	t.Helper()
	g, uid := findGroup(t, p.cgroup()), p.Metadata.UID
	still := func() (page, uint64) {
		g.stop(t)
		return awaitPercent(t, address, uid, func(percent float64) bool { return percent == 0 }), g.cpu(t)
	}
	first, before := still()
	g.resume(t)
	awaitPercent(t, address, uid, func(percent float64) bool { return percent > 0 })
	second, after := still()
	got, want := second.cpu(t, uid)-first.cpu(t, uid), after-before
	t.Logf("%d ns of CPU time by the page, %d by the kernel", got, want)
	if got != want || got == 0 {
		t.Errorf("CPU time on the page went on by %d ns, its cgroup counted %d ns", got, want)
	}
	anonymous, _ := second.of("podjoule_cgroup_memory_anonymous_bytes", uid)
	if want := g.anonymous(t); uint64(anonymous) != want || want == 0 {
		t.Errorf("the page has %.0f bytes of anonymous memory, its cgroup %d", anonymous, want)
	}
	g.resume(t)
}

// awaitPercent waits until a pod's CPU usage on the page is as wanted.
func awaitPercent(t *testing.T, address, uid string, wanted func(float64) bool) page {
	t.Helper()
	var shown page
	seldom(t, "the pod's CPU usage on the page is as its processes do", func() bool {
		shown = scrape(t, address)
		percent, told := shown.of("podjoule_cpu_percent", uid)
		return told && wanted(percent)
	})
	return shown
}

// selfReading is what the agent told of its own pod at a tick, and what its cgroup
// was a moment before and after.
type selfReading struct {
	at                  time.Time
	before, told, after uint64 // CPU time
	memory, anonymous   float64
	group               group
}

// readSelf waits for the next tick, at which the agent has used more than before.
func readSelf(t *testing.T, address string, self pod) selfReading {
	t.Helper()
	uid := self.Metadata.UID
	r := selfReading{group: findGroup(t, self.cgroup())}
	r.before = r.group.cpu(t)
	old := scrape(t, address).cpu(t, uid)
	seldom(t, "the agent's next tick", func() bool {
		shown := scrape(t, address)
		r.told = shown.cpu(t, uid)
		r.memory, _ = shown.of("podjoule_memory_usage_bytes", uid)
		r.anonymous, _ = shown.of("podjoule_cgroup_memory_anonymous_bytes", uid)
		return r.told != old
	})
	r.after, r.at = r.group.cpu(t), time.Now()
	return r
}

// checkSelf compares what the agent told of itself with its cgroup: CPU time between
// the least and the most that can lie between two ticks, and memory as of the last
// one, since when its heap may have moved.
func checkSelf(t *testing.T, first, second selfReading) {
	t.Helper()
	const mib = 1 << 20
	got, least, most := second.told-first.told, second.before-first.after, second.after-first.before
	t.Logf("the agent used %d ns in %v, of %d to %d, and has %.2f MiB, %.2f of them anonymous",
		got, second.at.Sub(first.at).Round(time.Millisecond), least, most, second.memory/mib, second.anonymous/mib)
	if got < least || got > most {
		t.Errorf("the agent tells that it used %d ns, want %d to %d", got, least, most)
	}
	for name, m := range map[string]struct{ got, want float64 }{
		"memory":           {second.memory, float64(second.group.usage(t))},
		"anonymous memory": {second.anonymous, float64(second.group.anonymous(t))},
	} {
		if m.got < m.want-4*mib || m.got > m.want+4*mib || m.got < mib {
			t.Errorf("the agent tells that it has %.2f MiB of %s, its cgroup has %.2f", m.got/mib, name, m.want/mib)
		}
	}
}
