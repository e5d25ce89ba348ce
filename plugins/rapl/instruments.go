package rapl

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments count the plugin's own work.
type instruments struct {
	wraps, resets, dropped, readErrors metric.Int64Counter
	gap, exceeds                       metric.MeasurementOption // why an interval was dropped

	registration metric.Registration
}

func newInstruments(meter metric.Meter, s *source) (*instruments, error) {
	reason := func(text string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("reason", text)))
	}
	in := &instruments{gap: reason("gap"), exceeds: reason("exceeds_package")}
	for _, c := range []struct {
		into       *metric.Int64Counter
		name, help string
		options    []metric.AddOption
	}{
		{&in.wraps, "podjoule.rapl.wraps", "Counters that went over their end and were followed", nil},
		{&in.resets, "podjoule.rapl.resets", "Counters that began anew or jumped, which makes a new baseline", nil},
		{&in.dropped, "podjoule.rapl.dropped_intervals",
			"Intervals of zones that are left out: gap, in which a counter may have gone round unseen; exceeds_package, in which a part counted more than its package",
			[]metric.AddOption{in.gap, in.exceeds}},
		{&in.readErrors, "podjoule.rapl.read_errors", "Zones that could not be read", nil},
	} {
		var err error
		if *c.into, err = meter.Int64Counter(c.name, metric.WithDescription(c.help)); err != nil {
			return nil, err
		}
		// What has not counted yet is seen as 0.
		if len(c.options) == 0 {
			(*c.into).Add(context.Background(), 0)
		}
		for _, o := range c.options {
			(*c.into).Add(context.Background(), 0, o)
		}
	}
	return in, in.observe(meter, s)
}

// observe registers what is told when it is asked for.
func (in *instruments) observe(meter metric.Meter, s *source) error {
	zones, err := meter.Int64ObservableGauge("podjoule.rapl.zones",
		metric.WithDescription("Zones: measured, duplicate, which show what another one does, or unreadable"))
	if err != nil {
		return err
	}
	status, err := meter.Int64ObservableGauge("podjoule.rapl.status",
		metric.WithDescription("1 for how the plugin fares now: ok, no_tree, no_zones, no_permission, masked or read_error"))
	if err != nil {
		return err
	}
	power, err := meter.Float64ObservableGauge("podjoule.rapl.power_ceiling", metric.WithUnit("W"),
		metric.WithDescription("Power beyond which a step back of a zone's counter is no wrap, from the limits of the zone, of its parent, or by default"))
	if err != nil {
		return err
	}
	from, err := meter.Int64ObservableGauge("podjoule.rapl.source",
		metric.WithDescription("1 for the way by which energy is measured now, and why: configured, first_choice, or what is wrong with the other way"))
	if err != nil {
		return err
	}
	total, err := meter.Int64ObservableGauge("podjoule.rapl.part_of_machine",
		metric.WithDescription("1 for the domains that make up the machine's energy together, 0 for those that overlap with them"))
	if err != nil {
		return err
	}
	in.registration, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		st := s.state.Load()
		for use, n := range map[string]int64{"measured": st.measured, "duplicate": st.duplicates, "unreadable": st.unreadable} {
			o.ObserveInt64(zones, n, metric.WithAttributes(attribute.String("use", use)))
		}
		now := st.status
		if now == statusOK && s.failing.Load() > 0 {
			now = statusReadError
		}
		o.ObserveInt64(status, 1, metric.WithAttributes(attribute.String("status", string(now))))
		if st.source != "" {
			o.ObserveInt64(from, 1, metric.WithAttributes(attribute.String("source", st.source), attribute.String("reason", st.why)))
		}
		for domain, n := range st.total {
			o.ObserveInt64(total, n, metric.WithAttributes(attribute.String("domain", domain)))
		}
		for _, c := range st.ceilings {
			o.ObserveFloat64(power, c.watts, metric.WithAttributes(attribute.String("zone", c.zone), attribute.String("from", c.from)))
		}
		return nil
	}, zones, status, power, from, total)
	return err
}

func (in *instruments) close() error { return in.registration.Unregister() }
