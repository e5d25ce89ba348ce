package estimate

import "github.com/podjoule/podjoule/agent/measure"

// Attribute keys, and the values that are the same for every series.
const (
	keyDomain  = "domain"
	keyModel   = "model"
	keyPart    = "part"
	keyQuality = "quality"
	keySource  = "source"

	domain  = "server"
	quality = "estimated"
	origin  = "model"
)

// The parts of the energy, in the order of partNames.
const (
	partIdle    = iota // what the threads' share of the server takes with no work
	partDynamic        // what their work takes besides
	parts              // how many
)

var partNames = [parts]string{partIdle: "idle", partDynamic: "dynamic"}

// The levels at which energy is told, in the order of energyMetrics.
const (
	levelMiddle = iota // the estimate
	levelLow           // the ends of the band around it
	levelHigh
	levels // how many
)

var energyMetrics = [levels]*measure.Metric{
	levelMiddle: {
		Name: "estimated_energy", Unit: measure.Microjoule, Kind: measure.Delta, Attributes: partKeys,
		Help: "Energy of the whole server, at the wall, that a model tells for the node's hardware threads: idle, and what work takes besides",
	},
	levelLow: {
		Name: "estimated_energy_low", Unit: measure.Microjoule, Kind: measure.Delta, Attributes: partKeys,
		Help: "Lower end of the band around estimated_energy: the 10th percentile of the servers behind the model",
	},
	levelHigh: {
		Name: "estimated_energy_high", Unit: measure.Microjoule, Kind: measure.Delta, Attributes: partKeys,
		Help: "Upper end of the band around estimated_energy: the 90th percentile of the servers behind the model",
	},
}

var difference = &measure.Metric{
	Name: "estimated_energy_difference", Unit: measure.Microjoule, Kind: measure.Gauge,
	Attributes: []string{keyDomain, keyModel, keyQuality, keySource},
	Help:       "estimated_energy of the last window less what the CPU packages and their memory measured in it",
}

var partKeys = []string{keyDomain, keyModel, keyPart, keyQuality, keySource}

// newSeries returns the series of one part at one level, of a model.
func newSeries(level, part int, model string) *measure.Series {
	return ofMachine(energyMetrics[level],
		measure.Attribute{Key: keyDomain, Value: domain},
		measure.Attribute{Key: keyModel, Value: model},
		measure.Attribute{Key: keyPart, Value: partNames[part]},
		measure.Attribute{Key: keyQuality, Value: quality},
		measure.Attribute{Key: keySource, Value: origin},
	)
}

func newDifference(model string) *measure.Series {
	return ofMachine(difference,
		measure.Attribute{Key: keyDomain, Value: domain},
		measure.Attribute{Key: keyModel, Value: model},
		measure.Attribute{Key: keyQuality, Value: quality},
		measure.Attribute{Key: keySource, Value: origin},
	)
}

func ofMachine(m *measure.Metric, attributes ...measure.Attribute) *measure.Series {
	return &measure.Series{
		Metric:     m,
		Resource:   measure.Resource{Kind: measure.LocalMachine},
		Consumer:   measure.Consumer{Kind: measure.LocalMachine},
		Attributes: attributes,
	}
}
