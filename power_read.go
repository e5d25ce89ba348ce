package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// energySource is a source of energy, opened without a host around it.
type energySource struct {
	name   string
	listed bool // its table is in the configuration
	opened any
	source plugin.Source // nil where it could not be opened
	err    error         // of opening, or of the last poll

	energy map[*measure.Series]uint64 // µJ
	series []*measure.Series          // its keys, in the order in which they came
}

// openEnergySources opens all sources of energy among some plugins, those of a
// configuration as they stand there, and the others with their defaults.
func openEnergySources(ctx context.Context, plugins []plugin.Plugin, cfg *agent.Config) []*energySource {
	var all []*energySource
	for _, p := range plugins {
		if p.Role != plugin.RoleSource || !slices.ContainsFunc(p.Metrics, (*measure.Metric).IsEnergy) {
			continue
		}
		s := &energySource{name: p.Name, energy: make(map[*measure.Series]uint64)}
		config := p.Config()
		for _, e := range cfg.Plugins {
			if e.Plugin.Name == p.Name {
				config, s.listed = e.Config, true
			}
		}
		s.opened, s.err = config.Open(ctx, &plugin.Host{
			SysfsRoot: cfg.Agent.SysfsRoot, ProcfsRoot: cfg.Agent.ProcfsRoot,
			Version: currentVersion(), Metrics: p.Metrics,
			Meter: noop.NewMeterProvider().Meter(p.Name),
			Self:  prometheus.NewRegistry(), SelfReader: sdkmetric.NewManualReader(),
			Handle: func(plugin.Page) error { return nil },
			Stdout: io.Discard,
		})
		if s.err == nil {
			s.source, _ = s.opened.(plugin.Source)
		}
		all = append(all, s)
	}
	return all
}

// longestWindow is how long no source is left unread: counters go round.
const longestWindow = time.Second

// readEnergy reads sources for some time, or until the context ends, and returns for how
// long it did.
func readEnergy(ctx context.Context, sources []*energySource, length time.Duration) time.Duration {
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var runners sync.WaitGroup
	defer runners.Wait()
	defer stop()
	for _, s := range sources {
		if r, ok := s.opened.(plugin.Runner); ok {
			// What it fails with a poll tells as well, or Ready.
			runners.Go(func() { _ = r.Run(background) })
		}
	}
	began := time.Now()
	last := began
	poll := func(end time.Time, isLast bool) {
		for _, s := range sources {
			s.poll(background, last, end, isLast)
		}
		last = end
	}
	poll(began, false)
	for left := length; left > 0; {
		step := min(left, longestWindow)
		left -= step
		timer := time.NewTimer(step)
		select {
		case <-timer.C:
		case <-ctx.Done():
			left = 0
		}
		timer.Stop()
		poll(time.Now(), left <= 0)
	}
	return last.Sub(began)
}

// poll reads a source, and adds what it tells of a window.
func (s *energySource) poll(ctx context.Context, start, end time.Time, last bool) {
	if s.source == nil {
		return
	}
	var b measure.Batch
	b.Reset(longestWindow, start, end)
	b.Last = last
	s.err = s.source.Poll(ctx, &b)
	for i := range b.Samples {
		x := &b.Samples[i]
		n, counted := x.Uint()
		if !counted || !x.Series.Metric.IsEnergy() {
			continue
		}
		if _, known := s.energy[x.Series]; !known {
			s.series = append(s.series, x.Series)
		}
		s.energy[x.Series] += n
	}
}

// ready is what the source says of itself.
func (s *energySource) ready() error {
	if r, ok := s.opened.(plugin.Readier); ok && s.source != nil {
		return r.Ready()
	}
	return nil
}

func (s *energySource) close() error {
	c, ok := s.opened.(io.Closer)
	if !ok {
		return nil
	}
	if err := c.Close(); err != nil {
		return fmt.Errorf("close %s: %w", s.name, err)
	}
	return nil
}
