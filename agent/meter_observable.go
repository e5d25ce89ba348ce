package agent

import "go.opentelemetry.io/otel/metric"

// The observable instruments, whose callbacks are the meter's own. See ownMeter.

// Int64ObservableCounter implements metric.Meter.
func (m *ownMeter) Int64ObservableCounter(name string, opts ...metric.Int64ObservableCounterOption) (metric.Int64ObservableCounter, error) {
	c := metric.NewInt64ObservableCounterConfig(opts...)
	i, err := m.Meter.Int64ObservableCounter(name, metric.WithDescription(c.Description()), metric.WithUnit(c.Unit()))
	return i, m.observeInt(i, err, c.Callbacks())
}

// Int64ObservableUpDownCounter implements metric.Meter.
func (m *ownMeter) Int64ObservableUpDownCounter(name string, opts ...metric.Int64ObservableUpDownCounterOption) (metric.Int64ObservableUpDownCounter, error) {
	c := metric.NewInt64ObservableUpDownCounterConfig(opts...)
	i, err := m.Meter.Int64ObservableUpDownCounter(name, metric.WithDescription(c.Description()), metric.WithUnit(c.Unit()))
	return i, m.observeInt(i, err, c.Callbacks())
}

// Int64ObservableGauge implements metric.Meter.
func (m *ownMeter) Int64ObservableGauge(name string, opts ...metric.Int64ObservableGaugeOption) (metric.Int64ObservableGauge, error) {
	c := metric.NewInt64ObservableGaugeConfig(opts...)
	i, err := m.Meter.Int64ObservableGauge(name, metric.WithDescription(c.Description()), metric.WithUnit(c.Unit()))
	return i, m.observeInt(i, err, c.Callbacks())
}

// Float64ObservableCounter implements metric.Meter.
func (m *ownMeter) Float64ObservableCounter(name string, opts ...metric.Float64ObservableCounterOption) (metric.Float64ObservableCounter, error) {
	c := metric.NewFloat64ObservableCounterConfig(opts...)
	i, err := m.Meter.Float64ObservableCounter(name, metric.WithDescription(c.Description()), metric.WithUnit(c.Unit()))
	return i, m.observeFloat(i, err, c.Callbacks())
}

// Float64ObservableUpDownCounter implements metric.Meter.
func (m *ownMeter) Float64ObservableUpDownCounter(name string, opts ...metric.Float64ObservableUpDownCounterOption) (metric.Float64ObservableUpDownCounter, error) {
	c := metric.NewFloat64ObservableUpDownCounterConfig(opts...)
	i, err := m.Meter.Float64ObservableUpDownCounter(name, metric.WithDescription(c.Description()), metric.WithUnit(c.Unit()))
	return i, m.observeFloat(i, err, c.Callbacks())
}

// Float64ObservableGauge implements metric.Meter.
func (m *ownMeter) Float64ObservableGauge(name string, opts ...metric.Float64ObservableGaugeOption) (metric.Float64ObservableGauge, error) {
	c := metric.NewFloat64ObservableGaugeConfig(opts...)
	i, err := m.Meter.Float64ObservableGauge(name, metric.WithDescription(c.Description()), metric.WithUnit(c.Unit()))
	return i, m.observeFloat(i, err, c.Callbacks())
}
