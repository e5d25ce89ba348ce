package rapl

import "github.com/podjoule/podjoule/agent/measure"

// Attribute keys.
const (
	keyDomain  = "domain"
	keyQuality = "quality"
	keySource  = "source"
)

// What the attributes say of every joule here.
const (
	qualityMeasured      = "measured"
	sourcePowercapEnergy = "rapl-powercap"
	sourcePerfEnergy     = "rapl-perf"
)

// Kinds of resources.
const (
	kindPackage = "cpu_package"
	kindDRAM    = "dram"
)

// Domains, as the attribute has them. Some hold others: platform holds every package,
// a package holds its core and uncore. DRAM is apart from the package on servers.
// Names of the kernel that are not among these stay as they are.
const (
	domainPackage  = "package"
	domainCore     = "core"
	domainUncore   = "uncore"
	domainDRAM     = "dram"
	domainPlatform = "platform"
)

var consumedEnergy = &measure.Metric{
	Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta,
	Help:       "Energy that a domain consumed; domains overlap: platform holds package, package holds core and uncore",
	Attributes: []string{keyDomain, keyQuality, keySource},
}

func metrics() []*measure.Metric { return []*measure.Metric{consumedEnergy} }

// newSeries makes the series of a domain that is measured by a way.
func newSeries(p place, source string) *measure.Series {
	return &measure.Series{
		Metric:   consumedEnergy,
		Resource: p.resource,
		Consumer: measure.Consumer{Kind: measure.LocalMachine},
		Attributes: []measure.Attribute{
			{Key: keyDomain, Value: p.domain},
			{Key: keyQuality, Value: qualityMeasured},
			{Key: keySource, Value: source},
		},
	}
}
