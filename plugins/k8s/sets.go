package k8s

import (
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
)

// metricSets are the metrics of both levels with the attributes that are chosen.
type metricSets struct {
	attributes       []string // as configured
	pods, containers metricSet
}

// sets returns the metrics as they are configured. They are made once, since a
// metric is one value for all who look at it.
func (c *Config) sets() *metricSets {
	if c.made != nil && slices.Equal(c.made.attributes, c.Attributes) {
		return c.made
	}
	c.made = &metricSets{attributes: slices.Clone(c.Attributes), pods: podMetrics, containers: containerMetrics}
	chosen, err := choose(c.Attributes)
	if keys := chosen.keys(); err == nil && len(keys) > 0 { // else Validate says what is wrong
		c.made.pods, c.made.containers = newMetricSets(keys...)
	}
	return c.made
}

// newMetricSets declares the metrics of both levels, whose series may have more
// keys than those that every pod has.
func newMetricSets(more ...string) (pods, containers metricSet) {
	keys := append([]string{keyName, keyNamespace, keyNode, keyUID}, more...)
	pods = newMetricSet("", "pod", slices.Clone(keys)...)
	slices.Sort(keys)
	pods.requests = newRequestMetrics(keys)
	pods.cpuPackageTime = &measure.Metric{
		Name: "cpu_package_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
		Help: "CPU time spent by the pod on the CPUs of a package", Attributes: keys,
	}
	return pods, newMetricSet("container_", "container", append([]string{keyContainer, keyContainerID}, keys...)...)
}
