package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// member is an opened plugin.
type member struct {
	name       string
	role       plugin.Role
	interval   time.Duration // of a source
	log        *slog.Logger
	attributes metric.MeasurementOption

	// What it was opened with: its table, the metrics that it makes, and those of all.
	enabled       Enabled
	metrics, seen []*measure.Metric
	meter         *ownMeter
	pages         []page
	value         any
	// before is the one that this one replaces, until that is over; or nil.
	before *member
	// roster is the series that outputs know from it.
	roster roster
	// leaving says that the next call of Poll, Apply or Write is the last one.
	leaving bool

	// stage names the call that the loop makes, call makes it.
	stage string
	call  func(context.Context, *measure.Batch) error
	work  *condition
	// The other powers of the plugin; each is nil where it has none.
	readier  plugin.Readier
	ready    *condition
	runner   plugin.Runner
	running  *condition
	closer   io.Closer
	stopRun  context.CancelCauseFunc
	runsOver chan struct{} // closed when the runner is over
	runError error         // set before runsOver is closed

	// stuck says that a call did not come back: the plugin is not closed,
	// since its own code is still at work.
	stuck bool
}

// adopt finds out what an opened plugin can do.
func (m *member) adopt(value any, t *telemetry, now time.Time) error {
	switch m.role {
	case plugin.RoleSource:
		if source, ok := value.(plugin.Source); ok {
			m.stage, m.call = "poll", source.Poll
		}
	case plugin.RoleTransform:
		if transform, ok := value.(plugin.Transform); ok {
			m.stage, m.call = "apply", transform.Apply
		}
	case plugin.RoleOutput:
		if output, ok := value.(plugin.Output); ok {
			m.stage, m.call = "write", output.Write
		}
	}
	m.closer, _ = value.(io.Closer)
	m.value = value
	if m.call == nil {
		return fmt.Errorf("it is listed as %s, but Open returned %T, which is none", m.role, value)
	}
	m.work = t.condition(m, m.stage, now)
	if readier, ok := value.(plugin.Readier); ok {
		m.readier, m.ready = readier, t.condition(m, stageReady, now)
		m.ready.errors = nil // a state that is looked at, not an event that happens
	}
	if runner, ok := value.(plugin.Runner); ok {
		m.runner, m.running = runner, t.condition(m, "run", now)
	}
	return nil
}

// pass makes the loop's call.
func (m *member) pass(ctx context.Context, b *measure.Batch) (err error) {
	defer recovered(&err)
	if m.leaving && !b.Last {
		b.Last = true
		defer func() { b.Last = false }()
	}
	return m.call(ctx, b)
}

// state returns what is wrong with the plugin, "" for nothing, and since when
// it is so.
func (m *member) state() (text string, since time.Time) {
	for _, c := range []*condition{m.work, m.running, m.ready} {
		if c == nil {
			continue
		}
		wrong, at := c.state()
		if wrong != "" {
			return wrong, at
		}
		if at.After(since) {
			since = at
		}
	}
	return "", since
}

// closing is how long a Close may take.
const closing = 2 * time.Second

func (m *member) close() error {
	if m.closer == nil || m.stuck {
		return nil
	}
	closed := make(chan error, 1)
	go func() { closed <- guarded(m.closer.Close) }()
	select {
	case err := <-closed:
		if err != nil {
			return fmt.Errorf("close %s: %w", m.name, err)
		}
		return nil
	case <-time.After(closing):
		return fmt.Errorf("close %s: not done after %v", m.name, closing)
	}
}

// errShut is the error of calls that were not made since the gate is shut.
var errShut = errors.New("the agent is shut down")
