package otlp

import (
	"fmt"
	"testing"

	"github.com/podjoule/podjoule/agent/measure"
)

// BenchmarkRequest builds and encodes the request of one tick of a full node:
// 110 pods with 11 samples each.
func BenchmarkRequest(b *testing.B) {
	metrics := []*measure.Metric{cpuTime, cpuPercent, podEnergy}
	batch := tick(0)
	for pod := range 110 {
		for _, m := range metrics {
			for _, kind := range []string{"system", "total", "user"} {
				batch.Uint(ofPod(m, fmt.Sprint(pod), "kind", kind), 123_456_789)
			}
		}
		batch.Uint(ofPod(memoryUsage, fmt.Sprint(pod)), 123_456_789)
		batch.Uint(ofPod(pids, fmt.Sprint(pod)), 12)
	}
	for _, identity := range []string{Both, Resource, Point} {
		b.Run(identity, func(b *testing.B) {
			x := newBuild(Cumulative, identity)
			b.ReportAllocs()
			bytes := 0
			for b.Loop() {
				md, err := x.build(batch, noSelf())
				if err != nil {
					b.Fatal(err)
				}
				requests, err := encode(md, maxRequest)
				if err != nil || len(requests) != 1 {
					b.Fatalf("got %d requests and error %v", len(requests), err)
				}
				bytes = len(requests[0].body)
			}
			b.ReportMetric(float64(bytes), "B/request")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(batch.Samples)), "ns/point")
		})
	}
}
