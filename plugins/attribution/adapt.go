package attribution

import (
	"maps"

	"github.com/podjoule/podjoule/agent/measure"
)

// Adapt implements plugin.Adapter. The division goes on, with the idle power that it has
// learned, while what it divides by is measured as before; energy it knows by what it is.
func (a *attribution) Adapt(metrics []*measure.Metric) (change func(), ok bool) {
	next := &attribution{quantities: make(map[*measure.Metric]int)}
	if err := a.config.choose(next, metrics); err != nil {
		return nil, false
	}
	if a.unplaced {
		maps.DeleteFunc(next.quantities, func(_ *measure.Metric, q int) bool { return q == ofSockets })
	}
	return func() {}, maps.Equal(a.quantities, next.quantities)
}
