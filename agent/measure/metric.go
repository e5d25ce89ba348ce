// Package measure holds the values that flow from sources through transforms
// to outputs: metrics, series, samples and the batch of one tick.
//
// It holds values only: nothing here reads, writes or waits, and it imports
// the standard library alone, so that every plugin may depend on it.
package measure

import "strings"

// Kind tells how the samples of a metric add up over time.
type Kind uint8

const (
	// Gauge is a state at the end of a window, such as memory in use.
	Gauge Kind = iota
	// Delta is what was counted within a window, such as CPU time spent.
	// Deltas of one series add up without gaps or overlaps.
	Delta
)

// String returns "gauge" or "delta".
func (k Kind) String() string {
	if k == Delta {
		return "delta"
	}
	return "gauge"
}

// Unit is what a sample of a metric counts. Inside podjoule only base units
// exist; outputs convert at the edge (see Unit.Divisor).
type Unit uint8

const (
	// One is a plain number without dimension.
	One Unit = iota
	// Nanosecond is a time in ns.
	Nanosecond
	// Byte is an amount of memory or data in bytes.
	Byte
	// Microjoule is an energy in µJ. It is shown to people as joules.
	Microjoule
	// Percent is a ratio in hundredths; for CPU, 100 is one core fully used.
	Percent
	// Millicore is a part of the machine's CPUs in thousandths of one. It is shown
	// to people as cores.
	Millicore
)

var unitNames = [...]string{One: "1", Nanosecond: "ns", Byte: "bytes", Microjoule: "J", Percent: "%", Millicore: "cores"}

// String returns the unit in which people and files see the metric: "1", "ns",
// "bytes", "J", "%" or "cores". Energy is kept in µJ and shown in J, cores are kept
// in thousandths: see Divisor.
func (u Unit) String() string { return unitNames[u] }

// Divisor is the number by which a value is divided to get the unit that
// String names: 1,000,000 for energy, 1,000 for cores, 1 otherwise. It is a power
// of ten.
func (u Unit) Divisor() float64 {
	switch u {
	case Microjoule:
		return 1e6
	case Millicore:
		return 1e3
	}
	return 1
}

// Metric says what a number means. One value exists for each metric; series
// point to it.
type Metric struct {
	// Name is the name in lower case with underscores, as in "cpu_time_delta".
	Name string
	// Unit is the unit of the values in the batch.
	Unit Unit
	// Kind tells a state from an amount.
	Kind Kind
	// Help is one sentence without a full stop at its end.
	Help string
	// Attributes are the keys that a series of this metric may carry, sorted.
	Attributes []string
}

// IsEnergy tells amounts of energy from all else, and from the bands and differences of a
// model, whose names go on after the word: energy of meters and models, and of pods.
func (m *Metric) IsEnergy() bool {
	return m.Unit == Microjoule && m.Kind == Delta && strings.HasSuffix(m.Name, "_energy")
}
