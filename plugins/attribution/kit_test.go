package attribution

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

const interval = 5 * time.Second

var (
	cpuMetric = &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta,
		Help: "CPU time", Attributes: []string{"kind", "name", "namespace", "node", "uid"}}
	energyMetric = &measure.Metric{Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta,
		Help: "Energy", Attributes: []string{"domain", "node", "quality", "source"}}
)

// rig is the transform on a node whose time is scripted.
type rig struct {
	*attribution
	t      testing.TB
	host   *plugintest.Host
	procfs string
	node   nodeTime
	end    time.Time
	batch  measure.Batch
	series map[string]*measure.Series
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, procfs: t.TempDir(), end: time.Now(), series: make(map[string]*measure.Series)}
	r.work(0, 0)
	c := defaults()
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	metrics := []*measure.Metric{cpuMetric, energyMetric}
	r.host = plugintest.NewHost(t, append(metrics, c.Derive(metrics)...)...)
	r.host.ProcfsRoot = r.procfs
	opened, err := c.Open(t.Context(), r.host.Host)
	if err != nil {
		t.Fatal(err)
	}
	r.attribution = opened.(*attribution)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// work has the node's CPUs be busy and idle for a time.
func (r *rig) work(busy, idle time.Duration) {
	r.t.Helper()
	r.node.busy += uint64(busy)
	r.node.all += uint64(busy + idle)
	text := fmt.Sprintf("cpu  %d 0 0 %d 0 0 0 0 0 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n", r.node.busy/nsPerTick, (r.node.all-r.node.busy)/nsPerTick)
	if err := os.WriteFile(filepath.Join(r.procfs, "stat"), []byte(text), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// cpu returns the series of a pod's CPU time.
func (r *rig) cpu(name string) *measure.Series {
	if r.series[name] == nil {
		r.series[name] = &measure.Series{Metric: cpuMetric, Resource: measure.Resource{Kind: measure.LocalMachine},
			Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods/" + name},
			Attributes: []measure.Attribute{{Key: "kind", Value: "total"}, {Key: "name", Value: name}, {Key: "namespace", Value: "shop"},
				{Key: "node", Value: "n"}, {Key: "uid", Value: "uid of " + name}}}
	}
	return r.series[name]
}

// meter returns the series of a domain's energy.
func (r *rig) meter(domain string) *measure.Series {
	if r.series[domain] == nil {
		r.series[domain] = &measure.Series{Metric: energyMetric, Resource: measure.Resource{Kind: "cpu_package", ID: "0"},
			Consumer: measure.Consumer{Kind: measure.LocalMachine},
			Attributes: []measure.Attribute{{Key: "domain", Value: domain}, {Key: "node", Value: "n"},
				{Key: "quality", Value: "measured"}, {Key: "source", Value: "rapl-powercap"}}}
	}
	return r.series[domain]
}

// apply hands the transform a batch that ends some time after the one before.
func (r *rig) apply(passed time.Duration, fill func(b *measure.Batch)) *measure.Batch {
	r.t.Helper()
	start := r.end
	r.end = r.end.Add(passed)
	return r.applyTo(&r.batch, start, fill)
}

func (r *rig) applyTo(b *measure.Batch, start time.Time, fill func(b *measure.Batch)) *measure.Batch {
	r.t.Helper()
	b.Reset(interval, start, r.end)
	fill(b)
	if err := r.Apply(r.t.Context(), b); err != nil {
		r.t.Errorf("Apply: %v", err)
	}
	return b
}

// told is what was told in a batch of who used energy, in µJ, by what there is to name
// them: a pod's name, else the metric's.
func told(b *measure.Batch) map[string]uint64 {
	all := make(map[string]uint64)
	for i := range b.Samples {
		s := &b.Samples[i]
		m := s.Series.Metric
		if m == cpuMetric || m == energyMetric {
			continue
		}
		name, ok := s.Series.Attribute("name")
		if !ok {
			name = m.Name
		}
		n, _ := s.Uint()
		all[name] += n
	}
	return all
}
