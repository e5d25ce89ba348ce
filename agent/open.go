package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// teardown is what undoes the start, kept in the order of the start.
type teardown []func() error

func (t *teardown) add(undo func() error) { *t = append(*t, undo) }

// run undoes all of it, the last first.
func (t teardown) run() error {
	var errs []error
	for i := len(t) - 1; i >= 0; i-- {
		errs = append(errs, t[i]())
	}
	return errors.Join(errs...)
}

// opener opens plugins.
type opener struct {
	settings Settings
	opts     RunOptions
	own      *telemetry
}

// openAll opens the plugins of a plan that are not open, in pipeline order, and returns
// all of them, and those that it opened. When it fails it has closed them again.
func (o *opener) openAll(ctx context.Context, p *plan, pages *pageSet) (all, opened []*member, err error) {
	for i := range p.seats {
		m := p.seats[i].kept
		if m == nil {
			m, err = o.open(ctx, &p.seats[i], p.metrics, pages)
			if m != nil {
				opened = append(opened, m)
			}
		}
		if err != nil {
			return nil, nil, errors.Join(err, closeAll(opened))
		}
		all = append(all, m)
	}
	return all, opened, nil
}

// open opens one plugin. What it returns is to be closed, also with an error.
func (o *opener) open(ctx context.Context, s *seat, all []*measure.Metric, pages *pageSet) (*member, error) {
	e := s.enabled
	m := newMember(e, o.opts.Log)
	m.metrics, m.seen = s.metrics, all
	m.meter = &ownMeter{Meter: o.own.provider.Meter("podjoule/" + m.name)}
	host := &plugin.Host{
		SysfsRoot: o.settings.SysfsRoot, ProcfsRoot: o.settings.ProcfsRoot,
		Version:    o.opts.Version,
		Metrics:    all,
		Meter:      m.meter,
		Self:       o.own.page,
		SelfReader: o.own.reader,
		Handle: func(p plugin.Page) error {
			err := pages.add(m.name, p)
			if err == nil {
				m.pages = append(m.pages, page{p, m.name})
			}
			return err
		},
		Stdout: o.opts.Stdout,
	}
	if s.before != nil {
		m.before, host.Replaces = s.before, s.before.value
	}
	var value any
	err := guarded(func() (err error) {
		value, err = e.Config.Open(ctx, host)
		return err
	})
	if err == nil {
		err = m.adopt(value, o.own, time.Now())
	}
	if err == nil {
		return m, nil
	}
	var crash *panicError
	if errors.As(err, &crash) {
		m.log.Debug("stack of the panic", "stage", "open", "stack", string(crash.stack))
	}
	return m, fmt.Errorf("open %s: %w", m.name, err)
}

// closeAll closes plugins, the last one first.
func closeAll(members []*member) error {
	var errs []error
	for _, m := range slices.Backward(members) {
		errs = append(errs, m.close(), m.meter.hide())
	}
	return errors.Join(errs...)
}

func newMember(e Enabled, log *slog.Logger) *member {
	m := &member{name: e.Plugin.Name, role: e.Plugin.Role, log: log.With("plugin", e.Plugin.Name), enabled: e, interval: intervalOf(e)}
	m.attributes = metric.WithAttributeSet(attribute.NewSet(attribute.String("plugin", m.name), attribute.String("role", m.role.String())))
	return m
}

// intervalOf returns the poll interval of a source, and 0 for other plugins.
func intervalOf(e Enabled) time.Duration {
	if poller, ok := e.Config.(plugin.Poller); ok {
		return poller.PollInterval()
	}
	return 0
}
