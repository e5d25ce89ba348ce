package otlp

import (
	"fmt"
	"testing"

	"github.com/podjoule/podjoule/agent/measure"
)

// BenchmarkRequest builds and encodes the request of one tick of a full node: 110
// pods with 11 samples each, of which all are known, or a pod has just come or gone. Known
// ones are to take 1 µs a point at most, before compression.
func BenchmarkRequest(b *testing.B) {
	batch := fullNode()
	for _, identity := range []string{Both, Resource, Point} {
		for name, known := range map[string]bool{"": true, "_new": false} {
			b.Run(identity+name, func(b *testing.B) {
				x := newBuild(Cumulative, identity)
				b.ReportAllocs()
				bytes := 0
				for b.Loop() {
					if !known {
						clear(x.frames)
					}
					requests, err := x.requests(batch, noSelf(), maxRequest)
					if err != nil || len(requests) != 1 {
						b.Fatalf("got %d requests and error %v", len(requests), err)
					}
					bytes = len(requests[0].body)
				}
				b.ReportMetric(float64(bytes), "B/request")
				b.ReportMetric(float64(bytes)/float64(len(batch.Samples)), "B/point")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Samples)), "ns/point")
			})
		}
	}
}

// fullNode is the batch of a tick of 110 pods.
func fullNode() *measure.Batch {
	batch := tick(0)
	for pod := range 110 {
		for _, m := range []*measure.Metric{cpuTime, cpuPercent, podEnergy} {
			for _, kind := range []string{"system", "total", "user"} {
				batch.Uint(ofPod(m, fmt.Sprint(pod), "kind", kind), 123_456_789)
			}
		}
		batch.Uint(ofPod(memoryUsage, fmt.Sprint(pod)), 123_456_789)
		batch.Uint(ofPod(pids, fmt.Sprint(pod)), 12)
	}
	return batch
}
