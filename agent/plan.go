package agent

import (
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// plan is what a configuration makes of the plugins that are open.
type plan struct {
	seats   []seat // in pipeline order
	metrics []*measure.Metric
	leaving []*member
}

// seat is a place in the pipeline.
type seat struct {
	enabled Enabled
	metrics []*measure.Metric
	kept    *member // nil for a plugin that is to be opened
	before  *member // that this one is to replace, or nil
	change  func()  // of one that is kept, between two ticks; or nil
}

// makePlan keeps every plugin whose table says what it did, and which can go on with the
// metrics that there will be. It changes nothing.
func makePlan(open []*member, cfg *Config) *plan {
	again := make(map[string]bool) // plugins that are to be opened anew
	for {
		p := draft(open, cfg, again)
		fits := true
		for i := range p.seats {
			if s := &p.seats[i]; s.kept != nil && !s.fits(p.metrics) {
				again[s.enabled.Plugin.Name], fits = true, false
			}
		}
		if fits {
			return p
		}
	}
}

// draft is a plan of which it is to be seen whether the plugins that it keeps fit in.
func draft(open []*member, cfg *Config, again map[string]bool) *plan {
	p := new(plan)
	for _, e := range cfg.Plugins {
		s := seat{enabled: e}
		if at := slices.IndexFunc(open, func(m *member) bool { return m.name == e.Plugin.Name }); at >= 0 {
			s.before = open[at]
			if !again[e.Plugin.Name] {
				s.keep(open[at])
			}
		}
		if s.kept != nil {
			s.metrics = s.kept.metrics
		} else {
			s.metrics = metricsOf(e, p.metrics)
		}
		p.metrics = append(p.metrics, s.metrics...)
		p.seats = append(p.seats, s)
	}
	for _, m := range open {
		if !slices.ContainsFunc(p.seats, func(s seat) bool { return s.kept == m }) {
			p.leaving = append(p.leaving, m)
		}
	}
	return p
}

// keep takes a plugin that is open where its table allows it.
func (s *seat) keep(m *member) {
	if m.enabled.same(s.enabled) {
		s.kept = m
		return
	}
	if adjuster, ok := m.value.(plugin.Adjuster); ok && m.enabled.same(s.enabled, adjuster.AdjustedKeys()...) {
		s.kept, s.change = m, func() {
			adjuster.Adjust(s.enabled.Config)
			m.enabled, m.interval = s.enabled, intervalOf(s.enabled)
		}
	}
}

// fits reports whether a plugin that is kept can go on with the metrics that there will be.
func (s *seat) fits(all []*measure.Metric) bool {
	if s.kept.role == plugin.RoleSource || slices.Equal(s.kept.seen, all) {
		return true
	}
	if adapter, ok := s.kept.value.(plugin.Adapter); ok {
		change, ok := adapter.Adapt(all)
		if ok {
			m, adjust := s.kept, s.change
			s.change = func() {
				if adjust != nil {
					adjust()
				}
				m.seen = all
				change()
			}
		}
		return ok
	}
	// An output knows metrics by what they are; a transform may know them by their place.
	return s.kept.role == plugin.RoleOutput && slices.EqualFunc(s.kept.seen, all, equalMetrics)
}

func equalMetrics(a, b *measure.Metric) bool {
	return a == b || a.Name == b.Name && a.Unit == b.Unit && a.Kind == b.Kind && a.Help == b.Help && slices.Equal(a.Attributes, b.Attributes)
}

// metricsOf returns the metrics that a plugin makes as it is configured, after those of
// the plugins before it.
func metricsOf(e Enabled, before []*measure.Metric) []*measure.Metric {
	switch c := e.Config.(type) {
	case plugin.Poller:
		return c.Metrics()
	case plugin.Deriver:
		return c.Derive(before)
	}
	return e.Plugin.Metrics
}
