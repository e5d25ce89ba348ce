package estimate

import (
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

var (
	_ plugin.Source  = (*source)(nil)
	_ plugin.Readier = (*source)(nil)
)

// A node of 4 threads of EPYC gen 3, of which 3 are busy for 2 s of 5 s. The first window
// is a baseline: nothing that was counted before the agent started is told (K8).
func TestEstimate(t *testing.T) {
	n := newNode(t, captured)
	n.open(defaults())
	n.stat(1_000_000, 4)
	if got, _ := n.poll(0); len(got) != 0 {
		t.Errorf("the first window has %v", got)
	}
	n.stat(1_000_600, 4)
	got, _ := n.poll(5 * time.Second)
	r, _ := rowNamed("amd-epyc-gen3")
	const present, busy = 20, 6 // s
	want := map[string]float64{
		"estimated_energy idle":         float64(r.idle.median * 1000 * present),
		"estimated_energy dynamic":      float64((r.full.median - r.idle.median) * 1000 * busy),
		"estimated_energy_low idle":     float64(r.idle.low * 1000 * present),
		"estimated_energy_low dynamic":  float64(r.dynamic.low * 1000 * busy),
		"estimated_energy_high idle":    float64(r.idle.high * 1000 * present),
		"estimated_energy_high dynamic": float64(r.dynamic.high * 1000 * busy),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	// Some 8.5 J and 9 J, to have said it in numbers once.
	if got["estimated_energy idle"] != 8_480_000 || got["estimated_energy dynamic"] != 8_952_000 {
		t.Errorf("%v", got)
	}
	if err := n.source.Ready(); err != nil {
		t.Errorf("a known CPU is said to be %v", err)
	}
}

// Every series says that it is an estimate, by which model, of what.
func TestSeriesSayWhereTheyComeFrom(t *testing.T) {
	n := newNode(t, captured)
	n.zone("intel-rapl:0", "package-0", 1)
	n.open(&Config{Interval: defaults().Interval, Compare: true})
	_, _ = n.poll(0)
	b, err := n.tryPoll(time.Second)
	if err != nil || len(b.Samples) != 7 {
		t.Fatalf("%d samples, error %v", len(b.Samples), err)
	}
	for i := range b.Samples {
		s := b.Samples[i].Series
		want := []measure.Attribute{{Key: "domain", Value: "server"}, {Key: "model", Value: "amd-epyc-gen3-" + tableVersion},
			{Key: "quality", Value: "estimated"}, {Key: "source", Value: "model"}}
		if part, ok := s.Attribute("part"); ok {
			want = slices.Insert(want, 2, measure.Attribute{Key: "part", Value: part})
		}
		if diff := cmp.Diff(want, s.Attributes); diff != "" {
			t.Errorf("%s: -want +got\n%s", s.Metric.Name, diff)
		}
		var keys []string
		for _, a := range s.Attributes {
			keys = append(keys, a.Key)
		}
		if diff := cmp.Diff(s.Metric.Attributes, keys); diff != "" {
			t.Errorf("%s: -declared +got\n%s", s.Metric.Name, diff)
		}
		machine := measure.Resource{Kind: measure.LocalMachine}
		if s.Resource != machine || s.Consumer != measure.Consumer(machine) {
			t.Errorf("%s is of %v and %v", s.Metric.Name, s.Resource, s.Consumer)
		}
	}
}

// A CPU that is not known gets the range of all servers, and says so; what helps is true.
func TestUnknownCPU(t *testing.T) {
	for name, cpuinfo := range map[string]string{
		"an emulated one": x86(intel, "15", "6", "Common KVM processor", "1"),
		"no file":         "",
		"an empty file":   "\n",
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, cpuinfo)
			n.open(defaults())
			err := n.source.Ready()
			for _, part := range []string{"the CPU is not known", filepath.Join(n.proc, "cpuinfo"), "set model to the nearest of amd-epyc-gen1, ", "idle_watts_per_thread"} {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("error %v, want %q in it", err, part)
				}
			}
			_, _ = n.poll(0)
			b, _ := n.tryPoll(time.Second)
			got := values(b)
			if low, high := got["estimated_energy_low idle"], got["estimated_energy_high idle"]; low <= 0 || high < 5*low {
				t.Errorf("the range is %v to %v µJ: not wide", low, high)
			}
			if model, _ := b.Samples[0].Series.Attribute("model"); model != "unknown-"+tableVersion {
				t.Errorf("model %q", model)
			}
			n.open(&Config{Interval: defaults().Interval, Model: "intel-icelake"})
			if err := n.source.Ready(); err != nil {
				t.Errorf("with a model: %v", err)
			}
			n.open(&Config{Interval: defaults().Interval, FullWatts: 2})
			if err := n.source.Ready(); err != nil {
				t.Errorf("with watts: %v", err)
			}
		})
	}
}

