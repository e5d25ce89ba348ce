package estimate

import (
	"fmt"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Meters implements plugin.Metered: the model, which stands for a meter where there is none.
func (s *source) Meters() []plugin.Meter {
	m := plugin.Meter{
		Name: "model " + strings.TrimSuffix(s.model.name, "-"+tableVersion), Domain: domain,
		Resource: measure.Resource{Kind: measure.LocalMachine}, State: plugin.MeterUsed,
	}
	if why := s.resting.Load(); why != nil {
		m.State = plugin.MeterNotNeeded
		m.Why, _ = plugin.Apart(*why) // what helps is for those who asked for it
		return []plugin.Meter{m}
	}
	switch {
	case s.doubt != nil:
		m.Why, m.Remedy = plugin.Apart(s.doubt)
	case s.model.machines == 0:
		m.Why = "an estimate, with the watts of the configuration"
	default:
		m.Why = fmt.Sprintf("an estimate of the whole server at the wall, from what %d servers with such a CPU took", s.model.machines)
	}
	for _, series := range s.series[levelMiddle] {
		if series != nil {
			m.Energy = append(m.Energy, series)
		}
	}
	return []plugin.Meter{m}
}
