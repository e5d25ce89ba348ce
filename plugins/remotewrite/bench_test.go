package remotewrite

import (
	"strconv"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/measure"
)

// BenchmarkRequests makes the requests of a tick: 110 pods of 11 series.
func BenchmarkRequests(b *testing.B) {
	n := newNode()
	families, err := family.New(n.metrics(), nil)
	if err != nil {
		b.Fatal(err)
	}
	s := newState(families, map[string]string{"instance": "n1", "job": "podjoule"})
	e := newEncoder(Version2)
	var made measure.Batch
	made.Reset(time.Second, tick.Add(-time.Second), tick)
	for i := range 110 * 11 {
		made.Uint(&measure.Series{Metric: n.cpu, Resource: measure.Resource{Kind: measure.LocalMachine},
			Attributes: []measure.Attribute{{Key: "name", Value: "pod-" + strconv.Itoa(i)}, {Key: "uid", Value: strconv.Itoa(i)}}}, 1)
	}
	size := 0
	b.ReportAllocs()
	for b.Loop() {
		made.End = made.End.Add(time.Second)
		points, err := s.take(&made)
		if err != nil {
			b.Fatal(err)
		}
		size = 0
		for _, r := range e.requests(points, made.End) {
			size += len(r.Body)
		}
	}
	b.ReportMetric(float64(size), "bytes/tick")
}