// Watts of the configuration have no band: nobody said how far off they are.
func TestConfiguredWatts(t *testing.T) {
	n := newNode(t, captured)
	n.open(&Config{Interval: defaults().Interval, IdleWatts: 0.5, FullWatts: 2.25})
	_, _ = n.poll(0)
	n.stat(100, 2)
	b, err := n.tryPoll(4 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"estimated_energy idle": 4_000_000, "estimated_energy dynamic": 1_750_000}
	if diff := cmp.Diff(want, values(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if model, _ := b.Samples[0].Series.Attribute("model"); model != "configured" {
		t.Errorf("model %q", model)
	}
}

// A file that cannot be read for a while loses nothing: the next reading covers the time.
func TestStatIsAwayForAWhile(t *testing.T) {
	n := newNode(t, captured)
	n.open(&Config{Interval: defaults().Interval, FullWatts: 1})
	_, _ = n.poll(0)
	n.stat(50, 1)
	_, _ = n.poll(time.Second)
	for _, text := range []string{"cpu  x\n", ""} {
		n.write(filepath.Join(n.proc, "stat"), text)
		b, err := n.tryPoll(time.Second)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(n.proc, "stat")) || len(b.Samples) != 0 {
			t.Errorf("%q: %d samples, error %v", text, len(b.Samples), err)
		}
	}
	if err := os.Remove(filepath.Join(n.proc, "stat")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.tryPoll(time.Second); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("error %v", err)
	}
	n.stat(250, 1)
	b, err := n.tryPoll(time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]float64{"estimated_energy idle": 0, "estimated_energy dynamic": 2_000_000}, values(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for i := range b.Samples {
		if b.Samples[i].Span != 4*time.Second {
			t.Errorf("it covers %v, want 4 s", b.Samples[i].Span)
		}
	}
	if b, err = n.tryPoll(time.Second); err != nil || b.Samples[0].Span != 0 {
		t.Errorf("the window after it covers %v, error %v", b.Samples[0].Span, err)
	}
}

// Counters that go backwards or jump are counted, and give no huge number (A10).
func TestOddCounters(t *testing.T) {
	n := newNode(t, captured)
	n.open(&Config{Interval: defaults().Interval, FullWatts: 1})
	n.stat(5000, 2)
	_, _ = n.poll(0)
	n.stat(10, 2)
	if got, _ := n.poll(time.Second); got["estimated_energy dynamic"] != 0 || n.host.Counter(t, "podjoule.estimate.resets") != 1 {
		t.Errorf("%v µJ, %d resets", got, n.host.Counter(t, "podjoule.estimate.resets"))
	}
	n.stat(math.MaxUint64, 2)
	if got, _ := n.poll(time.Second); got["estimated_energy dynamic"] != 2_000_000 || n.host.Counter(t, "podjoule.estimate.jumps") != 1 {
		t.Errorf("%v µJ, %d jumps", got, n.host.Counter(t, "podjoule.estimate.jumps"))
	}
}

// Over any windows, threads that come and go, and readings that fail, the sums are power
// times time to the µJ, and the estimate is within its band.
func TestSumsAreExact(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	n := newNode(t, captured)
	n.open(defaults())
	m := n.source.model
	busy, threads := uint64(0), uint64(8)
	n.stat(busy, threads)
	_, _ = n.poll(0)
	sums := make(map[string]uint64)
	present, pending := new(big.Int), time.Duration(0)
	for range 400 {
		after := time.Duration(1 + random.Int64N(int64(10*time.Second)))
		pending += after
		busy += random.Uint64N(threads*uint64(after/(10*time.Millisecond)) + 1)
		if random.IntN(10) == 0 {
			n.write(filepath.Join(n.proc, "stat"), "cpu\n")
			if _, err := n.tryPoll(after); err == nil {
				t.Fatal("a garbled file is read")
			}
			continue
		}
		before := threads
		if random.IntN(5) == 0 {
			threads = 1 + random.Uint64N(16)
		}
		most := max(before, threads)
		n.stat(busy, threads)
		b, err := n.tryPoll(after)
		if err != nil {
			t.Fatal(err)
		}
		got := values(b)
		for i := range b.Samples {
			energy, ok := b.Samples[i].Uint()
			if !ok {
				t.Fatalf("%s is a float", b.Samples[i].Series.Metric.Name)
			}
			part, _ := b.Samples[i].Series.Attribute(keyPart)
			sums[b.Samples[i].Series.Metric.Name+" "+part] += energy
		}
		for _, part := range partNames {
			// Rounding to the µJ may set them apart by one.
			if low, middle, high := got["estimated_energy_low "+part], got["estimated_energy "+part], got["estimated_energy_high "+part]; low > middle+1 || middle > high+1 {
				t.Fatalf("%s: %v is not from %v to %v", part, middle, low, high)
			}
		}
		present.Add(present, new(big.Int).Mul(big.NewInt(int64(pending)), new(big.Int).SetUint64(most)))
		pending = 0
	}
	// A last idle window takes what was carried over, and nothing is left.
	n.stat(busy, threads)
	b, err := n.tryPoll(time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Samples {
		energy, _ := b.Samples[i].Uint()
		part, _ := b.Samples[i].Series.Attribute(keyPart)
		sums[b.Samples[i].Series.Metric.Name+" "+part] += energy
	}
	present.Add(present, new(big.Int).Mul(big.NewInt(int64(time.Minute+pending)), new(big.Int).SetUint64(threads)))
	for level, metric := range energyMetrics {
		for part, ns := range [parts]*big.Int{partIdle: present, partDynamic: new(big.Int).SetUint64(nsOfTicks(busy))} {
			want := new(big.Int).Div(new(big.Int).Mul(ns, new(big.Int).SetUint64(m.power[level][part])), big.NewInt(1e9))
			if got := sums[metric.Name+" "+partNames[part]]; !want.IsUint64() || got != want.Uint64() {
				t.Errorf("%s, %s: %d µJ altogether, want %v", metric.Name, partNames[part], got, want)
			}
		}
	}
}

// A window costs no allocation.
func TestPollAllocatesNothing(t *testing.T) {
	n := newNode(t, captured)
	n.open(defaults())
	b, end := new(measure.Batch), noon()
	step := func() {
		start := end
		end = end.Add(time.Millisecond)
		b.Reset(time.Millisecond, start, end)
		if err := n.source.Poll(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	step()
	step()
	if allocs := testing.AllocsPerRun(100, step); allocs != 0 || len(b.Samples) != levels*parts {
		t.Errorf("%v allocations for %d samples", allocs, len(b.Samples))
	}
}
