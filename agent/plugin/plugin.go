// Package plugin is the contract between the host and its plugins.
//
// A plugin is one Plugin value. Its configuration is a struct with toml tags
// that starts out holding the defaults; the host decodes the plugin's table
// into it, calls Validate and then Open. What Open returns is a Source, a
// Transform or an Output, and may have more powers: Runner, Readier and
// io.Closer, which the host looks for once, at opening. A source of energy may
// be Metered besides, for a command that lists meters.
//
// The host owns every goroutine. It never calls Poll, Apply or Write of one
// value concurrently with itself, but calls them while Run is running. Plugins
// do not log: they return errors, and the host counts each one and logs when a
// plugin's state changes.
package plugin

import (
	"context"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// Role is the place of a plugin in the pipeline.
type Role uint8

// Sources measure, transforms derive, outputs export.
const (
	RoleSource Role = iota
	RoleTransform
	RoleOutput
)

// String returns "source", "transform" or "output".
func (r Role) String() string {
	return [...]string{"source", "transform", "output"}[r]
}

// Plugin declares one plugin. The list of plugins is a slice of these, in
// pipeline order.
type Plugin struct {
	// Name is the name of its table in the configuration: [plugins.Name].
	Name string
	// Doc is one line that says what it is for.
	Doc string
	// Role is what Open returns: a Source, a Transform or an Output.
	Role Role
	// Metrics are all the metrics that it can make.
	Metrics []*measure.Metric
	// Config returns a fresh configuration that holds the defaults: a pointer
	// to a struct with toml tags.
	Config func() Config
}

// Config is the typed configuration of a plugin.
type Config interface {
	// Validate checks the values against each other and their ranges. An
	// error about one key is a *KeyError, so that the host can name its line.
	Validate() error
	// Open makes the plugin ready to work. It must not wait for a server: a
	// server that is down at start is tried again from Run. The host closes
	// what was opened, in reverse order, whatever happens later.
	Open(ctx context.Context, host *Host) (any, error)
}

// Poller is a Config whose plugin is a Source.
type Poller interface {
	Config
	// PollInterval is how often the source is polled.
	PollInterval() time.Duration
	// Metrics are the metrics that the source makes under this configuration.
	Metrics() []*measure.Metric
}

// Deriver is the configuration of a transform whose metrics follow from those of the
// plugins before it: they carry their attributes.
type Deriver interface {
	Config
	// Derive returns the metrics that the transform makes of what it is handed.
	Derive(metrics []*measure.Metric) []*measure.Metric
}

// Source measures.
type Source interface {
	// Poll adds what it measures now to the batch. It is called once a tick.
	// With an error, the samples that it added are kept.
	Poll(ctx context.Context, b *measure.Batch) error
}

// Transform derives samples from the samples of a batch.
type Transform interface {
	// Apply changes the batch in place. With an error, the batch is dropped.
	Apply(ctx context.Context, b *measure.Batch) error
}

// Output takes batches out of the agent.
type Output interface {
	// Write takes what it needs of the batch. It may neither keep the batch
	// nor block for longer than a tick: a slow output has a bounded queue and
	// a Run that empties it. An error does not keep other outputs from it.
	Write(ctx context.Context, b *measure.Batch) error
}

// Runner is a plugin that has work to do between ticks.
type Runner interface {
	// Run works until the context ends. The host ends the contexts of runners
	// only after the last batch was written, and then gives them a few
	// seconds: an output empties its queue before it returns. A Run that
	// returns early is started again.
	Run(ctx context.Context) error
}

// Readier is a plugin that can tell how it fares. An error names the thing
// that is wrong and the remedy; nil means that all is well. The host asks after
// every tick, logs changes and serves the answer at /readyz. It may be called
// from any goroutine.
type Readier interface {
	Ready() error
}

// Adjuster is a plugin some keys of whose table can change while it works, such as a
// source's interval, so that a configuration which changes nothing else loses nothing.
type Adjuster interface {
	// AdjustedKeys are the keys that Adjust can take over. What changes another key has
	// the plugin closed and opened anew.
	AdjustedKeys() []string
	// Adjust takes them from a checked configuration. It is called between two ticks.
	Adjust(c Config)
}

// Adapter is a transform or an output that depends on which metrics there are, and can
// take a change of them while it works. One that is no Adapter is closed and opened anew.
type Adapter interface {
	// Adapt prepares for the metrics of all enabled plugins, in pipeline order, and
	// changes nothing yet. The function that it returns changes over; it is called
	// between two ticks, or not at all. False means that it takes a new beginning.
	Adapt(metrics []*measure.Metric) (change func(), ok bool)
}
