package estimate

import "github.com/podjoule/podjoule/agent/plugin"

// PaceKeys implements plugin.Repacer.
func (*source) PaceKeys() []string { return []string{"poll_interval"} }

// Repace implements plugin.Repacer. The source goes by the ticks, whenever they come.
func (*source) Repace(plugin.Config) {}
