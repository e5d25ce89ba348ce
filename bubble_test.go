package main

import (
	"context"
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/otlp"
)

// inMemory is an output for a host in a bubble of simulated time: its server is on a wire,
// its page on a mux, and what it counts can be read.
type inMemory struct {
	plugin.Config
	wire *plugintest.Wire
	mux  *http.ServeMux
	// reader has what the output counts, apart from others of the same kind.
	reader *sdkmetric.ManualReader
	// self lets the output have the agent's own metrics.
	self bool

	opened any
	agents *plugin.Host
}

// Open implements plugin.Config.
func (m *inMemory) Open(ctx context.Context, host *plugin.Host) (any, error) {
	m.agents = host
	h := *host
	if m.wire != nil {
		h.Dial = m.wire.Dial
	}
	h.Meter = sdkmetric.NewMeterProvider(sdkmetric.WithReader(m.reader)).Meter("test")
	h.Handle = func(p plugin.Page) error {
		m.mux.Handle(p.Path, p.Handler)
		return nil
	}
	if !m.self {
		h.SelfReader = nil
	}
	var err error
	m.opened, err = m.Config.Open(ctx, &h)
	return m.opened, err
}

// ready is what the output tells of itself.
func (m *inMemory) ready() error { return m.opened.(plugin.Readier).Ready() }

// counted returns the sum of a counter of the output.
func (m *inMemory) counted(t testing.TB, name string) int { return sumOf(t, m.reader, name, "") }

// ofAgent returns the sum of a counter of the agent, of one plugin or of all.
func (m *inMemory) ofAgent(t testing.TB, name, plugin string) int {
	return sumOf(t, m.agents.SelfReader, name, plugin)
}

func sumOf(t testing.TB, reader sdkmetric.Reader, name, plugin string) int {
	t.Helper()
	var rm metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &rm); err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			var points []metricdata.DataPoint[int64]
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				points = data.DataPoints
			case metricdata.Gauge[int64]:
				points = data.DataPoints
			}
			for _, p := range points {
				if of, ok := p.Attributes.Value("plugin"); plugin == "" || ok && of.AsString() == plugin {
					sum += p.Value
				}
			}
		}
	}
	return int(sum)
}

// newInMemory wraps an output's configuration, which must be valid.
func newInMemory(t testing.TB, c plugin.Config) *inMemory {
	t.Helper()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return &inMemory{Config: c, wire: plugintest.NewWire(), mux: http.NewServeMux(), reader: sdkmetric.NewManualReader()}
}

// pushed is an OTLP output's configuration.
func pushed(protocol, endpoint string) *otlp.Config {
	c := otlp.Plugin().Config().(*otlp.Config)
	c.Protocol, c.Endpoint = protocol, endpoint
	return c
}

// enabled puts the output into a configuration under a name.
func (m *inMemory) enabled(name string) agent.Enabled {
	return agent.Enabled{Plugin: plugin.Plugin{Name: name, Role: plugin.RoleOutput}, Config: m}
}

// page is what a scraper gets.
func (m *inMemory) page(path string) string {
	answer := httptest.NewRecorder()
	m.mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
	return answer.Body.String()
}

// serveHTTP has a handler answer on the output's wire, with TLS where there is a
// configuration for it.
func (m *inMemory) serveHTTP(t testing.TB, handler http.HandlerFunc, secure *tls.Config) {
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Hour, ErrorLog: log.New(io.Discard, "", 0), TLSConfig: secure.Clone()}
	go func() {
		if secure != nil {
			_ = s.ServeTLS(m.wire, "", "")
			return
		}
		_ = s.Serve(m.wire)
	}()
	t.Cleanup(func() { _ = s.Close() })
}

// serveGRPC has a receiver answer on the output's wire.
func (m *inMemory) serveGRPC(t testing.TB, r *receiver, secure *tls.Config) {
	var options []grpc.ServerOption
	if secure != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(secure)))
	}
	s := grpc.NewServer(options...)
	pmetricotlp.RegisterGRPCServer(s, r)
	go func() { _ = s.Serve(m.wire) }()
	t.Cleanup(s.Stop)
}

// scripted is a source for tests.
type scripted struct {
	interval time.Duration
	metrics  []*measure.Metric
	poll     func(*measure.Batch)
	mu       sync.Mutex // polls, and looks at what they changed
}

// Poll implements plugin.Source.
func (s *scripted) Poll(_ context.Context, b *measure.Batch) error {
	s.look(func() { s.poll(b) })
	return nil
}

// look calls f while no poll is under way.
func (s *scripted) look(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Validate, Open, PollInterval and Metrics implement plugin.Poller.
func (s *scripted) Validate() error                                 { return nil }
func (s *scripted) Open(context.Context, *plugin.Host) (any, error) { return s, nil }
func (s *scripted) PollInterval() time.Duration                     { return s.interval }
func (s *scripted) Metrics() []*measure.Metric                      { return s.metrics }
func (s *scripted) enabled() agent.Enabled {
	return agent.Enabled{Plugin: plugin.Plugin{Name: "scripted", Role: plugin.RoleSource, Metrics: s.metrics}, Config: s}
}

// scriptedMetrics are a counter and a gauge, whose values are plain numbers.
func scriptedMetrics() (work, level *measure.Metric) {
	return &measure.Metric{Name: "work_delta", Kind: measure.Delta, Help: "Work done", Attributes: []string{"uid"}},
		&measure.Metric{Name: "level", Help: "Level", Attributes: []string{"uid"}}
}

// seriesOf makes a series of one pod.
func seriesOf(m *measure.Metric, uid string) *measure.Series {
	return &measure.Series{Metric: m, Resource: measure.Resource{Kind: measure.LocalMachine},
		Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods/pod" + uid}, Attributes: []measure.Attribute{{Key: "uid", Value: uid}}}
}

// startAgent runs the host with plugins until the function that it returns is called.
func startAgent(t testing.TB, plugins ...agent.Enabled) (stop func() error) {
	cfg := &agent.Config{Agent: agent.DefaultSettings(), Plugins: plugins}
	cfg.Agent.Listen = ""
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- agent.Run(ctx, cfg, agent.RunOptions{Version: "test"}) }()
	return func() error {
		cancel()
		return <-ended
	}
}
