package main

import (
	"context"
	"sync"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/simnode"
)

const simulatedMeterName = "simulated-meter"

// simulatedMeter is a source that measures nothing: as the first of each tick it has the
// simulated meter count up to now, as a real one does by itself, and takes down the truth
// of that moment. Without it a busy machine, on which the meter and whoever asks for the
// truth are late, would show in the numbers.
type simulatedMeter struct {
	count func() ([]simnode.Truth, error)

	mu   sync.Mutex
	last []simnode.Truth
}

// truth returns the truth of the last tick.
func (m *simulatedMeter) truth() []simnode.Truth {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// plugin makes a plugin of it.
func (m *simulatedMeter) plugin() plugin.Plugin {
	return plugin.Plugin{
		Name: simulatedMeterName, Doc: "the meter of the demo counts", Role: plugin.RoleSource,
		Config: func() plugin.Config { return &simulatedMeterConfig{m} },
	}
}

// Poll implements plugin.Source.
func (m *simulatedMeter) Poll(context.Context, *measure.Batch) error {
	truth, err := m.count()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.last = truth
	return err
}

// simulatedMeterConfig has no keys.
type simulatedMeterConfig struct{ m *simulatedMeter }

// Validate implements plugin.Config.
func (*simulatedMeterConfig) Validate() error { return nil }

// PollInterval implements plugin.Poller.
func (*simulatedMeterConfig) PollInterval() time.Duration { return demoInterval }

// Metrics implements plugin.Poller.
func (*simulatedMeterConfig) Metrics() []*measure.Metric { return nil }

// Open implements plugin.Config.
func (c *simulatedMeterConfig) Open(context.Context, *plugin.Host) (any, error) { return c.m, nil }
