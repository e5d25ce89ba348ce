package hwmon

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments count the plugin's own work.
type instruments struct {
	resets, dropped, readErrors metric.Int64Counter

	registration metric.Registration
}

func newInstruments(meter metric.Meter, s *source) (*instruments, error) {
	in := new(instruments)
	for _, c := range []struct {
		into       *metric.Int64Counter
		name, help string
	}{
		{&in.resets, "podjoule.hwmon.resets", "Energy counters that began anew or jumped, which makes a new baseline"},
		{&in.dropped, "podjoule.hwmon.dropped_intervals", "Times between two samples of power that are left out, as they were too long to guess what was between"},
		{&in.readErrors, "podjoule.hwmon.read_errors", "Readings of meters that failed"},
	} {
		var err error
		if *c.into, err = meter.Int64Counter(c.name, metric.WithDescription(c.help)); err != nil {
			return nil, err
		}
		(*c.into).Add(context.Background(), 0) // what has not counted yet is seen as 0
	}
	return in, in.observe(meter, s)
}

// observe registers what is told when it is asked for.
func (in *instruments) observe(meter metric.Meter, s *source) error {
	sensors, err := meter.Int64ObservableGauge("podjoule.hwmon.sensors",
		metric.WithDescription("1 for each sensor of energy or power: how the meter fares, or unused where nobody says what it measures"))
	if err != nil {
		return err
	}
	overall, err := meter.Int64ObservableGauge("podjoule.hwmon.status",
		metric.WithDescription("1 for how the plugin fares now: ok, no_tree, no_meter, absent, ambiguous, no_permission, masked, disabled, gone or read_error"))
	if err != nil {
		return err
	}
	in.registration, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		st := s.state.Load()
		o.ObserveInt64(overall, 1, metric.WithAttributes(attribute.String("status", string(st.status))))
		for _, x := range st.sensors {
			o.ObserveInt64(sensors, 1, metric.WithAttributes(attribute.String("chip", x.chip), attribute.String("device", x.device),
				attribute.String("label", x.label), attribute.String("use", x.use)))
		}
		return nil
	}, sensors, overall)
	return err
}

func (in *instruments) close() error { return in.registration.Unregister() }
