package k8s

import (
	"slices"
	"testing"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// BenchmarkBirth makes a pod's cgroup and waits until its baseline is taken. It
// reports how long that takes, the making included, in the median and in the worst
// case but one in a hundred.
func BenchmarkBirth(b *testing.B) {
	api, url := newAPI(b)
	n := newNursery(b, api)
	s, _ := start(b, func(c *Config) { c.APIURL, c.CgroupRoot = url, n.root })
	eventually(b, "the first look", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return !s.looked.IsZero() })
	var took []time.Duration
	for b.Loop() {
		path := n.kubepods + "/pod" + string(simnode.NewPod(template("shop", "web")).UID)
		began := time.Now()
		n.machine.Make(path)
		eventually(b, "the baseline", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return len(s.targets) == 1 && s.targets[0].glanced
		})
		took = append(took, time.Since(began))
		n.machine.Remove(path)
		eventually(b, "the end", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.endings == 0 {
				return false
			}
			s.targets, s.endings = s.targets[:0], 0
			return true
		})
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1e3, "ms/birth")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "ms/birth-p99")
}
