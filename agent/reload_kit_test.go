package agent

import (
	"context"
	"errors"
	"maps"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// reloads has configurations for an agent that runs in a bubble.
type reloads struct {
	t      *testing.T
	next   *Config
	wrong  error
	hangup chan os.Signal
	log    lockedBuffer
	over   chan error
	end    context.CancelFunc
}

// runReloading runs an agent that can be reloaded.
func runReloading(t *testing.T, cfg *Config) *reloads {
	r := &reloads{t: t, hangup: make(chan os.Signal), over: make(chan error, 1)}
	var ctx context.Context
	ctx, r.end = context.WithCancel(t.Context())
	go func() {
		r.over <- Run(ctx, cfg, RunOptions{Version: "test", Log: testLog(&r.log), Reload: r.hangup,
			Load: func() (*Config, error) { return r.next, r.wrong }})
	}()
	return r
}

// take reloads, and waits until nothing moves any more.
func (r *reloads) take(plugins ...Enabled) {
	r.next = config(plugins...)
	r.hangup <- syscall.SIGHUP
	synctest.Wait()
}

// stop ends the agent.
func (r *reloads) stop() {
	r.t.Helper()
	r.end()
	if err := <-r.over; err != nil {
		r.t.Error(err)
	}
}

// counted is a counter of a machine. Any number of sources may read it.
type counted struct{ n atomic.Uint64 }

// reader is a source that tells how much a counter counts.
type reader struct {
	of     *counted
	series *measure.Series
	known  bool
	last   uint64
	lasts  int // batches that were its last
	closed bool
}

// opensReader is the table of a source that reads a counter.
func opensReader(name string, interval time.Duration, of *counted, opened *[]*reader) Enabled {
	m := &measure.Metric{Name: name, Kind: measure.Delta}
	return Enabled{
		Plugin: plugin.Plugin{Name: name, Role: plugin.RoleSource, Metrics: []*measure.Metric{m}},
		Config: &metricStub{stub{interval, func(context.Context, *plugin.Host) (any, error) {
			r := &reader{of: of, series: &measure.Series{Metric: m}}
			*opened = append(*opened, r)
			return r, nil
		}}, []*measure.Metric{m}},
		table: map[string]any{"poll_interval": interval.String()},
	}
}

func (r *reader) Poll(_ context.Context, b *measure.Batch) error {
	if r.closed {
		return errors.New("polled after its end")
	}
	n := r.of.n.Load()
	if b.Last || !b.Start.Equal(b.End) {
		if r.known {
			b.Uint(r.series, n-r.last)
		}
		r.last, r.known = n, true
	} else if !r.known {
		r.last, r.known = n, true
	}
	if b.Last {
		r.lasts++
	}
	return nil
}

func (r *reader) Close() error { r.closed = true; return nil }

// paced is a reader that takes another interval.
type paced struct{ *reader }

func (paced) AdjustedKeys() []string { return []string{"poll_interval"} }
func (paced) Adjust(plugin.Config)   {}

// opensPaced is opensReader whose interval may change.
func opensPaced(name string, interval time.Duration, of *counted, opened *[]*reader) Enabled {
	e := opensReader(name, interval, of, opened)
	inner := e.Config.(*metricStub).open
	e.Config.(*metricStub).open = func(ctx context.Context, h *plugin.Host) (any, error) {
		v, err := inner(ctx, h)
		return paced{v.(*reader)}, err
	}
	return e
}

// tally is an output that adds up.
type tally struct {
	mu      sync.Mutex
	sums    map[string]uint64
	windows map[time.Duration]time.Time // the end of the last one of an interval
	live    map[*measure.Series]bool
	gaps    int // windows that do not begin where the one before ended
	after   int // samples of series that had ended
	opened  int
}

func newTally() *tally {
	return &tally{sums: map[string]uint64{}, windows: map[time.Duration]time.Time{}, live: map[*measure.Series]bool{}}
}

func (t *tally) Write(_ context.Context, b *measure.Batch) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if end, there := t.windows[b.Interval]; there && !end.Equal(b.Start) {
		t.gaps++
	}
	t.windows[b.Interval] = b.End
	for i := range b.Samples {
		s := b.Samples[i].Series
		if alive, known := t.live[s]; known && !alive {
			t.after++
		}
		t.live[s] = true
		n, _ := b.Samples[i].Uint()
		t.sums[s.Metric.Name] += n
	}
	for _, s := range b.Ended {
		t.live[s] = false
	}
	return nil
}

// end returns when the last window of an interval ended.
func (t *tally) end(interval time.Duration) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.windows[interval]
}

// alive returns how many series have not ended.
func (t *tally) alive() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for alive := range maps.Values(t.live) {
		if alive {
			n++
		}
	}
	return n
}

// opensTally is an output that goes on whatever metrics there are.
func opensTally(name string, to *tally) Enabled {
	e := output(name, nil)
	e.Config = &stub{open: func(context.Context, *plugin.Host) (any, error) { to.opened++; return adapting{to}, nil }}
	return e
}

type adapting struct{ *tally }

func (adapting) Adapt([]*measure.Metric) (func(), bool) { return func() {}, true }

// observed is a callback for an instrument.
func observed(value func() int64) metric.Int64ObservableGaugeOption {
	return metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(value()); return nil })
}
