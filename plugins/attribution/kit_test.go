package attribution

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
)

const interval = 5 * time.Second

// These are what the sources declare.
var (
	podKeysAndKind = []string{"kind", "name", "namespace", "node", "uid"}
	cpuMetric      = &measure.Metric{Name: cpuTime, Unit: measure.Nanosecond, Kind: measure.Delta, Help: "CPU time", Attributes: podKeysAndKind}
	socketMetric   = &measure.Metric{Name: socketTime, Unit: measure.Nanosecond, Kind: measure.Delta, Help: "CPU time", Attributes: podKeys()}
	memoryMetric   = &measure.Metric{Name: memoryUsage, Unit: measure.Byte, Help: "Memory", Attributes: podKeys()}
	requestMetric  = &measure.Metric{Name: cpuRequest, Unit: measure.Millicore, Help: "CPU reserved", Attributes: podKeys()}
	reservedMetric = &measure.Metric{Name: memoryRequest, Unit: measure.Byte, Help: "Memory reserved", Attributes: podKeys()}
	energyMetric   = &measure.Metric{Name: "rapl_consumed_energy", Unit: measure.Microjoule, Kind: measure.Delta,
		Help: "Energy", Attributes: []string{"domain", "node", "quality", "source"}}
)

func allMetrics() []*measure.Metric {
	return []*measure.Metric{cpuMetric, memoryMetric, requestMetric, reservedMetric, socketMetric, energyMetric}
}

// rig is the transform on a node whose time is scripted.
type rig struct {
	*attribution
	t      testing.TB
	host   *plugintest.Host
	node   []nodeTime // by socket, each of two CPUs
	end    time.Time
	batch  measure.Batch
	series map[string]*measure.Series
}

// newRig is on a node with one socket.
func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	return newRigOn(t, 1, allMetrics(), change...)
}

func newRigOn(t testing.TB, sockets int, metrics []*measure.Metric, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, end: time.Now(), node: make([]nodeTime, sockets), series: make(map[string]*measure.Series)}
	c := defaults()
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	metrics = append(slices.Clip(metrics), c.Derive(metrics)...)
	r.host = plugintest.NewHost(t, metrics...)
	r.host.ProcfsRoot, r.host.SysfsRoot = t.TempDir(), t.TempDir()
	r.work(0, 0)
	r.remember(1<<30, 8<<30)
	for cpu := range 2 * sockets {
		r.write(fmt.Sprintln(cpu/2), r.host.SysfsRoot, "devices/system/cpu", fmt.Sprint("cpu", cpu), "topology/physical_package_id")
	}
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

// write writes a file, with the folders above it.
func (r *rig) write(text string, path ...string) {
	r.t.Helper()
	file := filepath.Join(path...)
	err := os.WriteFile(file, []byte(text), 0o644)
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(filepath.Dir(file), 0o755); err == nil {
			err = os.WriteFile(file, []byte(text), 0o644)
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// work has the CPUs of the first socket be busy and idle for a time.
func (r *rig) work(busy, idle time.Duration) {
	r.t.Helper()
	r.workOn(0, busy, idle)
}

// workOn has the CPUs of a socket be busy and idle for a time.
func (r *rig) workOn(socket int, busy, idle time.Duration) {
	r.t.Helper()
	r.node[socket].busy += uint64(busy)
	r.node[socket].all += uint64(busy + idle)
	var whole nodeTime
	var lines strings.Builder
	for i, x := range r.node {
		whole.busy, whole.all = whole.busy+x.busy, whole.all+x.all
		fmt.Fprintf(&lines, "cpu%d %s\ncpu%d 0 0 0 0 0 0 0 0 0 0\n", 2*i, statLine(x), 2*i+1)
	}
	r.write("cpu  "+statLine(whole)+"\n"+lines.String()+"intr 1 2 3\n", r.host.ProcfsRoot, "stat")
}

func statLine(x nodeTime) string {
	return fmt.Sprintf("%d 0 0 %d 0 0 0 0 0 0", x.busy/nsPerTick, (x.all-x.busy)/nsPerTick)
}

// remember sets the node's memory, in bytes.
func (r *rig) remember(used, total uint64) {
	r.t.Helper()
	r.write(fmt.Sprintf("MemTotal: %15d kB\nMemFree: 1 kB\nMemAvailable: %11d kB\n", total>>10, (total-used)>>10), r.host.ProcfsRoot, "meminfo")
}

// of returns the series of a metric of a pod.
func (r *rig) of(m *measure.Metric, name string, resource measure.Resource) *measure.Series {
	key := fmt.Sprint(m.Name, name, resource)
	if r.series[key] == nil {
		s := &measure.Series{Metric: m, Resource: resource, Consumer: measure.Consumer{Kind: measure.Cgroup, ID: "/kubepods/" + name},
			Attributes: []measure.Attribute{{Key: "name", Value: name}, {Key: "namespace", Value: "shop"}, {Key: "node", Value: "n"}, {Key: "uid", Value: "uid of " + name}}}
		if m == cpuMetric {
			s.Attributes = slices.Insert(s.Attributes, 0, measure.Attribute{Key: "kind", Value: "total"})
		}
		r.series[key] = s
	}
	return r.series[key]
}

var machine = measure.Resource{Kind: measure.LocalMachine}

// cpu returns the series of a pod's CPU time.
func (r *rig) cpu(name string) *measure.Series { return r.of(cpuMetric, name, machine) }

// cpuOn returns the series of a pod's CPU time on a socket.
func (r *rig) cpuOn(name string, socket int) *measure.Series {
	return r.of(socketMetric, name, measure.Resource{Kind: kindPackage, ID: strconv.Itoa(socket)})
}

// retire ends all series of a pod.
func (r *rig) retire(b *measure.Batch, name string) {
	for _, s := range r.series {
		if x, _ := s.Attribute("name"); x == name {
			b.Retire(s)
		}
	}
}

// meter returns the series of a domain's energy; "dram 1" is that of the second socket.
func (r *rig) meter(name string) *measure.Series {
	if r.series[name] == nil {
		domain, id, ok := strings.Cut(name, " ")
		resource := measure.Resource{Kind: kindPackage, ID: "0"}
		switch {
		case domain == "platform":
			resource = machine
		case domain == kindDRAM:
			resource.Kind = kindDRAM
		}
		if ok {
			resource.ID = id
		}
		r.series[name] = &measure.Series{Metric: energyMetric, Resource: resource, Consumer: measure.Consumer{Kind: measure.LocalMachine},
			Attributes: []measure.Attribute{{Key: "domain", Value: domain}, {Key: "node", Value: "n"},
				{Key: "quality", Value: "measured"}, {Key: "source", Value: "rapl-powercap"}}}
	}
	return r.series[name]
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
		if slices.Contains(allMetrics(), m) {
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
