package csv

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// columns are the columns of the file, in their order.
type columns struct {
	fixed []string
	// keys are the attributes whose columns follow the fixed ones, and names
	// are what these columns are called.
	keys, names []string
	renames     plugin.Renames
}

// newColumns returns the columns for the given metrics. Attribute columns are
// sorted by the name that is shown.
func newColumns(metrics []*measure.Metric, renames plugin.Renames) (*columns, error) {
	c := &columns{renames: renames, fixed: []string{
		"timestamp", "metric", "unit", "value", "resource_kind", "resource_id", "consumer_kind", "consumer_id",
	}}
	for _, m := range metrics {
		c.keys = append(c.keys, m.Attributes...)
	}
	slices.Sort(c.keys)
	c.keys = slices.Compact(c.keys)
	if err := renames.Check(c.keys); err != nil {
		return nil, err
	}
	slices.SortFunc(c.keys, func(a, b string) int { return strings.Compare(renames.Name(a), renames.Name(b)) })
	for _, key := range c.keys {
		name := renames.Name(key)
		if slices.Contains(c.fixed, name) {
			return nil, plugin.Keyf("rename_attributes",
				"the attribute %q would share the column %q, which every row has: give it another name", key, name)
		}
		c.names = append(c.names, name)
	}
	return c, nil
}

// header returns the first line of the file, with its line end.
func (c *columns) header() string { return line(slices.Concat(c.fixed, c.names)...) }

// line quotes and joins fields as RFC 4180 has it, with LF at the end.
func line(fields ...string) string {
	var buf bytes.Buffer
	w := csv.NewWriter(&buf)
	_ = w.Write(fields) // a buffer takes everything
	w.Flush()
	return buf.String()
}
