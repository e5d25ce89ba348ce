package attribution

import (
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
)

// Attribute keys.
const (
	keyBasis   = "basis"
	keyKind    = "kind"
	keyNode    = "node"
	keyDomain  = "domain"
	keyPart    = "part"
	keyPolicy  = "policy"
	keyQuality = "quality"
	keySource  = "source"
)

// podKeys are what every pod has.
func podKeys() []string { return []string{"name", "namespace", keyNode, "uid"} }

// metrics are what the transform makes.
type metrics struct {
	pod                        *measure.Metric
	system, idle, unattributed *measure.Metric
}

// newMetrics declares them. A pod's energy has the pod's keys.
func newMetrics(keys []string) *metrics {
	how := []string{keyBasis, keyDomain, keyPolicy, keyQuality, keySource}
	energy := func(name, help string, keys []string) *measure.Metric {
		all := slices.Concat(keys, how)
		slices.Sort(all)
		return &measure.Metric{Name: name, Unit: measure.Microjoule, Kind: measure.Delta, Help: help, Attributes: slices.Compact(all)}
	}
	node := []string{keyNode}
	return &metrics{
		pod:          energy("pod_energy", "Energy of the pod: its part of what a meter of the node counted", keys),
		system:       energy("energy_system", "Energy of what works on the node outside of pods", node),
		idle:         energy("energy_idle", "Energy that the node would have used without any work", node),
		unattributed: energy("energy_unattributed", "Energy of windows in which it is not known who used it", node),
	}
}

func (m *metrics) all() []*measure.Metric {
	return []*measure.Metric{m.pod, m.system, m.idle, m.unattributed}
}
