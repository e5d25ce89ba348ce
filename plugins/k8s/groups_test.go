package k8s

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

// With one group on, its metrics are declared and measured, and none of another; with
// the default, nothing is kept for the others, and CSV has no column more.
func TestGroupsThatAreOff(t *testing.T) {
	byGroup := make(map[string][]string)
	for _, version := range []string{"v1", "v2"} {
		for _, group := range metricGroups() {
			n, p := newPlainNode(t, version), webPod()
			n.count(podPath(p), 10, "254:0")
			s, _ := n.open([]*corev1.Pod{p}, func(c *Config) { c.MetricGroups = []string{group} })
			c := newMetronome(t, s)
			c.tick()
			c.tick()
			declared := groupMetrics(group)
			byGroup[group] = declared
			for _, x := range samples(c.last) {
				if !slices.Contains(declared, x.metric) {
					t.Errorf("%s, %s: %s is emitted", version, group, x.metric)
				}
			}
			if len(c.last.Samples) == 0 && !(version == "v1" && group == groupPressure) {
				t.Errorf("%s, %s: nothing is emitted", version, group)
			}
		}
	}
	seen := make(map[string]string)
	for group, names := range byGroup {
		if len(names) == 0 {
			t.Errorf("%s declares nothing", group)
		}
		for _, name := range names {
			if seen[name] != "" {
				t.Errorf("%s is in %s and in %s", name, group, seen[name])
			}
			seen[name] = group
		}
	}
	c := defaults()
	keys := make(map[string]bool)
	for _, m := range c.Metrics() {
		if group := seen[m.Name]; group != groupCPU && group != groupMemory {
			t.Errorf("by default, %s is declared", m.Name)
		}
		for _, key := range m.Attributes {
			keys[key] = true
		}
	}
	if diff := cmp.Diff([]string{keyKind, keyName, keyNamespace, keyNode, keyUID}, slices.Sorted(maps.Keys(keys))); diff != "" {
		t.Errorf("attributes by default: -want +got\n%s", diff)
	}
	tree, p, _ := onePod(t, simnode.V2)
	s, _ := offline(t, tree.Root(), p)
	now := time.Now()
	pollAt(t, s, now, now)
	if x := s.targets[0]; x.details != nil || x.series.details != nil || x.packages != nil || x.pod.requests != nil || s.sockets != nil {
		t.Error("by default, something is kept for the groups that are off")
	}
}

func groupMetrics(group string) (names []string) {
	c := defaults()
	c.MetricGroups = []string{group}
	for _, m := range c.Metrics() {
		names = append(names, m.Name)
	}
	return names
}
