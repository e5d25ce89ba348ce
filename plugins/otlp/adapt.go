package otlp

import "github.com/podjoule/podjoule/agent/measure"

// Adapt implements plugin.Adapter: the queue and the running totals stay.
func (o *output) Adapt(metrics []*measure.Metric) (change func(), ok bool) {
	return func() {}, o.builder.renames.Check(pointKeys(metrics)) == nil
}
