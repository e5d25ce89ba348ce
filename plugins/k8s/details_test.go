package k8s

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

// metronome ticks a source.
type metronome struct {
	*source
	t    *testing.T
	end  time.Time
	last *measure.Batch
}

func newMetronome(t *testing.T, s *source) *metronome {
	return &metronome{source: s, t: t, end: time.Now()}
}

// tick polls for the next window, or at first for none.
func (c *metronome) tick() map[string]float64 {
	c.t.Helper()
	start := c.end
	if c.last != nil {
		c.end = c.end.Add(interval)
	}
	c.last = pollAt(c.t, c.source, start, c.end)
	return ofDetails(told(c.last))
}

func (c *metronome) want(what string, want map[string]float64) {
	c.t.Helper()
	if diff := cmp.Diff(want, c.tick()); diff != "" {
		c.t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

// gaugesOf is what is left of a window in which nothing could be counted.
func gaugesOf(all map[string]float64) map[string]float64 {
	maps.DeleteFunc(all, func(name string, _ float64) bool {
		return strings.Contains(name, "_delta") || strings.Contains(name, "_total")
	})
	return all
}

// Every group of a pod, on both versions: the first reading is a baseline, then
// windows tell what was counted, to the unit; a counter that goes backwards makes a
// new baseline; what was counted before the end comes after it.
func TestEveryGroup(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) {
			n, p := newPlainNode(t, version), webPod()
			n.count(podPath(p), 1000, "254:0", "8:0")
			s, host := n.open([]*corev1.Pod{p})
			c := newMetronome(t, s)
			wantGauges := gaugesOf(detailsOf(version, false, 0))
			c.want("the first batch", wantGauges)
			n.count(podPath(p), 1007, "254:0", "8:0")
			c.want("7 more", detailsOf(version, false, 7, "vda", "8:0"))
			c.want("no more", detailsOf(version, false, 0, "vda", "8:0"))

			// A device that comes later has counted from zero.
			n.count(podPath(p), 1010, "254:0", "8:0", "8:16")
			want := detailsOf(version, false, 3, "vda", "8:0")
			for name, v := range detailsOf(version, false, 1010, "8:16") {
				if strings.Contains(name, "8:16") {
					want[name] = v
				}
			}
			c.want("a new device", want)
			// One that goes tells nothing, and goes on when it is back.
			n.count(podPath(p), 1011, "254:0", "8:16")
			c.want("a device is away", detailsOf(version, false, 1, "vda", "8:16"))
			n.count(podPath(p), 1012, "254:0", "8:0", "8:16")
			want = detailsOf(version, false, 1, "vda", "8:16", "8:0")
			for name := range want {
				if strings.Contains(name, "8:0") {
					want[name] *= 2
				}
			}
			c.want("a device is back", want)

			resets := host.Counter(t, "podjoule.k8s.resets")
			n.count(podPath(p), 400, "254:0", "8:0", "8:16")
			c.want("backwards", wantGauges)
			counters := len(detailsOf(version, false, 0, "vda", "8:0", "8:16")) - len(wantGauges) + 1 // of CPU time
			for name := range detailsOf(version, false, 0) {
				if strings.Contains(name, "_package_") {
					counters-- // is CPU time
				}
			}
			if got := host.Counter(t, "podjoule.k8s.resets") - resets; got != int64(counters) {
				t.Errorf("%d resets, want %d", got, counters)
			}
			n.count(podPath(p), 405, "254:0", "8:0", "8:16")
			c.want("after that", detailsOf(version, false, 5, "vda", "8:0", "8:16"))

			n.count(podPath(p), 409, "254:0", "8:0", "8:16")
			s.glance(s.targets[0])
			n.remove(podPath(p))
			want = detailsOf(version, false, 4, "vda", "8:0", "8:16")
			for name := range gaugesOf(detailsOf(version, false, 0)) {
				delete(want, name) // they were told while it lived
			}
			c.want("after the end", want)
			if len(c.last.Ended) != len(slices.Compact(slices.Clone(c.last.Ended))) || s.ceiling.live != 0 {
				t.Errorf("%d series ended, %d live", len(c.last.Ended), s.ceiling.live)
			}
			c.want("when it is gone", map[string]float64{})
		})
	}
}

// A pod that is made while we watch counts from zero, and one that ends before a tick
// tells all it had.
func TestEveryGroupOfANewPod(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		n, p := newPlainNode(t, version), webPod()
		s, _ := n.open([]*corev1.Pod{p})
		c := newMetronome(t, s)
		c.want("nothing there", map[string]float64{})
		n.count(podPath(p), 5, "254:0")
		want := func(i float64) map[string]float64 {
			all := detailsOf(version, false, i, "vda")
			if version == "v2" { // it had counted before it was first seen, be it where it may
				delete(all, "cpu_package_time_delta 0")
			}
			return all
		}
		c.want(version+", born", want(5))
		n.remove(podPath(p))
		c.tick()

		n.count(podPath(p), 9)
		s.catchUp() // as after an event
		n.count(podPath(p), 11, "254:0")
		s.glance(s.targets[0])
		n.remove(podPath(p))
		c.want(version+", between two ticks", want(11))
	}
}

