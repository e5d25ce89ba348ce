//go:build e2e

package e2e

import (
	"math"
	"slices"
	"syscall"
	"testing"
	"time"
)

// A container that touches 64 MiB has 64 MiB more anonymous memory than before,
// within 1 MiB.
func TestTouchedMemory(t *testing.T) {
	t.Parallel()
	const (
		mib  = 1 << 20
		want = 64 * mib
	)
	p := runningPod(t, "toucher.yaml", "toucher")
	g := findGroup(t, p.Metadata.UID)
	a := start(t, asAgent(t))
	// after returns the first anonymous memory told of a window that began after t.
	after := func(begin time.Time) float64 {
		var found []sample
		eventually(t, "a window", func() bool {
			found = a.ofPod(p.Metadata.UID, func(s sample) bool {
				return s.is("cgroup_memory_anonymous") && s.end.After(begin)
			})
			return len(found) > 0
		})
		return found[0].number(t)
	}
	before := after(time.Now())
	has := g.anonymous(t)
	// A program that has just started does not listen to signals yet.
	eventually(t, "the container has touched its memory", func() bool {
		if g.anonymous(t) < has+want-mib {
			g.signalTo(t, "touch", syscall.SIGUSR1)
			return false
		}
		return true
	})
	got := after(time.Now()) - before
	t.Logf("%.3f MiB more by the agent, %.3f by the kernel", got/mib, float64(g.anonymous(t)-has)/mib)
	if math.Abs(got-want) > mib {
		t.Errorf("the pod has %.3f MiB more anonymous memory, want 64 within 1", got/mib)
	}
	a.finish(t)
}

// signalTo sends a signal to the processes of the group with an argument.
func (g group) signalTo(t *testing.T, argument string, s syscall.Signal) {
	t.Helper()
	for _, id := range g.processes(t) {
		if slices.Contains(arguments(t, id), argument) {
			if err := syscall.Kill(id, s); err != nil {
				t.Fatalf("send %v to process %d: %v", s, id, err)
			}
		}
	}
}
