package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// oddSource is a source that lists nothing, or fails.
type oddSource struct {
	energy map[*measure.Series]uint64
	err    error
	closed error
	run    chan struct{}
	lasts  []bool // of the batches that it was polled for
}

func (s *oddSource) Poll(_ context.Context, b *measure.Batch) error {
	s.lasts = append(s.lasts, b.Last)
	for x, n := range s.energy {
		b.Uint(x, n)
	}
	return s.err
}

func (s *oddSource) Ready() error { return s.err }

func (s *oddSource) Close() error { return s.closed }

func (s *oddSource) Run(ctx context.Context) error {
	<-ctx.Done()
	close(s.run)
	return ctx.Err()
}

// A source that cannot list its meters is shown by what it tells; one that fails says why.
func TestPowerOfOddSources(t *testing.T) {
	series := func(metric string, kind measure.Kind, quality string) *measure.Series {
		return &measure.Series{
			Metric:   &measure.Metric{Name: metric, Unit: measure.Microjoule, Kind: kind},
			Resource: measure.Resource{Kind: "gpu", ID: "1"}, Attributes: []measure.Attribute{{Key: "domain", Value: "board"}, {Key: "quality", Value: quality}},
		}
	}
	gpu, model := series("gpu_energy", measure.Delta, "measured"), series("modelled_energy", measure.Delta, "estimated")
	synctest.Test(t, func(t *testing.T) {
		sources := []*energySource{
			{name: "one", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), energy: map[*measure.Series]uint64{
				gpu: 5, series("gpu_energy_low", measure.Delta, ""): 100, series("difference_energy", measure.Gauge, ""): 100,
			}}},
			{name: "two", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), err: errors.New("the bus is away; plug it in"),
				energy: map[*measure.Series]uint64{model: 7}}},
			{name: "three", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), err: errors.New("the bus is away; plug it in")}},
			{name: "four", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), closed: errors.New("it sticks")}},
			{name: "five", err: errors.New("open five: no luck")},
		}
		for _, s := range sources[:4] {
			s.source = s.opened.(plugin.Source)
		}
		report := &powerReport{passed: readEnergy(t.Context(), sources, 2*time.Second)}
		for _, s := range sources[:4] {
			select {
			case <-s.opened.(*oddSource).run:
			default:
				t.Errorf("%s still runs", s.name)
			}
		}
		for _, s := range sources {
			report.add(s)
		}
		want := []powerRow{
			{source: "one", meter: "-", domain: "board", resource: "gpu 1", state: "used", energy: 15, known: true}, // three polls
			{source: "two", meter: "-", domain: "board", resource: "gpu 1", state: "estimated", energy: 21, known: true},
			{source: "two", meter: "-", why: "the bus is away", remedy: "plug it in"},
			{source: "three", meter: "-", state: "silent", why: "the bus is away", remedy: "plug it in"},
			{source: "four", meter: "-", state: "silent", why: "it told of no meter"},
			{source: "five", meter: "-", state: "failed", why: "open five: no luck"},
		}
		if diff := cmp.Diff(want, report.rows, cmp.AllowUnexported(powerRow{})); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if err := sources[3].close(); err == nil || err.Error() != "close four: it sticks" {
			t.Errorf("close: %v", err)
		}
		if err := sources[4].close(); err != nil {
			t.Errorf("close of what was not opened: %v", err)
		}
		for _, says := range []string{"two, the bus is away.\n", "    → plug it in.\n", "five, open five: no luck.\n"} {
			if !strings.Contains(report.String(), says) {
				t.Errorf("%q is not in\n%s", says, report)
			}
		}
	})
}

// A reading that is ended early tells of the time until then.
func TestPowerIsEndedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &measure.Series{Metric: &measure.Metric{Name: "gpu_energy", Unit: measure.Microjoule, Kind: measure.Delta}}
		odd := &oddSource{run: make(chan struct{}), energy: map[*measure.Series]uint64{x: 1}}
		s := &energySource{energy: map[*measure.Series]uint64{}, opened: odd, source: odd}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3500*time.Millisecond, cancel)
		if passed := readEnergy(ctx, []*energySource{s}, time.Hour); passed != 3500*time.Millisecond || s.energy[x] != 5 {
			t.Errorf("read for %v, with %d polls, want 3.5 s and 5", passed, s.energy[x])
		}
		// What a source has held back belongs to the last reading.
		if diff := cmp.Diff([]bool{false, false, false, false, true}, odd.lasts); diff != "" {
			t.Errorf("which is the last (-want +got):\n%s", diff)
		}
	})
}
