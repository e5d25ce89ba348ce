package k8s

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// O1: what was counted before a pod has its name is told for the time in which it was
// counted, not for the window in which it is told, CPU time as all else, to the tick.
func TestWindowOfALateName(t *testing.T) {
	for _, tt := range []struct {
		name    string
		seen    func(c *metronome, begin func()) // until the pod was read for the first time
		counted float64
		windows time.Duration
	}{
		{"read in the first tick", func(c *metronome, begin func()) { begin(); c.tick() }, 2, 2},
		{"read before the first tick", func(c *metronome, begin func()) { begin(); c.catchUp(); c.tick() }, 2, 2},
		{"born between two ticks", func(c *metronome, begin func()) { c.tick(); begin(); c.catchUp(); c.tick() }, 3, 3},
		{"read before the first tick, which has a window, as after a reload", func(c *metronome, begin func()) {
			c.last = new(measure.Batch)
			begin()
			c.catchUp()
			c.tick()
		}, 2, 3},
	} {
		for _, version := range []string{"v1", "v2"} {
			t.Run(tt.name+", "+version, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, p := newPlainNode(t, version), webPod()
					s, _ := n.open(nil)
					time.Sleep(time.Millisecond) // the list is older than the pod
					c := newMetronome(t, s)
					time.Sleep(3 * time.Millisecond) // readings are later than their ticks
					tt.seen(c, func() { n.count(podPath(p), 1, "254:0") })
					time.Sleep(interval)
					c.tick()
					time.Sleep(interval)
					s.know(p)
					n.count(podPath(p), 3, "254:0")
					want := detailsOf(version, false, tt.counted, "vda")
					if version == "v2" && tt.counted == 3 { // it had counted before it was first seen, be it where it may
						delete(want, "cpu_package_time_delta 0")
					}
					c.want("named", want)
					all := told(c.last)
					if want := 3000 * tt.counted; all["cpu_time_delta total"] != want {
						t.Errorf("%v ns of CPU time, want %v", all["cpu_time_delta total"], want)
					}
					for i := range c.last.Samples {
						x := &c.last.Samples[i]
						if got := c.last.End.Sub(c.last.StartOf(x)); x.Series.Metric.Kind == measure.Delta && got != tt.windows*interval {
							t.Errorf("%s %s covers %v, want %v", x.Series.Metric.Name, attributeOf(x.Series, keyKind), got, tt.windows*interval)
						}
					}
				})
			})
		}
	}
}
