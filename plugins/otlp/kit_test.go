package otlp

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

var (
	cpuTime = &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
		Help: "CPU time used", Attributes: []string{"kind", "name", "namespace", "node", "uid"}}
	cpuPercent = &measure.Metric{Name: "cpu_percent", Unit: measure.Percent, Kind: measure.Gauge,
		Help: "CPU time used per time", Attributes: []string{"kind", "name", "namespace", "node", "uid"}}
	memoryUsage = &measure.Metric{Name: "memory_usage", Unit: measure.Byte, Kind: measure.Gauge,
		Help: "Memory in use", Attributes: []string{"name", "namespace", "node", "uid"}}
	containerCPU = &measure.Metric{Name: "container_cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
		Help:       "CPU time used by a container",
		Attributes: []string{"container", "container_id", "kind", "name", "namespace", "node", "uid"}}
	podEnergy = &measure.Metric{Name: "pod_energy", Unit: measure.Microjoule, Kind: measure.Delta,
		Help: "Energy used by a pod", Attributes: []string{"domain", "name", "namespace", "node", "uid"}}
	raplEnergy = &measure.Metric{Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta,
		Help: "Energy measured", Attributes: []string{"domain"}}
	pids = &measure.Metric{Name: "pids", Unit: measure.One, Kind: measure.Gauge,
		Help: "Processes", Attributes: []string{"name", "namespace", "node", "uid"}}

	allMetrics = []*measure.Metric{cpuTime, cpuPercent, memoryUsage, containerCPU, podEnergy, raplEnergy, pids}
)

// start is when the first window of the tests begins.
var start = time.Date(2030, 1, 2, 3, 4, 5, 6, time.UTC)

// ofPod makes a series of a pod; more are keys and values, all before "name".
func ofPod(m *measure.Metric, pod string, more ...string) *measure.Series {
	s := &measure.Series{
		Metric:   m,
		Resource: measure.Resource{Kind: measure.LocalMachine},
		Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods.slice/pod" + pod},
	}
	for i := 0; i < len(more); i += 2 {
		s.Attributes = append(s.Attributes, measure.Attribute{Key: more[i], Value: more[i+1]})
	}
	s.Attributes = append(s.Attributes,
		measure.Attribute{Key: "name", Value: "pod-" + pod},
		measure.Attribute{Key: "namespace", Value: "default"},
		measure.Attribute{Key: "node", Value: "node-1"},
		measure.Attribute{Key: "uid", Value: "uid-" + pod},
	)
	return s
}

// ofPackage makes a series of energy of a CPU package.
func ofPackage(id string) *measure.Series {
	return &measure.Series{
		Metric:     raplEnergy,
		Resource:   measure.Resource{Kind: "cpu_package", ID: id},
		Consumer:   measure.Consumer{Kind: measure.LocalMachine},
		Attributes: []measure.Attribute{{Key: "domain", Value: "package"}},
	}
}

// tick makes the batch of the n-th window of 5 s.
func tick(n int) *measure.Batch {
	const interval = 5 * time.Second
	b := new(measure.Batch)
	from := start.Add(time.Duration(n) * interval)
	b.Reset(interval, from, from.Add(interval))
	return b
}

// count makes the n-th batch, with n+1 as the value of one series.
func count(s *measure.Series, n int) *measure.Batch {
	b := tick(n)
	b.Uint(s, uint64(n+1))
	return b
}

// defaults is the configuration without any key, and without gaps.
func defaults() *Config {
	s, err := Plugin().Config().(*Config).settings(unset)
	if err != nil {
		panic(err)
	}
	return &s.Config
}

// unset is an empty environment.
func unset(string) (string, bool) { return "", false }

// newBuild makes a builder as a configuration wants it.
func newBuild(temporality, identity string) *builder {
	c := defaults()
	c.Temporality, c.Identity = temporality, identity
	return newBuilder(c, "1.2.3", "agent-1")
}

