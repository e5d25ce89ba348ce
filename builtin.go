package main

import (
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/plugins/attribution"
	"github.com/podjoule/podjoule/plugins/csv"
	"github.com/podjoule/podjoule/plugins/estimate"
	"github.com/podjoule/podjoule/plugins/hwmon"
	"github.com/podjoule/podjoule/plugins/k8s"
	"github.com/podjoule/podjoule/plugins/otlp"
	"github.com/podjoule/podjoule/plugins/prometheus"
	"github.com/podjoule/podjoule/plugins/rapl"
	"github.com/podjoule/podjoule/plugins/remotewrite"
)

// defaultOutput runs when a configuration has no table of any output.
const defaultOutput = "csv"

// builtin returns all plugins in pipeline order: sources, transforms, outputs.
// Sources of one interval are read in this order within a tick, and batches
// reach the outputs in this order.
func builtin() []plugin.Plugin {
	return []plugin.Plugin{
		k8s.Plugin(),
		rapl.Plugin(),
		hwmon.Plugin(),
		estimate.Plugin(),

		attribution.Plugin(),

		csv.Plugin(),
		prometheus.Plugin(),
		remotewrite.Plugin(),
		otlp.Plugin(),
	}
}
