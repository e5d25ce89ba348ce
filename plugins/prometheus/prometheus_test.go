package prometheus

import (
	"context"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

const energyOfWeb = `podjoule_pod_energy_joules_total{domain="package",name="web-0",namespace="shop",node="n1",quality="measured",source="rapl-powercap",uid="u-1"} `

func TestMissingSeriesLeaveThePageAndKeepTheirTotal(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web := m.newPod("web-0", "u-1")
	p.next(t, web.sample)
	p.next(t, func(*measure.Batch) {})
	if got := p.gather(t); len(got) > 0 {
		t.Errorf("after a tick without samples the page has %v", got)
	}
	p.next(t, func(b *measure.Batch) { b.Uint(web.core, 1_000_000) })
	want := []string{energyOfWeb + "2.234567"}
	if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestIntervalsAreIndependent(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web := m.newPod("web-0", "u-1")
	p.next(t, func(b *measure.Batch) { b.Uint(web.core, 1_000_000) })
	p.next(t, func(b *measure.Batch) {
		b.Interval = time.Second
		b.Uint(web.memory, 4096)
	})
	p.next(t, func(b *measure.Batch) { b.Interval = time.Second })
	want := []string{energyOfWeb + "1"}
	if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestEndedCountersAreKeptAndGaugesGo(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web := m.newPod("web-0", "u-1")
	p.next(t, web.sample)
	p.next(t, func(b *measure.Batch) {
		b.Uint(web.core, 1) // its last sample comes in the batch that ends it
		b.Uint(web.memory, 4096)
		b.Retire(web.core, web.memory)
	})
	ended := p.end
	want := []string{energyOfWeb + "1.234568"}
	for p.end.Sub(ended) < 5*time.Minute {
		p.next(t, func(*measure.Batch) {})
		if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
			t.Fatalf("%v after the end (-want +got):\n%s", p.end.Sub(ended), diff)
		}
	}
	p.next(t, func(b *measure.Batch) { b.Retire(web.series()...) })
	p.next(t, func(*measure.Batch) {})
	if got := p.linesOf(t, energyOfWeb); len(got) > 0 {
		t.Errorf("more than five minutes after the end the page has %q", got)
	}
	if got, want := len(p.gather(t)), 5; got != want {
		t.Errorf("%d counters that ended later are on the page, want %d", got, want)
	}
}

func TestEverythingIsFreedInTheEnd(t *testing.T) {
	m := newMetrics()
	for _, keep := range []time.Duration{0, time.Minute} {
		p := open(t, &Config{Path: "/metrics", KeepEnded: plugin.Duration(keep)}, m.all()...)
		web := m.newPod("web-0", "u-1")
		p.next(t, web.sample)
		p.next(t, func(b *measure.Batch) { b.Retire(web.series()...) })
		if got, want := len(p.gather(t)), 6; keep > 0 && got != want || keep == 0 && got != 0 {
			t.Errorf("keep_ended %v: %d samples after the end", keep, got)
		}
		p.end = p.end.Add(keep)
		p.next(t, func(*measure.Batch) {})
		if len(p.lines)+len(p.live)+len(p.kept) != 0 {
			t.Errorf("keep_ended %v: %d lines, %d live, %d kept are left", keep, len(p.lines), len(p.live), len(p.kept))
		}
	}
}

// TestCounterGoesOnUnderTheSameLabels also shows that a series which takes the
// place of one that is kept makes no second line.
func TestCounterGoesOnUnderTheSameLabels(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	first, second, third := m.newPod("web-0", "u-1"), m.newPod("web-0", "u-1"), m.newPod("web-0", "u-1")
	p.next(t, func(b *measure.Batch) { b.Uint(first.core, 1) })
	p.next(t, func(b *measure.Batch) {
		b.Uint(first.core, 2)
		b.Uint(second.core, 4) // comes before the first one is retired
		b.Retire(first.core)
	})
	p.next(t, func(b *measure.Batch) { b.Retire(second.core) })
	p.next(t, func(*measure.Batch) {})
	p.next(t, func(b *measure.Batch) { b.Uint(third.core, 8) })
	want := []string{energyOfWeb + "1.5e-05"}
	if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
	p.end = p.end.Add(time.Hour)
	p.next(t, func(b *measure.Batch) { b.Uint(third.core, 16) })
	want = []string{energyOfWeb + "3.1e-05"}
	if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
		t.Errorf("an hour later (-want +got):\n%s", diff)
	}
}

func TestGaugeListensToTheNewestSeries(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	first, second := m.newPod("web-0", "u-1"), m.newPod("web-0", "u-1")
	p.next(t, func(b *measure.Batch) { b.Uint(first.memory, 1) })
	p.next(t, func(b *measure.Batch) {
		b.Uint(second.memory, 2)
		b.Uint(first.memory, 3)
		b.Retire(first.memory)
	})
	want := []string{`podjoule_memory_usage_bytes{name="web-0",namespace="shop",node="n1",uid="u-1"} 2`}
	if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestWriteNamesWhatItLeavesOut(t *testing.T) {
	m := newMetrics()
	web, twin := m.newPod("web-0", "u-1"), m.newPod("web-0", "u-1")
	odd := *web.memory
	odd.Attributes = []measure.Attribute{{Key: "secret", Value: "hush"}}
	for _, tt := range []struct {
		name, want string
		fill       func(*measure.Batch)
	}{
		{"undeclared metric", "energy_idle is left out: its plugin did not declare the metric", func(b *measure.Batch) {
			b.Uint(&measure.Series{Metric: &measure.Metric{Name: "energy_idle"}}, 1)
		}},
		{"undeclared attribute", `memory_usage is left out: it has the attribute "secret"`, func(b *measure.Batch) { b.Uint(&odd, 1) }},
		{"counter that is a float", "pod_energy is left out: a counter takes integers only", func(b *measure.Batch) {
			b.Float(web.dram, 1.5)
		}},
		{"two live gauges of the same labels", "memory_usage is left out: another series has the same labels, {name=web-0,", func(b *measure.Batch) {
			b.Uint(web.memory, 1)
			b.Uint(twin.memory, 2)
			b.Uint(web.memory, 3)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := openDefault(t, m.all()...)
			b := new(measure.Batch)
			b.Reset(interval, tick, tick.Add(interval))
			tt.fill(b)
			b.Uint(web.core, 1_000_000)
			err := p.Write(t.Context(), b)
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hush") {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if diff := cmp.Diff([]string{energyOfWeb + "1"}, p.linesOf(t, "podjoule_pod_energy")); diff != "" {
				t.Errorf("the rest of the batch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCreatedIsTheStartOfTheFirstWindow(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web, old := m.newPod("web-0", "u-1"), m.newPod("old-0", "u-2")
	p.next(t, func(b *measure.Batch) {
		b.Uint(web.core, 1_000_000)
		b.UintOver(old.core, 1_000_000, 8*time.Second)
	})
	start := p.end.Add(-interval)
	p.next(t, func(b *measure.Batch) { b.Uint(web.core, 1_000_000) })
	p.next(t, func(b *measure.Batch) {
		b.Uint(web.core, 1_000_000)
		b.Uint(old.core, 1_000_000)
	})
	got := make(map[string]int64)
	for l := range strings.Lines(p.scrape(t, openMetrics)) {
		if name, value, _ := strings.Cut(strings.TrimSpace(l), " "); strings.HasPrefix(name, "podjoule_pod_energy_joules_created{") {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				t.Fatal(err)
			}
			got[name[strings.Index(name, "name="):strings.Index(name, ",namespace")]] = int64(math.Round(seconds * 1e3))
		}
	}
	want := map[string]int64{
		`name="web-0"`: start.UnixMilli(),
		`name="old-0"`: start.Add(-3 * time.Second).UnixMilli(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("created, in ms (-want +got):\n%s", diff)
	}
}

func TestRenamedLabels(t *testing.T) {
	m := newMetrics()
	c := Plugin().Config().(*Config)
	c.RenameAttributes = plugin.Renames{"name": "pod", "uid": "name"}
	p := open(t, c, m.all()...)
	web := m.newPod("web-0", "u-1")
	p.next(t, func(b *measure.Batch) { b.Uint(web.memory, 4096) })
	want := []string{`podjoule_memory_usage_bytes{name="u-1",namespace="shop",node="n1",pod="web-0"} 4096`}
	if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
		t.Errorf("page (-want +got):\n%s", diff)
	}
}

func TestWriteDoesNotAllocate(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	b := new(measure.Batch)
	b.Reset(interval, tick, tick.Add(interval))
	for i := range 110 {
		m.newPod("web-"+strconv.Itoa(i), "u-"+strconv.Itoa(i)).sample(b)
	}
	allocs := testing.AllocsPerRun(50, func() {
		if err := p.Write(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	})
	if allocs != 0 {
		t.Errorf("%v allocations a batch, want 0", allocs)
	}
}

func BenchmarkWrite(b *testing.B) {
	m := newMetrics()
	p := openDefault(b, m.all()...)
	batch := new(measure.Batch)
	batch.Reset(interval, tick, tick.Add(interval))
	for i := range 110 {
		m.newPod("web-"+strconv.Itoa(i), "u-"+strconv.Itoa(i)).sample(batch)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := p.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
}
