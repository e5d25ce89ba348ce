package hwmon

import (
	"strconv"

	"github.com/podjoule/podjoule/agent/measure"
)

// Attribute keys.
const (
	keyChip    = "chip"
	keyDomain  = "domain"
	keyLabel   = "label"
	keyQuality = "quality"
	keySource  = "source"
)

// What the attributes say of every joule here: it was counted by the meter, or it follows
// from power that was sampled.
const (
	qualityMeasured = "measured"
	qualityDerived  = "derived"
	sourceOfEnergy  = "hwmon"
)

// Kinds of resources.
const (
	kindPackage = "cpu_package"
	kindDRAM    = "dram"
)

// Domains that are known. Some hold others: machine holds everything, module holds grace,
// and grace holds cpu and sysio.
const (
	domainMachine = "machine"
	domainPackage = "package"
	domainCore    = "core"
	domainUncore  = "uncore"
	domainDRAM    = "dram"
	domainModule  = "module"
	domainGrace   = "grace"
	domainCPU     = "cpu"
	domainSysIO   = "sysio"
)

// place is what a meter measures. Of one place there is one meter at most.
type place struct {
	resource measure.Resource
	domain   string
}

func resourceOf(kind string, n uint64) measure.Resource {
	return measure.Resource{Kind: kind, ID: strconv.FormatUint(n, 10)}
}

var consumedEnergy = &measure.Metric{
	Name: "hwmon_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta,
	Help:       "Energy that a meter of hwmon saw consumed; domains overlap: machine holds all, module holds grace, grace holds cpu and sysio",
	Attributes: []string{keyChip, keyDomain, keyLabel, keyQuality, keySource},
}

func metrics() []*measure.Metric { return []*measure.Metric{consumedEnergy} }

// newSeries makes the series of a sensor.
func newSeries(f *sensor, p place) *measure.Series {
	attributes := []measure.Attribute{{Key: keyChip, Value: f.chip}, {Key: keyDomain, Value: p.domain}}
	if f.label != "" {
		attributes = append(attributes, measure.Attribute{Key: keyLabel, Value: f.label})
	}
	quality := qualityDerived
	if f.kind == energyCounter {
		quality = qualityMeasured
	}
	return &measure.Series{
		Metric: consumedEnergy, Resource: p.resource, Consumer: measure.Consumer{Kind: measure.LocalMachine},
		Attributes: append(attributes,
			measure.Attribute{Key: keyQuality, Value: quality}, measure.Attribute{Key: keySource, Value: sourceOfEnergy}),
	}
}
