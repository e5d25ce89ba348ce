//go:build e2e

package e2e

import (
	"runtime"
	"testing"
	"time"
)

// witness reads the CPU counter of one pod's cgroup many times a second, until the
// cgroup is gone. So the tests know what a pod used that nobody can ask any more.
type witness struct {
	pod  pod
	over chan struct{} // closed when the cgroup is gone; all below is for afterwards

	readings []reading // without those that repeat the one before
	alive    time.Time // before the last one
	gone     time.Time // after the first that failed
}

// reading is what the counter was at a time, or had become by then.
type reading struct {
	at  time.Time
	cpu uint64
}

// watch begins at once, or as soon as the cgroup is made.
func watch(t *testing.T, p pod) *witness {
	t.Helper()
	w := &witness{pod: p, over: make(chan struct{})}
	enough := make(chan struct{})
	go w.read(enough)
	t.Cleanup(func() {
		close(enough)
		<-w.over
	})
	return w
}

// watchAll has a witness for each pod.
func watchAll(t *testing.T, pods []pod) []*witness {
	t.Helper()
	var all []*witness
	for _, p := range pods {
		all = append(all, watch(t, p))
	}
	return all
}

func (w *witness) read(enough <-chan struct{}) {
	defer close(w.over)
	pace := time.NewTicker(witnessPace())
	defer pace.Stop()
	var c *openCounter
	for {
		select {
		case <-enough:
			return
		case <-pace.C:
		}
		if c == nil {
			g, found := lookFor(w.pod.cgroup())
			if !found {
				continue
			}
			opened, err := g.open()
			if err != nil {
				continue // it is not complete yet
			}
			defer opened.close()
			c = opened
		}
		begin := time.Now()
		n, err := c.read()
		if err != nil {
			w.gone = time.Now()
			return
		}
		w.alive = begin
		if n != w.last() || len(w.readings) == 0 {
			w.readings = append(w.readings, reading{time.Now(), n})
		}
	}
}

// witnessPace is the time between two readings. Witnesses of several pods must leave an
// emulated node the time to end them.
func witnessPace() time.Duration {
	if emulated() {
		return 50 * time.Millisecond
	}
	return 10 * time.Millisecond
}

// await waits until the cgroup is gone.
func (w *witness) await(t *testing.T) {
	t.Helper()
	select {
	case <-w.over:
	case <-time.After(limit):
		t.Fatalf("after %v still not: the cgroup of %s is gone", limit, w.pod.id())
	}
}

// last is the last value of the counter.
func (w *witness) last() uint64 {
	if len(w.readings) == 0 {
		return 0
	}
	return w.readings[len(w.readings)-1].cpu
}

// by is what the counter had surely reached by a time.
func (w *witness) by(when time.Time) uint64 {
	var n uint64
	for _, r := range w.readings {
		if !r.at.After(when) {
			n = r.cpu
		}
	}
	return n
}

// most is what the counter can have reached in the end: a cgroup goes some time after
// its last process, so it is the last value, unless the counter was still moving.
func (w *witness) most() uint64 {
	if n := len(w.readings); n == 0 || w.alive.Sub(w.readings[n-1].at) > 2*witnessPace() {
		return w.last()
	}
	return w.last() + uint64(w.gone.Sub(w.alive))*uint64(runtime.NumCPU())
}

// check compares what the agent told of the pod with what was seen here. The agent
// reads at ticks, so it owes all that was counted by the last tick in the pod's life:
// the last one whose samples were here while the cgroup still was. After the first tick
// that follows the end, nothing comes any more. Before the agent began, the counter had a value
// already, or zero.
func (w *witness) check(t *testing.T, a *agent, before uint64) {
	t.Helper()
	checkTold(t, a, w.pod)
	var tick time.Time
	for _, s := range a.all(func(s sample) bool { return s.came.Before(w.alive) && s.end.After(tick) }) {
		tick = s.end
	}
	got := before + total(t, a.deltas(w.pod.Metadata.UID))
	t.Logf("%s: %d ns of %d, %v of its life not seen", w.pod.id(), got, w.last(), w.gone.Sub(tick).Round(time.Millisecond))
	if least, most := w.by(tick), w.most(); got < least || got > most || most == 0 {
		t.Errorf("%s: the deltas add up to %d ns, want %d by its last tick to %d at its end", w.pod.id(), got, least, most)
	}
	last := time.Now() // the first tick after the end
	for _, s := range a.all(func(s sample) bool { return s.end.After(w.gone) && s.end.Before(last) }) {
		last = s.end
	}
	for _, s := range a.ofPod(w.pod.Metadata.UID, func(sample) bool { return true }) {
		if s.end.After(last) {
			t.Errorf("%s: %s of a window that ended %v after its cgroup", w.pod.id(), s.column("metric"), s.end.Sub(w.gone))
			return
		}
	}
}
