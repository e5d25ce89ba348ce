// Package otlp is the output that pushes every batch to an OpenTelemetry
// receiver over OTLP, by gRPC or by HTTP.
//
// A batch becomes one request that waits in a bounded queue in memory, so that
// a receiver that is slow or down never holds up a tick:
//
//	Write: batch ▶ builder ▶ split ▶ queue ▶ Run: client ▶ receiver
package otlp

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Protocols.
const (
	// GRPC is OTLP over gRPC, usually on port 4317.
	GRPC = "grpc"
	// HTTP is OTLP over HTTP with binary protobuf, usually on port 4318.
	HTTP = "http/protobuf"
)

// Temporalities of what is counted.
const (
	// Delta sends what was counted in each window, as it was measured.
	Delta = "delta"
	// Cumulative sends running totals, for receivers that refuse deltas.
	Cumulative = "cumulative"
)

// Places of a pod's identity: uid, name, namespace and node.
const (
	// Both puts it on the resource and on the points.
	Both = "both"
	// Resource puts it on the resource alone, under the names of the
	// OpenTelemetry conventions.
	Resource = "resource"
	// Point puts it on the points alone; all of them share one resource.
	Point = "point"
)

// Config is the table [plugins.otlp].
type Config struct {
	// Protocol is GRPC or HTTP.
	Protocol string `toml:"protocol"`
	// Endpoint is the receiver's URL; http means plain text, https means TLS
	// with the system's certificate authorities. Empty means localhost with
	// the usual port of the protocol. With HTTP, /v1/metrics is appended unless
	// the path already ends so.
	Endpoint string `toml:"endpoint"`
	// Temporality is Delta or Cumulative.
	Temporality string `toml:"temporality"`
	// Identity is Both, Resource or Point.
	Identity string `toml:"identity"`
	// Timeout is how long one attempt to deliver a request may take.
	Timeout plugin.Duration `toml:"timeout"`
	// RenameAttributes gives attributes of points other names.
	RenameAttributes plugin.Renames `toml:"rename_attributes"`
}

// Plugin declares the otlp output.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name: "otlp",
		Doc:  "push every batch to an OpenTelemetry receiver over gRPC or HTTP",
		Role: plugin.RoleOutput,
		Config: func() plugin.Config {
			return &Config{
				Protocol:         GRPC,
				Temporality:      Delta,
				Identity:         Both,
				Timeout:          plugin.Duration(10 * time.Second),
				RenameAttributes: plugin.Renames{},
			}
		},
	}
}

// Validate checks the values. Every error is a *plugin.KeyError.
func (c *Config) Validate() error {
	for _, key := range []struct {
		name, have string
		allowed    []string
	}{
		{"protocol", c.Protocol, []string{GRPC, HTTP}},
		{"temporality", c.Temporality, []string{Delta, Cumulative}},
		{"identity", c.Identity, []string{Both, Resource, Point}},
	} {
		if !slices.Contains(key.allowed, key.have) {
			return plugin.Keyf(key.name, "want one of %q, have %q", key.allowed, key.have)
		}
	}
	if _, err := parseEndpoint(c.Protocol, c.Endpoint); err != nil {
		return &plugin.KeyError{Key: "endpoint", Err: err}
	}
	return plugin.CheckInterval("timeout", c.Timeout)
}

// Open makes the output. It does not wait for the receiver.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	to, err := parseEndpoint(c.Protocol, c.Endpoint)
	if err != nil {
		return nil, &plugin.KeyError{Key: "endpoint", Err: err}
	}
	if err := c.RenameAttributes.Check(pointKeys(host.Metrics)); err != nil {
		return nil, err
	}
	if c.Protocol == HTTP {
		return newOutput(c, host, to, newHTTP(to, host.Version, transport()))
	}
	over, err := newGRPC(to, host.Version)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to %s: %w", to, err)
	}
	return newOutput(c, host, to, over)
}

// pointKeys returns all keys that the points of the given metrics may carry.
func pointKeys(metrics []*measure.Metric) []string {
	keys := []string{keyResourceKind, keyResourceID, keyConsumerKind, keyConsumerID}
	for _, m := range metrics {
		keys = append(keys, m.Attributes...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// instance tells this agent from those on other nodes. Prometheus makes the
// label "instance" of it, without which the series of two nodes would be one.
func instance() string {
	name, err := os.Hostname()
	if err != nil {
		return "" // the attribute is left out
	}
	return name
}
