package k8s

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

// Series of devices respect the ceiling: what finds no room is said, counted once, and
// loses nothing.
func TestCeilingHoldsForDevices(t *testing.T) {
	n, p := newPlainNode(t, "v2"), webPod()
	other := simnode.NewPod(template("shop", "other"))
	io := func(c *Config) { c.MetricGroups, c.MaxSeries = []string{"io"}, 2*deviceCounters }
	n.count(podPath(p), 1, "254:0")
	n.count(podPath(other), 1, "8:0")
	s, host := n.open([]*corev1.Pod{p, other}, io)
	c := newMetronome(t, s)
	c.tick()
	for i := range 3 {
		n.count(podPath(p), i+2, "254:0", "8:0")
		c.tick()
		if s.ceiling.live != 2*deviceCounters || len(c.last.Samples) != 2*deviceCounters {
			t.Errorf("%d series live, %d samples, want %d", s.ceiling.live, len(c.last.Samples), 2*deviceCounters)
		}
	}
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "4 series of 1 pods are not shown") {
		t.Errorf("Ready: %v, want the ceiling", err)
	}
	if got := host.Counter(t, "podjoule.k8s.series_refused"); got != deviceCounters {
		t.Errorf("%d series refused, want %d", got, deviceCounters)
	}
	n.remove(podPath(other))
	c.tick()
	n.count(podPath(p), 5, "254:0", "8:0")
	want := make(map[string]float64)
	for name, v := range detailsOf("v2", false, 1, "vda") {
		if strings.HasPrefix(name, "io_") && !strings.Contains(name, "pressure") {
			want[name] = v
			want[strings.Replace(name, "vda", "8:0", 1)] = 5 * v // all since it came
		}
	}
	c.want("with room", want)
	if err := s.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
}

// Two devices with one name, as when a disk was replaced, are told apart.
func TestDevicesOfOneName(t *testing.T) {
	n, p := newPlainNode(t, "v2"), webPod()
	if err := os.Symlink("../../devices/virtual/block/vda", filepath.Join(n.sysfs, "dev/block/259:3")); err != nil {
		t.Fatal(err)
	}
	n.count(podPath(p), 1, "254:0", "259:3")
	s, _ := n.open([]*corev1.Pod{p})
	c := newMetronome(t, s)
	c.tick()
	n.count(podPath(p), 2, "254:0", "259:3")
	c.want("replaced", detailsOf("v2", false, 1, "vda", "259:3"))
}

// Series of devices survive a change of the pod's attributes, each with its counts.
func TestDevicesUnderAnotherLabel(t *testing.T) {
	n, p := newPlainNode(t, "v2"), webPod()
	n.count(podPath(p), 1, "254:0", "8:0")
	s, _ := n.open([]*corev1.Pod{p}, func(c *Config) { c.Attributes = []string{"label:app"} })
	c := newMetronome(t, s)
	c.tick()
	for i, label := range []string{"one", "two"} {
		p.Labels = map[string]string{"app": label}
		s.discovery.replace(chosenPodsOf(node, &s.chosen, []corev1.Pod{*p}), time.Now())
		n.count(podPath(p), i+2, "254:0", "8:0")
		c.want(label, detailsOf("v2", false, 1, "vda", "8:0"))
		if n := len(c.last.Ended); n == 0 || s.ceiling.live != n {
			t.Errorf("%d series ended, %d live", n, s.ceiling.live)
		}
		for j := range c.last.Samples {
			if got := attributeOf(c.last.Samples[j].Series, "label:app"); got != label {
				t.Errorf("%s has the label %q", c.last.Samples[j].Series.Metric.Name, got)
			}
		}
	}
}

// A pod that was read before it has a name is shown with its devices, or not at all.
func TestCeilingKnowsDevices(t *testing.T) {
	n, p := newPlainNode(t, "v2"), webPod()
	other := simnode.NewPod(template("shop", "other"))
	n.count(podPath(p), 1, "254:0")
	n.count(podPath(other), 1, "254:0")
	const each = 2 + deviceCounters
	s, _ := n.open([]*corev1.Pod{p}, func(c *Config) { c.MetricGroups, c.MaxSeries = []string{"io", "pids"}, 2*each-1 })
	c := newMetronome(t, s)
	c.tick()
	if len(s.targets) != 2 || s.ceiling.live != each {
		t.Fatalf("%d pods, %d series live, want 2 and %d", len(s.targets), s.ceiling.live, each)
	}
	s.know(p, other)
	c.tick()
	if s.ceiling.live != each {
		t.Errorf("%d series live, want %d", s.ceiling.live, each)
	}
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "6 series of 1 pods are not shown") {
		t.Errorf("Ready: %v, want the whole pod refused", err)
	}
}
