package plugin

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/podjoule/podjoule/agent/measure"
)

// ErrReplaced is the cause (context.Cause) for which the context of a Run ends when a
// reload has opened the plugin anew. The Run of the new one begins when this one is over,
// so that an output can leave to it what is still to be delivered.
var ErrReplaced = errors.New("the plugin is replaced")

// Host is what a plugin gets from the host when it is opened.
type Host struct {
	// SysfsRoot and ProcfsRoot are where the node's /sys and /proc are seen.
	SysfsRoot, ProcfsRoot string
	// Version is the agent's version.
	Version string
	// Metrics are the metrics of all enabled plugins, in pipeline order.
	Metrics []*measure.Metric
	// Meter makes the instruments in which the plugin counts its own work.
	Meter metric.Meter
	// Self gathers the agent's own metrics for a Prometheus page.
	Self prometheus.Gatherer
	// SelfReader collects the same metrics, as totals since the start, for an OTLP request
	// or a page that is written without Self; without it there are none, or Self alone.
	SelfReader sdkmetric.Reader
	// Handle serves a page on the host's listener. It fails when the path is
	// taken or when the agent has no listener.
	Handle func(page Page) error
	// Replaces is what Open returned for the same plugin under the configuration before,
	// or nil. It works on meanwhile: until the new one is called for the first time, or for
	// good where another plugin cannot be opened, and then the new one is closed. See
	// ErrReplaced.
	Replaces any
	// Stdout is the standard output.
	Stdout io.Writer
	// Dial connects to servers; nil is as usual. With it a server can be in
	// memory.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Page is a page on the host's listener, linked from its landing page.
type Page struct {
	// Path is an absolute path, such as "/metrics".
	Path string
	// Doc says in a few words what a visitor finds there.
	Doc     string
	Handler http.Handler
}
