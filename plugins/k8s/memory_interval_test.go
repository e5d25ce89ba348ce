package k8s

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/simnode"
)

// every has memory an interval of its own.
func every(d time.Duration) func(*Config) {
	return func(c *Config) { c.MemoryInterval = plugin.Duration(d) }
}

func TestCheckMemoryInterval(t *testing.T) {
	f := func(tick, memory time.Duration, ok bool) {
		t.Helper()
		c := defaults()
		c.Interval, c.MemoryInterval = plugin.Duration(tick), plugin.Duration(memory)
		err := c.Validate()
		if (err == nil) != ok || err != nil && !(strings.HasPrefix(err.Error(), "memory_interval: want a multiple of poll_interval, which is "+tick.String())) {
			t.Errorf("poll_interval %v, memory_interval %v: %v", tick, memory, err)
		}
	}
	f(5*time.Second, 0, true)
	f(5*time.Second, 5*time.Second, true)
	f(5*time.Second, time.Minute, true)
	f(10*time.Millisecond, time.Second, true)
	f(5*time.Second, 7*time.Second, false)
	f(5*time.Second, time.Second, false)
	f(5*time.Second, -5*time.Second, false)
}

// Ticks are late by moments, some by more, and some are skipped: memory is due at the
// multiples of its interval all the same.
func TestMemoryIsDueAtMultiples(t *testing.T) {
	c := defaults()
	c.MemoryInterval = 6 * c.Interval
	base := time.Now()
	f := func(name string, first time.Duration, ticks map[float64]bool) {
		t.Helper()
		p := newMemoryPace(c)
		for _, at := range slices.Sorted(maps.Keys(ticks)) {
			late := time.Duration(0)
			if at == 0 {
				late = first
			}
			b := &measure.Batch{End: base.Add(time.Duration(at*float64(interval)) + late)}
			if got := p.due(b); got != ticks[at] {
				t.Errorf("%s, tick %v: due %v", name, at, got)
			}
		}
		if !p.due(&measure.Batch{End: base.Add(time.Hour + interval), Last: true}) {
			t.Errorf("%s: not due in the last batch", name)
		}
	}
	f("on time", 0, map[float64]bool{0: true, 1: false, 2: false, 5: false, 6: true, 7: false, 11: false, 12: true, 13: false})
	f("late", 0, map[float64]bool{0: true, 1.01: false, 5.02: false, 6.001: true, 7: false, 11.3: false, 12.4: true, 13: false, 18: true})
	f("the first was late", time.Second, map[float64]bool{0: true, 1: false, 5: false, 6: true, 7: false, 12: true})
	f("skipped", 0, map[float64]bool{0: true, 5: false, 8: true, 9: false, 12: true, 13: false, 40: true, 41: false, 42: true})
}

// memoryOf leaves only what memory_interval is about.
func memoryOf(all map[string]float64) map[string]float64 {
	maps.DeleteFunc(all, func(name string, _ float64) bool {
		return !strings.Contains(name, "memory_") && !strings.Contains(name, "slab_") || strings.Contains(name, "pressure") || strings.Contains(name, "request")
	})
	return all
}

// With an interval of its own, memory is told in each third tick, its deltas cover
// what passed, and its files are not read in between; all else is told in each tick.
func TestMemoryInterval(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		n, p := newPlainNode(t, version), webPod()
		n.count(podPath(p), 100)
		s, _ := n.open([]*corev1.Pod{p}, every(3*interval))
		c := newMetronome(t, s)
		for i := range 10 {
			n.count(podPath(p), 100+i)
			if i%3 != 0 {
				n.write("memory", podPath(p)+"/memory.stat", "pgfault x\ntotal_pgfault x\n") // an error, if it is read
			}
			c.tick()
			got := told(c.last)
			if i > 0 && got["cpu_time_delta total"] != 3000 || got["pids_current"] != 4 {
				t.Errorf("%s, tick %d: %v", version, i, got)
			}
			want := map[string]float64{}
			if i%3 == 0 {
				want = memoryOf(detailsOf(version, false, 3))
				want["memory_usage"], want["cgroup_memory_anonymous"], want["cgroup_memory_file"] = 4096, 2000, 1000
				if version == "v2" {
					want["cgroup_memory_kernel_stack"], want["cgroup_memory_pagetables"] = 16, 32
				}
			}
			if i == 0 {
				want = gaugesOf(want)
			}
			if diff := cmp.Diff(want, memoryOf(got)); diff != "" {
				t.Errorf("%s, tick %d: -want +got\n%s", version, i, diff)
			}
			for j := range c.last.Samples {
				x := &c.last.Samples[j]
				span := interval
				if strings.Contains(x.Series.Metric.Name, "faults") || strings.Contains(x.Series.Metric.Name, "kills") {
					span = 3 * interval
				}
				if x.Series.Metric.Kind == measure.Delta && c.last.End.Sub(c.last.StartOf(x)) != span {
					t.Errorf("%s, tick %d: %s covers %v, want %v", version, i, x.Series.Metric.Name, c.last.End.Sub(c.last.StartOf(x)), span)
				}
			}
		}
	}
}

// A pod that is born between two multiples is read at once, told at the next multiple,
// or after its end, or in the last batch.
func TestMemoryIntervalOfShortPods(t *testing.T) {
	n := newPlainNode(t, "v2")
	stays, goes, late := webPod(), simnode.NewPod(template("shop", "goes")), simnode.NewPod(template("shop", "late"))
	s, _ := n.open([]*corev1.Pod{stays, goes, late}, every(3*interval))
	c := newMetronome(t, s)
	faults := func() map[string]float64 {
		got := make(map[string]float64)
		for i := range c.last.Samples {
			x := &c.last.Samples[i]
			if name := x.Series.Metric.Name; name == "memory_usage" || name == "memory_page_faults_delta" && attributeOf(x.Series, keyKind) == "total" {
				got[attributeOf(x.Series, keyName)+" "+name] = x.Float()
			}
		}
		return got
	}
	c.tick()
	n.count(podPath(stays), 2)
	n.count(podPath(goes), 3)
	want := []map[string]float64{
		1: {},
		2: {"goes memory_usage": 4096, "goes memory_page_faults_delta": 21},
		3: {"web memory_usage": 4096, "web memory_page_faults_delta": 35},
		4: {},
	}
	for i := 1; i < len(want); i++ {
		switch i {
		case 2:
			n.remove(podPath(goes))
		case 3:
			n.count(podPath(stays), 5)
		case 4:
			n.count(podPath(late), 1)
		}
		c.tick()
		if diff := cmp.Diff(want[i], faults()); diff != "" {
			t.Errorf("tick %d: -want +got\n%s", i, diff)
		}
	}
	last := new(measure.Batch)
	last.Reset(interval, c.end, c.end.Add(time.Second))
	last.Last = true
	n.count(podPath(stays), 6)
	n.count(podPath(late), 4)
	if err := s.Poll(t.Context(), last); err != nil {
		t.Error(err)
	}
	c.last = last
	if diff := cmp.Diff(map[string]float64{
		"web memory_usage": 4096, "web memory_page_faults_delta": 7, "late memory_usage": 4096, "late memory_page_faults_delta": 28,
	}, faults()); diff != "" {
		t.Errorf("last batch: -want +got\n%s", diff)
	}
}
