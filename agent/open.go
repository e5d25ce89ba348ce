package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// openAll opens the plugins in pipeline order. What it opened it adds to undo,
// also when it fails.
func openAll(ctx context.Context, cfg *Config, opts RunOptions, t *telemetry, s *server, undo *teardown) ([]*member, error) {
	metrics := metricsOf(cfg.Plugins)
	now := time.Now()
	var members []*member
	for _, e := range cfg.Plugins {
		m := newMember(e, opts.Log)
		host := &plugin.Host{
			SysfsRoot: cfg.Agent.SysfsRoot, ProcfsRoot: cfg.Agent.ProcfsRoot,
			Version:    opts.Version,
			Metrics:    metrics,
			Meter:      t.provider.Meter("podjoule/" + m.name),
			Self:       t.page,
			SelfReader: t.reader,
			Handle:     func(p plugin.Page) error { return s.add(m.name, p) },
			Stdout:     opts.Stdout,
		}
		var value any
		err := guarded(func() (err error) {
			value, err = e.Config.Open(ctx, host)
			return err
		})
		if err == nil {
			err = m.adopt(value, t, now)
			undo.add(m.close)
		}
		if err != nil {
			var crash *panicError
			if errors.As(err, &crash) {
				m.log.Debug("stack of the panic", "stage", "open", "stack", string(crash.stack))
			}
			return nil, fmt.Errorf("open %s: %w", m.name, err)
		}
		members = append(members, m)
	}
	return members, nil
}

func newMember(e Enabled, log *slog.Logger) *member {
	m := &member{name: e.Plugin.Name, role: e.Plugin.Role, log: log.With("plugin", e.Plugin.Name)}
	m.attributes = metric.WithAttributeSet(attribute.NewSet(attribute.String("plugin", m.name), attribute.String("role", m.role.String())))
	if poller, ok := e.Config.(plugin.Poller); ok {
		m.interval = poller.PollInterval()
	}
	return m
}

// metricsOf returns the metrics that the plugins make as they are configured.
func metricsOf(plugins []Enabled) []*measure.Metric {
	var metrics []*measure.Metric
	for _, e := range plugins {
		switch c := e.Config.(type) {
		case plugin.Poller:
			metrics = append(metrics, c.Metrics()...)
		case plugin.Deriver:
			metrics = append(metrics, c.Derive(metrics)...)
		default:
			metrics = append(metrics, e.Plugin.Metrics...)
		}
	}
	return metrics
}
