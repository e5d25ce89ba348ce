package otlp

import (
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"google.golang.org/grpc"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

// TestLoopback opens the output as the host does, sends some ticks to a real
// server and ends: everything arrives, with the agent's own metrics.
func TestLoopback(t *testing.T) {
	for _, protocol := range []string{GRPC, HTTP} {
		t.Run(protocol, func(t *testing.T) {
			r := new(receiver)
			c := defaults()
			c.Protocol, c.Temporality = protocol, Cumulative
			if protocol == GRPC {
				s := grpc.NewServer()
				pmetricotlp.RegisterGRPCServer(s, r)
				c.Endpoint = listenGRPC(t, s)
			} else {
				s := httptest.NewServer(r)
				t.Cleanup(s.Close)
				c.Endpoint = s.URL
			}
			if err := c.Validate(); err != nil {
				t.Fatal(err)
			}
			host := plugintest.NewHost(t, allMetrics...)
			opened, err := c.Open(t.Context(), host.Host)
			if err != nil {
				t.Fatal(err)
			}
			o := opened.(*output)
			end := run(t, o)
			s := ofPod(cpuTime, "a")
			write(t, o, count(s, 0), count(s, 1), count(s, 2))
			if err := end(); err != nil {
				t.Errorf("Run returned %v", err)
			}
			if err := o.Ready(); err != nil {
				t.Errorf("Ready is %v", err)
			}
			if err := o.Close(); err != nil {
				t.Errorf("Close returned %v", err)
			}
			var got []int64
			own := make(map[int]bool)
			for i, md := range r.got {
				eachPoint(md, func(_ pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint) {
					switch m.Name() {
					case "cpu_time":
						got = append(got, p.IntValue())
					case "podjoule.otlp.queue.bytes":
						own[i] = true
					}
				})
			}
			if diff := cmp.Diff([]int64{1, 3, 6}, got); diff != "" {
				t.Errorf("received (-want +got):\n%s", diff)
			}
			if len(own) != 3 {
				t.Errorf("%d requests have the agent's own metrics, want all 3", len(own))
			}
		})
	}
}
