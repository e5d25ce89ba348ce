package accuracy_test

import (
	"slices"
	"strconv"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/plugins/k8s"
)

// source makes batches as plugins/k8s does, from the same control groups, read by the
// same library. It is not the plugin itself, which waits for the kernel's notices of
// births and ends, and so for time that cannot be simulated: here the script tells them.
type source struct {
	*node
	root   *cgroup.Hierarchy
	folder *cgroup.Reader // of all pods
	buf    cgroup.Buffer

	followed []*follower
	rest     *measure.Series // of pods that ended
	base     uint64          // what the folder had counted at first
	booked   uint64          // since, of pods and as the rest
	metrics  podMetrics
}

// follower reads one pod.
type follower struct {
	*pod
	reader  *cgroup.Reader
	last    cgroup.CPU
	told    cgroup.CPU
	gone    bool
	cpu     [kinds]*measure.Series
	memory  *measure.Series
	request *measure.Series
	sockets []*measure.Series
	passed  []uint64 // µs by socket that were told
}

const (
	kindTotal = iota
	kindSystem
	kindUser
	kinds
)

// podMetrics are those of the plugin, by name. What it does not measure yet stands here
// under the name that it will have.
type podMetrics struct{ cpu, memory, request, sockets *measure.Metric }

func newPodMetrics() podMetrics {
	return podMetrics{
		cpu:     metricOf("cpu_time_delta", measure.Nanosecond, measure.Delta),
		memory:  metricOf("memory_usage", measure.Byte, measure.Gauge),
		request: metricOf("cpu_request", measure.One, measure.Gauge),
		sockets: metricOf("cpu_package_time_delta", measure.Nanosecond, measure.Delta),
	}
}

func metricOf(name string, unit measure.Unit, kind measure.Kind) *measure.Metric {
	for _, m := range k8s.Plugin().Metrics {
		if m.Name == name {
			return m
		}
	}
	return &measure.Metric{Name: name, Unit: unit, Kind: kind, Help: name, Attributes: []string{"name", "namespace", "node", "uid"}}
}

func (m podMetrics) all() []*measure.Metric {
	return []*measure.Metric{m.cpu, m.memory, m.request, m.sockets}
}

func newSource(n *node) *source {
	n.t.Helper()
	root, err := cgroup.Open(n.tree.Root())
	if err != nil {
		n.t.Fatal(err)
	}
	s := &source{node: n, root: root, folder: root.Reader("/kubepods"), metrics: newPodMetrics()}
	s.base = s.counted()
	s.rest = &measure.Series{
		Metric: s.metrics.cpu, Resource: measure.Resource{Kind: measure.LocalMachine},
		Consumer:   measure.Consumer{Kind: measure.TerminatedPods, ID: "/kubepods"},
		Attributes: []measure.Attribute{{Key: "kind", Value: "total"}, {Key: "node", Value: nodeName}},
	}
	for _, p := range n.alive {
		f := s.follow(p)
		f.told = s.read(f) // a baseline
		f.last = f.told
	}
	n.t.Cleanup(func() {
		for _, f := range s.followed {
			f.reader.Close()
		}
		s.folder.Close()
		root.Close()
	})
	return s
}

// counted is what the folder of all pods counts, those that ended included.
func (s *source) counted() uint64 {
	s.t.Helper()
	var v cgroup.Value
	if err := s.folder.CPUTotal(&s.buf, &v); err != nil {
		s.t.Fatal(err)
	}
	return v.N
}

func (s *source) read(f *follower) (cpu cgroup.CPU) {
	s.t.Helper()
	if err := f.reader.CPU(&s.buf, &cpu); err != nil {
		s.t.Fatal(err)
	}
	return cpu
}

// follow begins to read a pod, from zero.
func (s *source) follow(p *pod) *follower {
	f := &follower{pod: p, reader: s.root.Reader(s.group(p)), passed: make([]uint64, len(s.sockets))}
	attributes := []measure.Attribute{
		{Key: "name", Value: p.name}, {Key: "namespace", Value: "shop"}, {Key: "node", Value: nodeName}, {Key: "uid", Value: p.uid},
	}
	series := func(m *measure.Metric, resource measure.Resource, attributes []measure.Attribute) *measure.Series {
		return &measure.Series{Metric: m, Resource: resource, Consumer: measure.Consumer{Kind: measure.Cgroup, ID: s.group(p)}, Attributes: attributes}
	}
	machine := measure.Resource{Kind: measure.LocalMachine}
	for kind, word := range [kinds]string{"total", "system", "user"} {
		f.cpu[kind] = series(s.metrics.cpu, machine, slices.Insert(slices.Clone(attributes), 0, measure.Attribute{Key: "kind", Value: word}))
	}
	f.memory, f.request = series(s.metrics.memory, machine, attributes), series(s.metrics.request, machine, attributes)
	for i := range s.sockets {
		f.sockets = append(f.sockets, series(s.metrics.sockets, measure.Resource{Kind: "cpu_package", ID: strconv.Itoa(i)}, attributes))
	}
	s.followed = append(s.followed, f)
	return f
}

// ending reads a pod that is about to go, once more.
func (s *source) ending(p *pod) {
	for _, f := range s.followed {
		if f.pod == p {
			f.last, f.gone = s.read(f), true
		}
	}
}

// poll adds a window.
func (s *source) poll(b *measure.Batch) {
	counted := s.counted() // before the pods, as the plugin does
	for _, p := range s.alive {
		if !slices.ContainsFunc(s.followed, func(f *follower) bool { return f.pod == p }) {
			s.follow(p)
		}
	}
	hasWindow := b.End.After(b.Start)
	for _, f := range s.followed {
		if !slices.Contains(s.alive, f.pod) {
			f.gone = true
		} else {
			f.last = s.read(f)
		}
		if hasWindow {
			s.tell(b, f)
		}
	}
	if hasWindow {
		more := counted - s.base - s.booked
		s.booked += more
		b.Uint(s.rest, more)
	}
	s.followed = slices.DeleteFunc(s.followed, func(f *follower) bool {
		if f.gone {
			f.reader.Close()
			b.Retire(slices.Concat(f.cpu[:], f.sockets, []*measure.Series{f.memory, f.request})...)
		}
		return f.gone
	})
}

// tell adds what is known of a pod.
func (s *source) tell(b *measure.Batch, f *follower) {
	b.Uint(f.cpu[kindTotal], f.last.Total.N-f.told.Total.N)
	b.Uint(f.cpu[kindSystem], f.last.System.N-f.told.System.N)
	b.Uint(f.cpu[kindUser], f.last.User.N-f.told.User.N)
	s.booked += f.last.Total.N - f.told.Total.N
	f.told = f.last
	b.Uint(f.memory, f.pod.memory)
	b.Uint(f.request, f.pod.request())
	passed := make([]uint64, len(f.sockets))
	for cpu, us := range f.busy {
		passed[s.socketOf(cpu)] += us
	}
	for i, us := range passed {
		b.Uint(f.sockets[i], 1000*(us-f.passed[i]))
		f.passed[i] = us
	}
}
