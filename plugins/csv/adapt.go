package csv

import (
	"slices"

	"github.com/podjoule/podjoule/agent/measure"
)

// Adapt implements plugin.Adapter: a file goes on while its columns are the same.
func (o *output) Adapt(metrics []*measure.Metric) (change func(), ok bool) {
	now := o.rows.columns
	next, err := newColumns(metrics, now.renames)
	ok = err == nil && slices.Equal(next.keys, now.keys) && slices.Equal(next.names, now.names)
	return func() {}, ok
}
