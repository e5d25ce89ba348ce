package remotewrite

import (
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// BenchmarkPoints is what a point of a full node costs: encoded, and compressed too, as it
// waits and is sent.
func BenchmarkPoints(b *testing.B) {
	for _, version := range []string{Version1, Version2} {
		b.Run("remotewrite="+version, func(b *testing.B) {
			n := plugintest.NewNode()
			families, err := family.New(n.Metrics, nil)
			if err != nil {
				b.Fatal(err)
			}
			s, e := newState(families, map[string]string{"instance": plugintest.NodeName, "job": "podjoule"}), newEncoder(version)
			batch := n.Tick()
			take := func() []point {
				batch.End = batch.End.Add(5 * time.Second) // a receiver takes one value for one time
				points, err := s.take(batch)
				if err != nil || len(points) != plugintest.NodePoints {
					b.Fatalf("%d points, error %v", len(points), err)
				}
				return points
			}
			for range int(time.Hour / (5 * time.Second)) {
				batch = n.Tick()
				if _, err := s.take(batch); err != nil {
					b.Fatal(err)
				}
			}
			var plain, packed int
			turns := cgrouptest.InTurns(b, func() {
				points := take()
				if version == Version1 {
					plain = len(e.request1(points, batch.End))
				} else {
					plain = len(e.request2(points))
				}
			}, func() {
				packed = 0
				for _, r := range e.requests(take(), batch.End) {
					packed += len(r.Body)
				}
			})
			b.ReportMetric(float64(turns.Ours)/plugintest.NodePoints, "ns/point")
			b.ReportMetric(float64(turns.Theirs)/plugintest.NodePoints, "ns/point-packed")
			b.ReportMetric(float64(plain)/plugintest.NodePoints, "B/point")
			b.ReportMetric(float64(packed)/plugintest.NodePoints, "B/point-packed")
		})
	}
}
