// Package csv is the output that writes samples as rows of comma-separated
// values, to a file or to standard output.
package csv

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/plugin"
)

// Plugin declares the csv output.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name:   "csv",
		Doc:    "writes every sample as a row of comma-separated values, to a file or to standard output",
		Role:   plugin.RoleOutput,
		Config: func() plugin.Config { return &Config{Path: stdout, RenameAttributes: plugin.Renames{}} },
	}
}

// stdout is the path that stands for standard output.
const stdout = "-"

// Config is the table [plugins.csv].
type Config struct {
	// Path is the file that rows are appended to; "-" is standard output.
	Path string `toml:"path"`
	// RenameAttributes gives attribute columns other names.
	RenameAttributes plugin.Renames `toml:"rename_attributes"`
}

// Validate checks what can be told without the metrics of other plugins.
func (c *Config) Validate() error {
	if c.Path == "" {
		return plugin.Keyf("path", "want the path of a file, or %q for standard output", stdout)
	}
	return c.RenameAttributes.Check(slices.Sorted(maps.Keys(c.RenameAttributes)))
}

// Open opens the file and checks that its columns are those of the enabled
// plugins. What it returns is a plugin.Output and an io.Closer. The header is
// written together with the first batch.
func (c *Config) Open(ctx context.Context, host *plugin.Host) (any, error) {
	cols, err := newColumns(host.Metrics, c.RenameAttributes)
	if err != nil {
		return nil, err
	}
	lost, err := host.Meter.Int64Counter("podjoule.csv.lost_rows", metric.WithUnit("{row}"),
		metric.WithDescription("Rows that were given up because the file took none for too long"))
	if err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	lost.Add(ctx, 0) // a counter that has not counted yet is seen as 0
	out := &output{rows: newEncoder(cols), lost: lost}
	if c.Path == stdout {
		out.sink = &sink{w: host.Stdout, lead: []byte(cols.header())}
		return out, nil
	}
	if out.sink, err = openSink(c.Path, cols.header()); err != nil {
		return nil, &plugin.KeyError{Key: "path", Err: err}
	}
	return out, nil
}
