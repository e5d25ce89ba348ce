// Package csv is the output that writes samples as rows of comma-separated
// values, to a file or to standard output.
package csv

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
	// RotateBytes is how large a file becomes at most before the next one is begun;
	// a batch is never divided. 0 is any size.
	RotateBytes Size `toml:"rotate_bytes"`
	// RotateEvery begins a file at its multiples in UTC, such as at midnight for 24h.
	// 0 is never.
	RotateEvery plugin.Duration `toml:"rotate_every"`
	// Keep is how many rotated files are kept at most; 0 keeps all.
	Keep int `toml:"keep"`
	// Gzip compresses files when they were rotated.
	Gzip bool `toml:"gzip"`
	// RenameAttributes gives attribute columns other names.
	RenameAttributes plugin.Renames `toml:"rename_attributes"`
}

// Validate checks what can be told without the metrics of other plugins.
func (c *Config) Validate() error {
	if c.Path == "" {
		return plugin.Keyf("path", "want the path of a file, or %q for standard output", stdout)
	}
	if err := c.checkRotation(); err != nil {
		return err
	}
	return c.RenameAttributes.Check(slices.Sorted(maps.Keys(c.RenameAttributes)))
}

// rotates tells whether files are rotated.
func (c *Config) rotates() bool { return c.RotateBytes > 0 || c.RotateEvery > 0 }

func (c *Config) checkRotation() error {
	switch every := time.Duration(c.RotateEvery); {
	case every != 0 && every < time.Second:
		return plugin.Keyf("rotate_every", "want at least 1s, or 0s for never, have %v", every)
	case c.Keep < 0:
		return plugin.Keyf("keep", "want a number of files, or 0 for all, have %d", c.Keep)
	case c.Keep > 0 && !c.rotates():
		return plugin.Keyf("keep", "needs rotate_bytes or rotate_every: without them there is one file")
	case c.Gzip && !c.rotates():
		return plugin.Keyf("gzip", "needs rotate_bytes or rotate_every: files are compressed when they were rotated")
	case c.rotates() && c.Path == stdout:
		return plugin.Keyf("path", "rotate_bytes and rotate_every need the path of a file, have standard output")
	case c.rotates() && strings.HasSuffix(c.Path, zippedExt):
		return plugin.Keyf("path", "%s is what compressed files end in: give the file another ending", zippedExt)
	}
	return nil
}

// Open opens the file and checks that its columns are those of the enabled
// plugins. What it returns is a plugin.Output, a plugin.Runner, a plugin.Readier
// and an io.Closer. The header is written together with the first batch.
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
		if f, ok := host.Stdout.(*os.File); ok && mayStop(f) {
			out.stream = newStream(f, cols.header())
		}
		return out, nil
	}
	if err := c.openFile(out, cols.header()); err != nil {
		return nil, &plugin.KeyError{Key: "path", Err: err}
	}
	if before, ok := host.Replaces.(*output); ok {
		out.before = before.sink
		out.before.replaced.Store(true)
	}
	return out, nil
}

func (c *Config) openFile(out *output, header string) error {
	path := c.Path
	var r *rotation
	if c.rotates() {
		// A symbolic link stays where it is; what it leads to is rotated.
		if target, err := filepath.EvalSymlinks(path); err == nil {
			path = target
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		r = newRotation(c, path)
	}
	s, err := openSink(path, header, r)
	if err != nil {
		return err
	}
	out.sink = s
	switch {
	case r != nil && !s.opened.Mode().IsRegular():
		return errors.Join(fmt.Errorf("%s is no regular file, so rotate_bytes and rotate_every cannot work: leave them out", path), s.close())
	case r != nil:
		out.archive = &archive{rotation: r}
	case mayStop(s.file):
		out.stream = newStream(s.file, header)
	}
	return nil
}
