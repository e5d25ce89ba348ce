//go:build e2e

package e2e

import (
	"math"
	"testing"
	"time"
)

// A container limited to 200 millicores that burns uses 0.200 cores, within 2 %
// over 20 s; and the deltas add up to what its cgroup counted, to the nanosecond.
//
// For the sum, the pod's processes are stopped while the agent takes its first
// reading, and before it is ended, so that both are known from outside.
func TestBurningPod(t *testing.T) {
	if emulated() { // others would wait for minutes
		t.Parallel()
	}
	p := runningPod(t, "burner.yaml", "burner")
	g := findGroup(t, p.Metadata.UID)
	g.stop(t)
	before := g.cpu(t)

	a := start(t, asAgent(t))
	deltas := func() int { return len(a.deltas(p.Metadata.UID)) }
	eventually(t, "the agent has its first reading and a window", func() bool { return deltas() > 0 })
	if got := total(t, a.deltas(p.Metadata.UID)); got != 0 {
		t.Errorf("a stopped pod used %d ns", got)
	}
	g.resume(t)
	checkRate(t, a, g, p.Metadata.UID)

	// Something has to be in the last window, which SIGTERM ends.
	n := deltas()
	eventually(t, "one more window", func() bool { return deltas() > n })
	used := g.cpu(t)
	eventually(t, "the pod has burned in the next", func() bool { return g.cpu(t) >= used+20e6 })
	g.stop(t)
	after := g.cpu(t)
	a.finish(t)
	if got, want := total(t, a.deltas(p.Metadata.UID)), after-before; got != want {
		t.Errorf("the deltas add up to %d ns, the cgroup counted %d ns", got, want)
	}
}

// checkRate compares what the agent tells about a span of 20 s with 200 millicores.
// On a machine so busy that the kernel itself gave the pod less, it takes another
// span.
func checkRate(t *testing.T, a *agent, g group, uid string) {
	t.Helper()
	const (
		span  = 20 * time.Second
		quota = 0.200
	)
	var kernel float64
	spans := 4
	if emulated() { // other tests run beside it
		spans = 8
	}
	for range spans {
		begin, counted := time.Now(), g.cpu(t)
		var windows []sample
		eventually(t, "20 s of windows", func() bool {
			windows = a.ofPod(uid, func(s sample) bool {
				return s.is("cpu_time_delta") && s.column("kind") == "total" && s.end.After(begin)
			})
			return len(windows) > 0 && windows[len(windows)-1].end.Sub(windows[0].end) >= span
		})
		kernel = float64(g.cpu(t)-counted) / float64(time.Since(begin))
		if math.Abs(kernel-quota) > 0.015*quota {
			t.Logf("the kernel counted %.4f cores: the machine is too busy, once more", kernel)
			continue
		}
		first, last := windows[0].end, windows[len(windows)-1].end
		got := float64(total(t, windows[1:])) / float64(last.Sub(first))
		t.Logf("%.4f cores over %v by the agent, %.4f by the kernel", got, last.Sub(first), kernel)
		if math.Abs(got-quota) > 0.02*quota {
			t.Errorf("the pod used %.4f cores, want %.3f within 2 %%", got, quota)
		}
		checkPercent(t, a, uid, first, last, 100*quota)
		return
	}
	t.Errorf("the kernel gave the pod %.4f cores instead of %.3f in each of %d spans: give the machine less to do", kernel, quota, spans)
}

// checkPercent compares the mean of cpu_percent in a span.
func checkPercent(t *testing.T, a *agent, uid string, first, last time.Time, want float64) {
	t.Helper()
	percents := a.ofPod(uid, func(s sample) bool {
		return s.is("cpu_percent") && s.column("kind") == "total" && s.end.After(first) && !s.end.After(last)
	})
	var mean float64
	for _, s := range percents {
		mean += s.number(t) / float64(len(percents))
	}
	if math.Abs(mean-want) > 0.02*want {
		t.Errorf("cpu_percent is %.2f in the mean, want %.0f within 2 %%", mean, want)
	}
}
