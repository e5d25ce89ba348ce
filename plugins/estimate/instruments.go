package estimate

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments tell of the plugin's own work.
type instruments struct {
	active        metric.Int64Gauge
	resets, jumps metric.Int64Counter
}

func newInstruments(meter metric.Meter, m model) (*instruments, error) {
	in := new(instruments)
	register := func() (err error) {
		if in.active, err = meter.Int64Gauge("podjoule.estimate.active",
			metric.WithDescription("1 while energy is estimated, 0 while a meter makes it needless")); err != nil {
			return err
		}
		if in.resets, err = meter.Int64Counter("podjoule.estimate.resets",
			metric.WithDescription("Readings in which the CPUs' busy time went backwards, which makes a new baseline")); err != nil {
			return err
		}
		if in.jumps, err = meter.Int64Counter("podjoule.estimate.jumps",
			metric.WithDescription("Readings in which the CPUs' busy time grew by more than had passed; the rest is not counted")); err != nil {
			return err
		}
		info, err := meter.Int64Gauge("podjoule.estimate.model",
			metric.WithDescription("1 for the model in use, with the version of the table and the machines behind it"))
		if err != nil {
			return err
		}
		info.Record(context.Background(), 1, metric.WithAttributes(
			attribute.String("model", m.name), attribute.Int("machines", m.machines)))
		return nil
	}
	if err := register(); err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	in.resets.Add(context.Background(), 0) // a counter that has not counted yet is seen as 0
	in.jumps.Add(context.Background(), 0)
	return in, nil
}
