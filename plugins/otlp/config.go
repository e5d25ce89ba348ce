// Package otlp is the output that pushes every batch to an OpenTelemetry
// receiver over OTLP, by gRPC or by HTTP.
//
// A batch becomes one request that waits in a bounded queue, so that
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

// Config is the table [plugins.otlp]. Keys that are empty have their value from the
// environment, or their usual one; see settings.
type Config struct {
	// Protocol is GRPC, which is the usual one, or HTTP.
	Protocol string `toml:"protocol"`
	// Endpoint is the receiver's URL; http means plain text, https means TLS.
	// Empty means localhost with the usual port of the protocol. With HTTP,
	// /v1/metrics is appended unless the path already ends so.
	Endpoint string `toml:"endpoint"`
	// Headers are sent with each request.
	Headers map[string]Secret `toml:"headers"`
	// Compression is Gzip, which is the usual one, or None.
	Compression string `toml:"compression"`
	// Temporality is Delta, which is the usual one, or Cumulative.
	Temporality string `toml:"temporality"`
	// Identity is Both, Resource or Point.
	Identity string `toml:"identity"`
	// SemanticConventions gives metrics the names and units of the OpenTelemetry
	// conventions where these have some.
	SemanticConventions bool `toml:"semantic_conventions"`
	// Timeout is how long one attempt to deliver a request may take; 10 s is usual.
	Timeout plugin.Duration `toml:"timeout"`

	// CAFile has the certificates that verify the receiver; empty is the system's.
	CAFile string `toml:"ca_file"`
	// CertFile and KeyFile are the client's certificate.
	CertFile string `toml:"cert_file"`
	KeyFile  string `toml:"key_file"`
	// ServerName is the name that the receiver's certificate has to have; empty is
	// the host of the URL.
	ServerName string `toml:"server_name"`
	// InsecureSkipVerify turns the verification of the receiver off.
	InsecureSkipVerify bool `toml:"insecure_skip_verify"`

	// QueueBytes and QueueAge bound the requests that wait: in bytes and in time.
	QueueBytes int             `toml:"queue_bytes"`
	QueueAge   plugin.Duration `toml:"queue_age"`
	// QueueDir is a folder in which they wait; empty is in memory.
	QueueDir string `toml:"queue_dir"`

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
				Headers:          map[string]Secret{},
				Identity:         Both,
				QueueBytes:       16 << 20,
				QueueAge:         plugin.Duration(24 * time.Hour),
				RenameAttributes: plugin.Renames{},
			}
		},
	}
}

// Validate checks the values, and the variables of the environment that fill the
// gaps. Every error about a key is a *plugin.KeyError; one about a variable names it.
func (c *Config) Validate() error {
	if identities := []string{Both, Resource, Point}; !slices.Contains(identities, c.Identity) {
		return plugin.Keyf("identity", "want one of %q, have %q", identities, c.Identity)
	}
	if c.QueueBytes < maxRequest {
		return plugin.Keyf("queue_bytes", "want at least %d, which is the size of the largest request, have %d", maxRequest, c.QueueBytes)
	}
	if err := plugin.CheckInterval("queue_age", c.QueueAge); err != nil {
		return err
	}
	_, err := c.settings(os.LookupEnv)
	return err
}

// Open makes the output. It does not wait for the receiver.
func (c *Config) Open(_ context.Context, host *plugin.Host) (any, error) {
	s, err := c.settings(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	if err := c.RenameAttributes.Check(pointKeys(host.Metrics)); err != nil {
		return nil, err
	}
	l := link{to: s.to, version: host.Version, headers: s.headers, plain: s.Compression == None, dial: host.Dial}
	if l.tls, err = s.tls(); err != nil {
		return nil, err
	}
	if s.Protocol == HTTP {
		return newOutput(&s.Config, host, s.to, newHTTP(l, transport(l)), s.resource...)
	}
	over, err := newGRPC(l)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to %s: %w", s.to, err)
	}
	return newOutput(&s.Config, host, s.to, over, s.resource...)
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
