package otlp

import (
	"bytes"
	"strings"
	"testing"

	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// ticks are an hour of windows of 5 s.
const ticks = 720

// measuredNode returns a builder that has sent an hour of a full node, and the last batch.
func measuredNode(b *testing.B, temporality, identity string) (*builder, *measure.Batch) {
	b.Helper()
	n, x := plugintest.NewNode(), newBuild(temporality, identity)
	var batch *measure.Batch
	for range ticks {
		batch = n.Tick()
		encode(b, x, batch)
	}
	return x, batch
}

// encode makes the request of a batch, before compression.
func encode(b *testing.B, x *builder, batch *measure.Batch) []byte {
	requests, err := x.requests(batch, noSelf(), maxRequest)
	if err != nil || len(requests) != 1 || requests[0].points != plugintest.NodePoints {
		b.Fatalf("got %d requests and error %v", len(requests), err)
	}
	return requests[0].body
}

// BenchmarkPoints is what a point of a full node costs, with the default identity: encoded,
// as it is written, and compressed too, as it is sent. Both protocols send the same. It is
// held against what encoding alone takes pdata, of metrics that are made already: where all
// series are known, and where a pod has just come or gone, and all is encoded anew.
func BenchmarkPoints(b *testing.B) {
	for _, temporality := range []string{Delta, Cumulative} {
		x, batch := measuredNode(b, temporality, Both)
		b.Run("otlp="+temporality, func(b *testing.B) {
			zip := newZipper()
			var packed bytes.Buffer
			var body []byte
			turns := cgrouptest.InTurns(b, func() { body = encode(b, x, batch) }, func() {
				packed.Reset()
				if err := zip.Do(&packed, encode(b, x, batch)); err != nil {
					b.Fatal(err)
				}
			})
			b.ReportMetric(float64(turns.Ours)/plugintest.NodePoints, "ns/point")
			b.ReportMetric(float64(turns.Theirs)/plugintest.NodePoints, "ns/point-packed")
			b.ReportMetric(float64(len(body))/plugintest.NodePoints, "B/point")
			b.ReportMetric(float64(packed.Len())/plugintest.NodePoints, "B/point-packed")
		})
		metrics := decode(b, encode(b, x, batch))
		pdata := func() {
			if _, err := new(pmetric.ProtoMarshaler).MarshalMetrics(metrics); err != nil {
				b.Fatal(err)
			}
		}
		for name, known := range map[string]bool{"known": true, "new": false} {
			b.Run(name+"="+temporality, func(b *testing.B) {
				turns := cgrouptest.InTurns(b, func() {
					if !known {
						clear(x.frames)
					}
					encode(b, x, batch)
				}, pdata)
				b.ReportMetric(1/turns.Ratio, "x-pdata")
				b.ReportMetric(float64(turns.Ours)/plugintest.NodePoints, "ns/point")
			})
		}
	}
}

// BenchmarkSent is what a point takes on the wire, with headers and frames. The time is that
// of both ends.
func BenchmarkSent(b *testing.B) {
	for _, protocol := range []string{GRPC, HTTP} {
		b.Run(strings.ReplaceAll(protocol, "/", "-"), func(b *testing.B) {
			r := new(receiver)
			c, w := serve(b, protocol, r)
			w.Spoil(nil)
			x, batch := measuredNode(b, Delta, Both)
			send := func() {
				if a, err := c.export(b.Context(), encode(b, x, batch)); err != nil || a.rejected > 0 {
					b.Fatal(a, err)
				}
				r.mu.Lock()
				r.got = nil
				r.mu.Unlock()
			}
			send() // and connects
			from := w.Sent()
			for b.Loop() {
				send()
			}
			b.ReportMetric(float64(w.Sent()-from)/float64(b.N*plugintest.NodePoints), "B/point-sent")
		})
	}
}

// BenchmarkRequest builds and encodes the request of one tick of a full node with each
// identity.
func BenchmarkRequest(b *testing.B) {
	for _, identity := range []string{Both, Resource, Point} {
		b.Run(identity, func(b *testing.B) {
			x, batch := measuredNode(b, Cumulative, identity)
			b.ReportAllocs()
			size := 0
			for b.Loop() {
				size = len(encode(b, x, batch))
			}
			b.ReportMetric(float64(size), "B/request")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*plugintest.NodePoints), "ns/point")
		})
	}
}
