package agent

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// stub is a configuration that opens what a test wants.
type stub struct {
	interval time.Duration
	open     func(context.Context, *plugin.Host) (any, error)
}

func (*stub) Validate() error                                         { return nil }
func (s *stub) PollInterval() time.Duration                           { return s.interval }
func (*stub) Metrics() []*measure.Metric                              { return nil }
func (s *stub) Open(ctx context.Context, h *plugin.Host) (any, error) { return s.open(ctx, h) }
func opens(v any) func(context.Context, *plugin.Host) (any, error) {
	return func(context.Context, *plugin.Host) (any, error) { return v, nil }
}

func enabled(name string, role plugin.Role, interval time.Duration, v any) Enabled {
	return Enabled{Plugin: plugin.Plugin{Name: name, Role: role}, Config: &stub{interval, opens(v)}}
}

func source(name string, interval time.Duration, v any) Enabled {
	return enabled(name, plugin.RoleSource, interval, v)
}
func transform(name string, v any) Enabled { return enabled(name, plugin.RoleTransform, 0, v) }
func output(name string, v any) Enabled    { return enabled(name, plugin.RoleOutput, 0, v) }

// config is a configuration without a listener.
func config(plugins ...Enabled) *Config {
	c := &Config{Agent: DefaultSettings(), Plugins: plugins}
	c.Agent.Listen = ""
	return c
}

type (
	poll  func(context.Context, *measure.Batch) error
	apply func(context.Context, *measure.Batch) error
	write func(context.Context, *measure.Batch) error
)

func (f poll) Poll(ctx context.Context, b *measure.Batch) error   { return f(ctx, b) }
func (f apply) Apply(ctx context.Context, b *measure.Batch) error { return f(ctx, b) }
func (f write) Write(ctx context.Context, b *measure.Batch) error { return f(ctx, b) }

func idle(context.Context, *measure.Batch) error { return nil }

// journal notes what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf(format, args...))
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func (j *journal) count(line string) int {
	n := 0
	for _, l := range j.all() {
		if l == line {
			n++
		}
	}
	return n
}

// lockedBuffer takes a log from several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

func testLog(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// runFor runs the agent for a while and returns what Run returned. It is for
// bubbles of synctest.
func runFor(t *testing.T, d time.Duration, cfg *Config, opts RunOptions) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	return Run(ctx, cfg, opts)
}

// full is a plugin with all the powers.
type full struct {
	plugin.Output
	run   func(context.Context) error
	ready func() error
	close func() error
}

func (f *full) Run(ctx context.Context) error { return f.run(ctx) }
func (f *full) Ready() error {
	if f.ready == nil {
		return nil
	}
	return f.ready()
}
func (f *full) Close() error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

var errBroken = errors.New("broken")
