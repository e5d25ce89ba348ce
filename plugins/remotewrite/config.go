// Package remotewrite is the output that pushes every batch to Prometheus, or to
// whatever takes its remote write protocol, under the names and with the labels and
// values of the page.
//
// A batch becomes requests that wait in a bounded queue, so that a receiver that is
// slow or down never holds up a tick:
//
//	Write: batch ▶ state ▶ encode ▶ queue ▶ Run: client ▶ receiver
//
// Source of the protocol: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/
package remotewrite

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/queue"
)

// Versions of the protocol.
const (
	Version1 = "1.0"
	Version2 = "2.0"
)

// Config is the table [plugins.remotewrite].
type Config struct {
	// URL is where the receiver takes remote write, with the path.
	URL string `toml:"url"`
	// ProtocolVersion is Version1 or Version2.
	ProtocolVersion string `toml:"protocol_version"`
	// Timeout is how long one attempt to deliver a request may take.
	Timeout plugin.Duration `toml:"timeout"`
	// QueueBytes is how many bytes of requests wait for the receiver at most.
	QueueBytes int `toml:"queue_bytes"`
	// QueueAge is how long a request waits for the receiver at most.
	QueueAge plugin.Duration `toml:"queue_age"`
	// QueueDir is a folder in which requests wait; empty is in memory.
	QueueDir string `toml:"queue_dir"`
	// Labels are put on every series. Without them, job is "podjoule" and instance
	// the name of the host, as a scrape would have it.
	Labels map[string]string `toml:"labels"`
	// RenameAttributes gives attributes other names as labels.
	RenameAttributes plugin.Renames `toml:"rename_attributes"`
	// HTTPClient is how the receiver is talked to.
	HTTPClient HTTPClient `toml:"http_client"`
}

// Plugin declares the remotewrite output.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name: "remotewrite",
		Doc:  "pushes every batch to Prometheus, or to whatever takes its remote write",
		Role: plugin.RoleOutput,
		Config: func() plugin.Config {
			return &Config{
				URL:              "http://localhost:9090/api/v1/write",
				ProtocolVersion:  Version2,
				Timeout:          plugin.Duration(10 * time.Second),
				QueueBytes:       maxMemory,
				QueueAge:         plugin.Duration(time.Hour),
				Labels:           map[string]string{},
				RenameAttributes: plugin.Renames{},
				HTTPClient:       HTTPClient{},
			}
		},
	}
}

// Validate checks the values. Every error is a *plugin.KeyError.
func (c *Config) Validate() error {
	if err := checkURL(c.URL); err != nil {
		return err
	}
	if c.ProtocolVersion != Version1 && c.ProtocolVersion != Version2 {
		return plugin.Keyf("protocol_version", "want %q or %q, have %.20q", Version2, Version1, c.ProtocolVersion)
	}
	if err := plugin.CheckInterval("timeout", c.Timeout); err != nil {
		return err
	}
	if c.QueueBytes < minQueue {
		return plugin.Keyf("queue_bytes", "want at least %d, have %d", minQueue, c.QueueBytes)
	}
	if err := plugin.CheckInterval("queue_age", c.QueueAge); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(c.Labels)) {
		if !model.LegacyValidation.IsValidLabelName(name) || name[0] == '_' && len(name) > 1 && name[1] == '_' {
			return plugin.Keyf("labels", "%q is no name of a label that Prometheus allows", name)
		}
	}
	keys := slices.Sorted(maps.Keys(c.RenameAttributes))
	if err := c.RenameAttributes.Check(keys); err != nil {
		return err
	}
	if err := family.CheckLabels(keys, c.RenameAttributes); err != nil {
		return err
	}
	if _, err := c.HTTPClient.library(); err != nil {
		return &plugin.KeyError{Key: "http_client", Err: err}
	}
	return nil
}

func checkURL(text string) error {
	const want = `want the receiver's URL with its path, such as "http://prometheus:9090/api/v1/write"`
	u, err := url.Parse(text)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.Fragment != "":
		return plugin.Keyf("url", want) // what is there may hold a password
	case u.User != nil:
		return plugin.Keyf("url", "user and password belong in http_client.basic_auth: errors show the URL")
	}
	return nil
}

// Open makes the output. It does not wait for the receiver.
func (c *Config) Open(ctx context.Context, host *plugin.Host) (any, error) {
	families, err := family.New(host.Metrics, c.RenameAttributes)
	if err != nil {
		return nil, err
	}
	labels := c.labels()
	if err := checkLabels(labels, families); err != nil {
		return nil, err
	}
	to, err := newClient(c, host)
	if err != nil {
		return nil, err
	}
	bounds := queue.Options{Bytes: c.QueueBytes, Age: time.Duration(c.QueueAge), Dir: c.QueueDir}
	if c.QueueDir != "" {
		bounds.Memory = maxMemory
	}
	if before, ok := host.Replaces.(*output); ok {
		bounds.Before = before.queue
	}
	waiting, err := queue.Open(bounds)
	if err != nil {
		return nil, &plugin.KeyError{Key: "queue_dir", Err: err}
	}
	out := &output{
		to: to, timeout: time.Duration(c.Timeout), queue: waiting, renames: c.RenameAttributes,
		state: newState(families, labels), encoder: newEncoder(c.ProtocolVersion),
	}
	if out.count, err = newInstruments(ctx, host.Meter, waiting); err != nil {
		return nil, fmt.Errorf("%w; %w", err, waiting.Close())
	}
	return out, nil
}

// labels returns those that every series has.
func (c *Config) labels() map[string]string {
	labels := map[string]string{"job": "podjoule"}
	if name, err := os.Hostname(); err == nil {
		labels["instance"] = name
	}
	maps.Copy(labels, c.Labels)
	return labels
}

// checkLabels holds the labels that every series has against those that series have of
// their own.
func checkLabels(labels map[string]string, families map[string]*family.Family) error {
	for _, metric := range slices.Sorted(maps.Keys(families)) {
		f := families[metric]
		for _, label := range f.Part.Labels {
			if _, taken := labels[label]; taken {
				return plugin.Keyf("labels", "series of %s have the label %q of their own: give one of the two another name, "+
					"in labels or in rename_attributes", f.Name, label)
			}
		}
	}
	return nil
}

var _ interface {
	plugin.Output
	plugin.Runner
	plugin.Readier
	plugin.Adapter
	io.Closer
} = (*output)(nil)