// A pod that is removed and made again within a window goes on under its series.
func TestEveryGroupOfAPodMadeAgain(t *testing.T) {
	n, p := newPlainNode(t, "v2"), webPod()
	n.count(podPath(p), 100, "254:0", "8:0")
	s, _ := n.open([]*corev1.Pod{p})
	c := newMetronome(t, s)
	c.tick()
	c.tick()
	n.count(podPath(p), 103, "254:0", "8:0")
	s.glance(s.targets[0])
	n.remove(podPath(p))
	s.catchUp()
	n.count(podPath(p), 2, "8:0", "254:0")
	s.catchUp()
	c.want("3 before, 2 after", detailsOf("v2", false, 5, "vda", "8:0"))
	if len(c.last.Ended) != 0 {
		t.Errorf("%d series ended", len(c.last.Ended))
	}
	// Once more, and then it is gone for good: its gauges were told while it lived.
	n.count(podPath(p), 4, "8:0", "254:0")
	s.glance(s.targets[0])
	n.remove(podPath(p))
	s.catchUp()
	n.count(podPath(p), 1, "8:0", "254:0")
	s.catchUp()
	n.remove(podPath(p))
	want := detailsOf("v2", false, 3, "vda", "8:0")
	for name := range gaugesOf(detailsOf("v2", false, 0)) {
		delete(want, name)
	}
	c.want("2 before, 1 after", want)
}

// Containers have all groups under names of their own, and OOM kills on version 1 too.
func TestEveryGroupOfAContainer(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		n, p := newPlainNode(t, version), webPod()
		id, _ := simnode.ContainerID(p, p.Spec.Containers[0].Name)
		paths := []string{podPath(p), podPath(p) + "/" + id}
		for _, path := range paths {
			n.count(path, 1, "254:0")
		}
		s, _ := n.open([]*corev1.Pod{p}, withContainers)
		c := newMetronome(t, s)
		c.tick()
		for _, path := range paths {
			n.count(path, 3, "254:0")
		}
		got := make(map[string]float64)
		for name, v := range c.tick() {
			if plain, ok := strings.CutPrefix(name, "container_"); ok {
				got[plain] = v
			}
		}
		if diff := cmp.Diff(detailsOf(version, true, 2, "vda"), ofDetails(got)); diff != "" {
			t.Errorf("%s: -want +got\n%s", version, diff)
		}
	}
}

// A file that is away in one tick loses nothing: the next delta covers both windows
// and says so. A limit that is lifted is absent.
func TestDetailFileAwayLosesNothing(t *testing.T) {
	n, p := newPlainNode(t, "v2"), webPod()
	n.count(podPath(p), 10, "254:0")
	s, _ := n.open([]*corev1.Pod{p})
	c := newMetronome(t, s)
	c.tick()
	n.count(podPath(p), 11, "254:0")
	c.tick()
	gone := []string{"io.stat", "io.pressure", "memory.events"}
	n.count(podPath(p), 13, "254:0")
	n.write("", podPath(p)+"/memory.max", "max\n")
	for _, name := range gone {
		if err := os.Remove(filepath.Join(n.dir(""), podPath(p), name)); err != nil {
			t.Fatal(err)
		}
	}
	want := detailsOf("v2", false, 2)
	for _, name := range []string{"io_pressure_some_total", "io_pressure_full_total", "memory_oom_kills_delta", "memory_max"} {
		delete(want, name)
	}
	c.want("three files away", want)
	n.count(podPath(p), 16, "254:0")
	want = detailsOf("v2", false, 3, "vda")
	for _, name := range []string{"io_pressure_some_total", "io_pressure_full_total", "memory_oom_kills_delta",
		"io_bytes_delta vda read", "io_bytes_delta vda write", "io_operations_delta vda read", "io_operations_delta vda write"} {
		want[name] = want[name] / 3 * 5
	}
	c.want("back", want)
	for i := range c.last.Samples {
		x := &c.last.Samples[i]
		span := interval
		if name := x.Series.Metric.Name; strings.HasPrefix(name, "io_") || name == "memory_oom_kills_delta" {
			span = 2 * interval
		}
		if x.Series.Metric.Kind == measure.Delta && c.last.End.Sub(c.last.StartOf(x)) != span {
			t.Errorf("%s covers %v, want %v", x.Series.Metric.Name, c.last.End.Sub(c.last.StartOf(x)), span)
		}
	}
}

func TestEveryGroupAllocatesNothing(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		n, p := newPlainNode(t, version), webPod()
		n.count(podPath(p), 1, "254:0", "8:0")
		s, _ := n.open([]*corev1.Pod{p})
		if s.watchCgroups() == nil {
			t.Fatal(s.finder.Refused())
		}
		b := new(measure.Batch)
		end := time.Now()
		step := func() {
			start := end
			end = end.Add(time.Millisecond) // less than the interval of a search
			b.Reset(interval, start, end)
			if err := s.Poll(t.Context(), b); err != nil {
				t.Error(err)
			}
		}
		step()
		step()
		if allocs := testing.AllocsPerRun(100, step); allocs != 0 {
			t.Errorf("%s: %v allocations a tick, want 0", version, allocs)
		}
		if len(b.Samples) < 25 {
			t.Errorf("%s: only %d samples", version, len(b.Samples))
		}
	}
}
