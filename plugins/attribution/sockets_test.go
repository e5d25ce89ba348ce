package attribution

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// noIdle has no domain of any name draw power while idle.
func noIdle(c *Config) {
	c.IdleWatts = map[string]float64{"package": 0, "dram": 0, "platform": 0}
}

// toldBy is told by who used energy and the meter whose energy it is.
func toldBy(b *measure.Batch) map[string]uint64 {
	all := make(map[string]uint64)
	for i := range b.Samples {
		s := &b.Samples[i]
		domain, ok := s.Series.Attribute(keyDomain)
		if _, divided := s.Series.Attribute(keyPolicy); !ok || !divided {
			continue
		}
		name, ok := s.Series.Attribute("name")
		if !ok {
			name = strings.TrimPrefix(s.Series.Metric.Name, "energy_")
		}
		n, _ := s.Uint()
		all[strings.TrimSpace(domain+" "+s.Series.Resource.ID)+" "+name] += n
	}
	return all
}

// bases are the bases of what was told, by domain and its resource.
func bases(b *measure.Batch) map[string][]string {
	all := make(map[string][]string)
	for i := range b.Samples {
		s := b.Samples[i].Series
		if basis, ok := s.Attribute(keyBasis); ok {
			domain, _ := s.Attribute(keyDomain)
			name := strings.TrimSpace(domain + " " + s.Resource.ID)
			if !slices.Contains(all[name], basis) {
				all[name] = append(all[name], basis)
			}
		}
	}
	return all
}

// K14: a pod on one socket pays nothing of what work on another one takes. Energy of the
// whole machine goes by the time of all.
func TestPodOnOneSocket(t *testing.T) {
	r := newRigOn(t, 2, allMetrics(), noIdle)
	idle := func() {
		for socket := range 2 {
			r.workOn(socket, 0, time.Second)
		}
	}
	tell := func(b *measure.Batch, name string, times ...time.Duration) {
		var sum time.Duration
		for socket, n := range times {
			b.Uint(r.cpuOn(name, socket), uint64(n))
			sum += n
		}
		b.Uint(r.cpu(name), uint64(sum))
	}
	idle()
	r.apply(0, func(b *measure.Batch) {
		tell(b, "a", 0, 0)
		tell(b, "b", 0, 0)
	})
	r.workOn(0, time.Second, time.Second)
	r.workOn(1, 2*time.Second, 0)
	b := r.apply(time.Second, func(b *measure.Batch) {
		tell(b, "a", time.Second, 0)
		tell(b, "b", 0, 1500*time.Millisecond)
		for _, meter := range []string{"package 0", "package 1", "dram 0", "dram 1", "platform"} {
			b.Uint(r.meter(meter), 30*joule)
		}
	})
	want := map[string]uint64{
		"package 0 a": 30 * joule, "package 0 b": 0, "package 0 system": 0, "package 0 idle": 0, "package 0 unattributed": 0,
		"package 1 a": 0, "package 1 b": 22.5 * joule, "package 1 system": 7.5 * joule, "package 1 idle": 0, "package 1 unattributed": 0,
		"dram 0 a": 30 * joule, "dram 0 b": 0, "dram 0 system": 0, "dram 0 idle": 0, "dram 0 unattributed": 0,
		"dram 1 a": 0, "dram 1 b": 22.5 * joule, "dram 1 system": 7.5 * joule, "dram 1 idle": 0, "dram 1 unattributed": 0,
		"platform a": 10 * joule, "platform b": 15 * joule, "platform system": 5 * joule, "platform idle": 0, "platform unattributed": 0,
	}
	if diff := cmp.Diff(want, toldBy(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	own := []string{"socket_cpu_time"}
	wantBases := map[string][]string{"package 0": own, "package 1": own, "dram 0": own, "dram 1": own, "platform": {"cpu_time"}}
	if diff := cmp.Diff(wantBases, bases(b)); diff != "" {
		t.Errorf("bases: -want +got\n%s", diff)
	}
}

// Pods of which it is not told where they ran are spread over the sockets in proportion to
// what these were busy beyond the pods of which it is; ended pods are as any.
func TestPodsOfUnknownSockets(t *testing.T) {
	r := newRigOn(t, 2, allMetrics(), noIdle)
	ended := func(m *measure.Metric, id string) *measure.Series {
		return &measure.Series{Metric: m, Resource: measure.Resource{Kind: kindPackage, ID: id}, Consumer: measure.Consumer{Kind: measure.TerminatedPods, ID: "/kubepods"},
			Attributes: []measure.Attribute{{Key: "kind", Value: "total"}, {Key: "node", Value: "n"}}}
	}
	whole, part := ended(cpuMetric, ""), ended(socketMetric, "1")
	part.Attributes = part.Attributes[1:]
	r.workOn(0, 0, time.Second)
	r.apply(0, func(b *measure.Batch) {
		for _, name := range []string{"a", "b"} {
			b.Uint(r.cpu(name), 0)
		}
	})
	for range 2 {
		// Beyond what is told, socket 0 is busy for 1.5 s and socket 1 for 0.5 s.
		r.workOn(0, 2*time.Second, 0)
		r.workOn(1, time.Second, time.Second)
		b := r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(500*time.Millisecond))
			b.Uint(r.cpuOn("a", 0), uint64(500*time.Millisecond))
			b.Uint(r.cpu("b"), uint64(time.Second))
			b.Uint(whole, uint64(500*time.Millisecond))
			b.Uint(part, uint64(500*time.Millisecond))
			b.Uint(r.meter("package 0"), 40*joule)
			b.Uint(r.meter("package 1"), 40*joule)
		})
		want := map[string]uint64{
			"package 0 a": 10 * joule, "package 0 b": 15 * joule, "package 0 pod_energy": 0, "package 0 system": 15 * joule, "package 0 idle": 0, "package 0 unattributed": 0,
			"package 1 a": 0, "package 1 b": 10 * joule, "package 1 pod_energy": 20 * joule, "package 1 system": 10 * joule, "package 1 idle": 0, "package 1 unattributed": 0,
		}
		if diff := cmp.Diff(want, toldBy(b)); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	// Ticks are coarser than what pods count: then one CPU is as good as another.
	r.workOn(0, 0, time.Second)
	r.workOn(1, 0, 3*time.Second)
	b := r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("a"), 1000)
		b.Uint(r.cpuOn("a", 0), 1000)
		b.Uint(r.cpu("b"), 4000)
		b.Uint(r.meter("package 0"), 40)
		b.Uint(r.meter("package 1"), 40)
	})
	if got := toldBy(b); got["package 0 a"] != 20 || got["package 0 b"] != 20 || got["package 1 b"] != 40 {
		t.Errorf("less than a tick: %v, want a to have half of socket 0", got)
	}
}

