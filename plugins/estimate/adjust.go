package estimate

import "github.com/podjoule/podjoule/agent/plugin"

// AdjustedKeys implements plugin.Adjuster.
func (*source) AdjustedKeys() []string { return []string{"poll_interval"} }

// Adjust implements plugin.Adjuster. The source goes by the ticks, whenever they come.
func (*source) Adjust(plugin.Config) {}