// build makes one request of a batch, of any size, and decodes it.
func (x *builder) build(b *measure.Batch, self pmetric.ScopeMetricsSlice) (pmetric.Metrics, error) {
	requests, err := x.requests(b, self, math.MaxInt)
	if len(requests) == 0 {
		return pmetric.NewMetrics(), err
	}
	md, bad := new(pmetric.ProtoUnmarshaler).UnmarshalMetrics(requests[0].body)
	return md, errors.Join(err, bad)
}

func noSelf() pmetric.ScopeMetricsSlice { return pmetric.NewScopeMetricsSlice() }

// eachPoint calls f for every number point of a request.
func eachPoint(md pmetric.Metrics, f func(rm pmetric.ResourceMetrics, m pmetric.Metric, p pmetric.NumberDataPoint)) {
	for _, rm := range md.ResourceMetrics().All() {
		for _, sm := range rm.ScopeMetrics().All() {
			for _, m := range sm.Metrics().All() {
				points := pmetric.NewNumberDataPointSlice()
				switch m.Type() {
				case pmetric.MetricTypeGauge:
					points = m.Gauge().DataPoints()
				case pmetric.MetricTypeSum:
					points = m.Sum().DataPoints()
				}
				for _, p := range points.All() {
					f(rm, m, p)
				}
			}
		}
	}
}

// values returns the integer values of a request, in order.
func values(md pmetric.Metrics) (got []int64) {
	eachPoint(md, func(_ pmetric.ResourceMetrics, _ pmetric.Metric, p pmetric.NumberDataPoint) {
		got = append(got, p.IntValue())
	})
	return got
}

// decode reads an encoded request.
func decode(t testing.TB, body []byte) pmetric.Metrics {
	t.Helper()
	r := pmetricotlp.NewExportRequest()
	if err := r.UnmarshalProto(body); err != nil {
		t.Fatalf("decode a request: %v", err)
	}
	return r.Metrics()
}

// receiver keeps what it is sent and answers as a test wants.
type receiver struct {
	pmetricotlp.UnimplementedGRPCServer
	// answer decides about the n-th attempt, from 0; nil takes all.
	answer func(n int) (pmetricotlp.ExportResponse, error)

	mu       sync.Mutex
	attempts int
	got      []pmetric.Metrics
}

// Export makes the receiver a gRPC server.
func (r *receiver) Export(_ context.Context, request pmetricotlp.ExportRequest) (pmetricotlp.ExportResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.attempts
	r.attempts++
	reply := pmetricotlp.NewExportResponse()
	if r.answer != nil {
		var err error
		if reply, err = r.answer(n); err != nil {
			return reply, err
		}
	}
	kept := pmetric.NewMetrics()
	request.Metrics().CopyTo(kept)
	r.got = append(r.got, kept)
	return reply, nil
}

// values returns the values of each request that was taken.
func (r *receiver) values() (got [][]int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, md := range r.got {
		got = append(got, values(md))
	}
	return got
}

func (r *receiver) tries() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.attempts
}

// script is a client that answers as a test wants.
type script func(ctx context.Context, request []byte) (answer, error)

func (s script) export(ctx context.Context, request []byte) (answer, error) { return s(ctx, request) }
func (script) Close() error                                                 { return nil }

// open makes an output over a client, without the agent's own metrics.
func open(t testing.TB, c *Config, over client) (*output, *plugintest.Host) {
	t.Helper()
	host := plugintest.NewHost(t, allMetrics...)
	quiet := *host.Host
	quiet.SelfReader = nil
	o, err := newOutput(c, &quiet, endpoint{host: "collector:4317"}, over)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o, host
}

// write gives batches to an output, which must take them.
func write(t testing.TB, o plugin.Output, batches ...*measure.Batch) {
	t.Helper()
	for _, b := range batches {
		if err := o.Write(t.Context(), b); err != nil {
			t.Fatalf("write: %v", err)
		}
	}
}

// run starts Run; end ends its context and returns what it returned.
func run(t testing.TB, o plugin.Runner) (end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	end = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = end() })
	return end
}

var errDown = errors.New("collector is down")

// pass lets time pass in the bubble of a test, and all that was due happen.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