// With one socket, or where nobody tells of sockets, there is nothing to be told apart.
func TestOneBasisWhereThereIsOneSocket(t *testing.T) {
	withoutGroup := slices.DeleteFunc(allMetrics(), func(m *measure.Metric) bool { return m == socketMetric })
	for name, r := range map[string]*rig{
		"one socket": newRig(t, noIdle), "two, and no group": newRigOn(t, 2, withoutGroup, noIdle),
	} {
		r.workOn(0, time.Second, time.Second)
		r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
		r.workOn(0, time.Second, 0)
		b := r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			b.Uint(r.cpuOn("a", 0), uint64(time.Second))
			b.Uint(r.meter("package 0"), joule)
			b.Uint(r.meter("package 1"), joule)
		})
		if got := toldBy(b); got["package 0 a"] != joule || got["package 1 a"] != joule {
			t.Errorf("%s: %v", name, got)
		}
		one := []string{"cpu_time"}
		if diff := cmp.Diff(map[string][]string{"package 0": one, "package 1": one}, bases(b)); diff != "" {
			t.Errorf("%s: bases: -want +got\n%s", name, diff)
		}
		if r.files.stat.each || r.files.sockets != nil || len(r.now.counts) != ofSockets {
			t.Errorf("%s: sockets are followed", name)
		}
		if err := r.Ready(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The idle power of a socket is learned while that socket is idle, whatever the other does.
func TestIdlePowerOfASocket(t *testing.T) {
	r := newRigOn(t, 2, allMetrics())
	r.workOn(0, time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	var last map[string]uint64
	for range enough {
		r.workOn(0, 2*time.Second, 0)
		r.workOn(1, 0, 2*time.Second)
		last = toldBy(r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(2*time.Second))
			b.Uint(r.cpuOn("a", 0), uint64(2*time.Second))
			b.Uint(r.cpuOn("a", 1), 0)
			b.Uint(r.meter("package 0"), 90*joule)
			b.Uint(r.meter("package 1"), 20*joule)
		}))
	}
	want := map[string]uint64{
		"package 0 a": 90 * joule, "package 0 system": 0, "package 0 idle": 0, "package 0 unattributed": 0,
		"package 1 a": 0, "package 1 system": 0, "package 1 idle": 20 * joule, "package 1 unattributed": 0,
	}
	if diff := cmp.Diff(want, last); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// A window in which a socket's time cannot be read is nobody's, and so is the one that
// begins with it; Ready says why as long as it is so.
func TestSocketsThatCannotBeRead(t *testing.T) {
	whole := func(rest string) string { return "cpu  9 0 0 9 0 0 0\n" + rest }
	for name, c := range map[string]struct{ stat, want string }{
		"no lines of CPUs":    {whole("intr 5\n"), "no line of a single CPU"},
		"cut":                 {whole("cpu0 1 0 0 1 0 0 0\ncpu1 1 0"), "it ends among the lines of the CPUs"},
		"garbled":             {whole("cpu0 1 0 x 1 0 0 0\nintr\n"), `CPU 0: field 3 is "x"`},
		"a CPU of no number":  {whole("cpux 1 0 0 1 0 0 0\nintr\n"), `a line of CPU "x"`},
		"a CPU of no machine": {whole("cpu8192 1 0 0 1 0 0 0\nintr\n"), "want a number below 8192"},
		"a CPU of no socket":  {whole("cpu7 1 0 0 1 0 0 0\nintr\n"), "cpu7/topology/physical_package_id"},
		"garbled as a whole":  {"cpu", "line of all CPUs"},
	} {
		r := newRigOn(t, 2, allMetrics(), noIdle)
		r.workOn(0, time.Second, time.Second)
		r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
		next := func() uint64 {
			return toldBy(r.apply(time.Second, func(b *measure.Batch) {
				b.Uint(r.cpu("a"), uint64(time.Second))
				b.Uint(r.cpuOn("a", 0), uint64(time.Second))
				b.Uint(r.meter("package 0"), 9*joule)
			}))["package 0 unattributed"]
		}
		var got []uint64
		for i := range 4 {
			r.workOn(0, time.Second, time.Second)
			if i == 1 {
				r.write(c.stat, r.host.ProcfsRoot, "stat")
			}
			got = append(got, next())
			err := r.Ready()
			if i == 1 && (err == nil || !strings.Contains(err.Error(), c.want)) || i != 1 && err != nil {
				t.Errorf("%s: in window %d Ready says %v, want %q in the second one alone", name, i+1, err, c.want)
			}
		}
		if diff := cmp.Diff([]uint64{0, 9 * joule, 9 * joule, 0}, got); diff != "" {
			t.Errorf("%s: unattributed: -want +got\n%s", name, diff)
		}
	}
}
