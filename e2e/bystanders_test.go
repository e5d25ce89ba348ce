//go:build e2e

package e2e

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// bystander is a pod that lives through faults of the node's components.
type bystander struct {
	pod
	group   group
	before  uint64 // what the kernel had counted when the agent began
	unnamed bool   // it may have been measured before it had its name
}

// bystanders are measured by one agent. Pods can join them while it runs.
type bystanders struct {
	*agent
	pods []bystander
}

// watched makes a pod that burns and one that idles. They stand still while the
// agent takes its first reading, so that it is known from outside.
func watched(t *testing.T) *bystanders {
	t.Helper()
	rights(t)
	b := new(bystanders)
	t.Cleanup(func() {
		if err := os.Remove(strangersFile(t)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		remove(t, "/api/v1/namespaces/"+namespace+"/pods?labelSelector=app=bystander")
		seldom(t, "all bystanders are gone", func() bool {
			return len(podsAt(t, "namespaces/"+namespace+"/pods?labelSelector=app=bystander")) == 0
		})
	})
	for _, o := range describedIn(t, "testdata/bystanders.yaml") {
		o.make(t)
	}
	for _, p := range awaitReady(t, "bystander-burns", "bystander-idles") {
		g := findGroup(t, p.cgroup())
		g.stop(t)
		b.pods = append(b.pods, bystander{pod: p, group: g, before: g.cpu(t)})
	}
	if len(b.pods) != 2 {
		t.Fatalf("%d bystanders are there, want 2", len(b.pods))
	}
	b.agent = start(t, asAgent(t))
	b.more(t, 1)
	for _, p := range b.pods {
		p.group.resume(t)
	}
	return b
}

// more waits for windows more.
func (b *bystanders) more(t *testing.T, windows int) {
	t.Helper()
	count := func() int { return len(b.deltas(b.pods[0].Metadata.UID)) }
	had := count()
	eventually(t, "the agent has more windows", func() bool { return count() >= had+windows })
}

// join takes a pod in that was born while the agent ran, once it burns and has its
// name.
func (b *bystanders) join(t *testing.T, p pod, unnamed bool) {
	t.Helper()
	var g group
	eventually(t, "pod "+p.id()+" burns", func() (found bool) {
		g, found = lookFor(p.cgroup())
		return found && g.runs("burn")
	})
	eventually(t, "pod "+p.id()+" has its name", func() bool {
		seen := b.of(g, "cpu_time_delta")
		return len(seen) > 0 && seen[len(seen)-1].column("name") == p.Metadata.Name
	})
	b.pods = append(b.pods, bystander{pod: p, group: g, unnamed: unnamed})
}

// runs tells whether a process in one of the group's containers has an argument.
func (g group) runs(argument string) bool {
	files, _ := filepath.Glob(g.file("cpuacct", "*/cgroup.procs"))
	for _, file := range files {
		ids, _ := os.ReadFile(file) // what is gone does not run
		for _, id := range strings.Fields(string(ids)) {
			line, _ := os.ReadFile("/proc/" + id + "/cmdline")
			if slices.Contains(strings.Split(string(line), "\x00"), argument) {
				return true
			}
		}
	}
	return false
}

// of returns the samples of a pod's cgroup, whatever the name that they have.
func (b *bystanders) of(g group, metric string) []sample {
	return b.all(func(s sample) bool {
		return s.column("consumer_id") == g.path && s.column("metric") == metric && (s.column("kind") == "" || s.column("kind") == "total")
	})
}

// end ends the agent while all pods stand still, and checks each: it has a sample
// in every window, its name on every sample, and exactly the CPU time that the
// kernel counted.
func (b *bystanders) end(t *testing.T) {
	t.Helper()
	for _, p := range b.pods {
		p.group.stop(t)
	}
	b.finish(t)
	for _, p := range b.pods {
		deltas := b.of(p.group, "cpu_time_delta")
		got, want := total(t, deltas), p.group.cpu(t)-p.before
		if got != want {
			t.Errorf("%s: the deltas add up to %d ns, its cgroup counted %d ns", p.id(), got, want)
		}
		t.Logf("%s: %d ns in %d windows", p.Metadata.Name, got, len(deltas))
		b.checkNames(t, p)
		b.checkWindows(t, p, "cpu_time_delta")
		b.checkWindows(t, p, "memory_usage")
		b.checkSpans(t, p)
	}
}

// checkNames checks that a pod has its identity on all samples, or on all from the
// first that has it, and the UID in its cgroup's name before.
func (b *bystanders) checkNames(t *testing.T, p bystander) {
	t.Helper()
	named, unnamed := make(map[string]bool), 0 // named are metrics with their kinds
	for _, s := range b.all(func(s sample) bool { return s.column("consumer_id") == p.group.path }) {
		c, series := s.column, s.column("metric")+" "+s.column("kind")
		switch {
		case c("name") == p.Metadata.Name && c("namespace") == p.Metadata.Namespace && c("uid") == p.Metadata.UID:
			named[series] = true
		case p.unnamed && !named[series] && c("name") == "" && c("namespace") == "" && c("uid") != "" && strings.Contains(strings.ReplaceAll(p.group.path, "_", "-"), c("uid")):
			unnamed++
		default:
			t.Errorf("%s at %v is of %q %s/%s, want %s", series, s.end, c("uid"), c("namespace"), c("name"), p.id())
		}
	}
	if unnamed > 0 {
		t.Logf("%s: %d samples without a name, then with it", p.Metadata.Name, unnamed)
	}
}

// checkWindows checks that a pod has exactly one sample at each of the agent's
// ticks from its first to the end, and that no tick is missing.
func (b *bystanders) checkWindows(t *testing.T, p bystander, metric string) {
	t.Helper()
	const late = 1500 * time.Millisecond // on a busy machine
	got := ends(b.of(p.group, metric))
	if len(got) == 0 {
		t.Fatalf("%s has no %s", p.id(), metric)
	}
	want := slices.Compact(ends(b.all(func(s sample) bool { return !s.end.Before(got[0]) })))
	if !slices.Equal(got, want) {
		missing := slices.DeleteFunc(want, func(end time.Time) bool { return slices.Contains(got, end) })
		t.Errorf("%s has %d samples of %s, want exactly one at each tick; without one: %v", p.id(), len(got), metric, missing)
	}
	for i := 1; i < len(got); i++ {
		if window := got[i].Sub(got[i-1]); window > b.tick+late {
			t.Errorf("%s has no %s in the %v before %v, want one every %v", p.id(), metric, window, got[i], b.tick)
		}
	}
}

// checkSpans checks that each window of a pod that burns begins where the one
// before ended: delta and share of a core tell how long it was measured for.
func (b *bystanders) checkSpans(t *testing.T, p bystander) {
	t.Helper()
	deltas, percents := b.of(p.group, "cpu_time_delta"), b.of(p.group, "cpu_percent")
	for i := 1; i < min(len(deltas), len(percents)); i++ {
		delta, percent := deltas[i].number(t), percents[i].number(t)
		if delta == 0 || percent == 0 {
			continue
		}
		got, want := time.Duration(100*delta/percent), deltas[i].end.Sub(deltas[i-1].end)
		if math.Abs(float64(got-want)) > float64(b.tick/2) {
			t.Errorf("%s: the delta at %v is of %v, want %v", p.id(), deltas[i].end, got, want)
		}
	}
}

func ends(samples []sample) []time.Time {
	var all []time.Time
	for _, s := range samples {
		all = append(all, s.end)
	}
	return all
}
