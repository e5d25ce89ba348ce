package k8s

import (
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// requests is what the scheduler reserves for a pod: CPU in thousandths of a core and
// memory in bytes. What the pod does not request is not known.
type requests struct{ cpu, memory cgroup.Value }

// quantity is a quantity of the API that may be there or not.
type quantity struct {
	resource.Quantity
	known bool
	// broken says that it cannot be read: then nothing that it is a part of is known.
	broken bool
}

// quantities are a list of resources, as far as it is used.
type quantities struct {
	cpu, memory quantity
	set         bool // the list is there, if only with other resources in it
	ofPod       bool // it has resources that can be requested of a pod as a whole
}

// longestQuantity is more than any quantity that is meant, and largestExponent too. A
// short text such as 1e999999999 would take gigabytes to compute with.
const (
	longestQuantity = 64
	largestExponent = 2 // digits
)

// take enters what the list has of a resource.
func (a *quantities) take(name []byte, text string) {
	a.set = true
	var into *quantity
	switch {
	case string(name) == string(corev1.ResourceCPU):
		into = &a.cpu
	case string(name) == string(corev1.ResourceMemory):
		into = &a.memory
	default:
		a.ofPod = a.ofPod || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
		return
	}
	a.ofPod = true
	*into = parseQuantity(text)
}

func parseQuantity(text string) quantity {
	if i := strings.LastIndexAny(text, "eE"); len(text) > longestQuantity || i >= 0 && len(strings.TrimLeft(text[i+1:], "+-0")) > largestExponent {
		return quantity{broken: true}
	}
	q, err := resource.ParseQuantity(text)
	return quantity{Quantity: q, known: err == nil, broken: err != nil}
}

// add adds what another list has.
func (a *quantities) add(b *quantities) {
	a.each(b, func(a, b *quantity) {
		if a.known {
			a.Add(b.Quantity)
			return
		}
		a.Quantity, a.known = b.DeepCopy(), true
	})
}

// raise takes of each resource what is more.
func (a *quantities) raise(b *quantities) {
	a.each(b, func(a, b *quantity) {
		if !a.known || b.Cmp(a.Quantity) > 0 {
			a.Quantity, a.known = b.DeepCopy(), true
		}
	})
}

// override takes what another list has in place of what was there.
func (a *quantities) override(b *quantities) {
	if b.cpu.known || b.cpu.broken {
		a.cpu = b.cpu
	}
	if b.memory.known || b.memory.broken {
		a.memory = b.memory
	}
}

// each combines the resources that b has.
func (a *quantities) each(b *quantities, combine func(a, b *quantity)) {
	for _, pair := range [...][2]*quantity{{&a.cpu, &b.cpu}, {&a.memory, &b.memory}} {
		pair[0].broken = pair[0].broken || pair[1].broken
		if pair[1].known {
			combine(pair[0], pair[1])
		}
	}
}

// in returns the quantity as a number of parts of a size, rounded up. What cannot be
// meant is not known.
func (a *quantity) in(scale resource.Scale, largest int64) cgroup.Value {
	if !a.known || a.broken || a.Sign() < 0 || a.CmpInt64(largest) > 0 {
		return cgroup.Value{}
	}
	return cgroup.Value{N: uint64(a.ScaledValue(scale)), Known: true}
}

// resourceParts are what of a Pod says which resources it requests.
type resourceParts struct {
	containers, inits   []containerResources // as they are in the spec
	overhead            quantities
	pod                 quantities // spec.resources.requests
	allocated, actuated quantities // status.allocatedResources and status.resources.requests
	resized             bool       // there is a status.resources
	pending, infeasible bool       // a resize waits; the node cannot do it
}

type containerResources struct {
	name     string
	sidecar  bool // an init container that runs on
	requests quantities
	granted  *grantedResources // nil where its status is not there
}

// grantedResources is what the kubelet has granted a container: allocated is what it
// admitted, actuated what it has set.
type grantedResources struct{ allocated, actuated quantities }

// condition takes note of a condition of the pod. The first one about a resize counts.
func (p *resourceParts) condition(kind, reason string) {
	if kind == string(corev1.PodResizePending) && !p.pending {
		p.pending, p.infeasible = true, reason == corev1.PodReasonInfeasible
	}
}

// reserved returns what the scheduler reserves for the pod, as Kubernetes 1.37 computes
// it: while a pod is resized, the most of what it wants and of what it has. Statuses are
// those of its containers, of which the first with a name counts. See
// https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
// and PodRequests of k8s.io/component-helpers/resource.
func (p *resourceParts) reserved(statuses ...[]containerStatus) *requests {
	if p == nil {
		return nil
	}
	p.grant(p.containers, statuses)
	p.grant(p.inits, statuses)
	wanted := p.sum(func(c *containerResources) *quantities { return &c.requests })
	allocated, actuated := p.allocated, p.actuated
	if !allocated.set || !actuated.set {
		allocated, actuated = p.sum(p.allocatedOf), p.sum(p.actuatedOf)
	}
	var all quantities
	if !p.infeasible {
		all.add(&wanted)
	}
	all.raise(&actuated)
	all.raise(&allocated)
	if p.pod.ofPod {
		var whole quantities
		if !p.resized || !p.infeasible {
			whole.add(&p.pod)
		}
		if p.resized {
			whole.raise(&p.actuated)
			whole.raise(&p.allocated)
		}
		all.override(&whole)
	}
	all.add(&p.overhead)
	return &requests{cpu: all.cpu.in(resource.Milli, math.MaxInt64/1000), memory: all.memory.in(0, math.MaxInt64)}
}

// grant tells containers what their statuses say.
func (p *resourceParts) grant(containers []containerResources, statuses [][]containerStatus) {
	for i := range containers {
		for _, of := range statuses {
			for j := range of {
				if of[j].name == containers[i].name && containers[i].granted == nil {
					containers[i].granted = of[j].granted
				}
			}
		}
	}
}

func (p *resourceParts) allocatedOf(c *containerResources) *quantities {
	switch {
	case c.granted != nil && c.granted.allocated.set:
		return &c.granted.allocated
	case p.infeasible:
		return new(quantities)
	}
	return &c.requests
}

func (p *resourceParts) actuatedOf(c *containerResources) *quantities {
	if c.granted != nil && c.granted.actuated.set {
		return &c.granted.actuated
	}
	return p.allocatedOf(c)
}

// sum adds up what the containers have of one kind: those that run together, or if that
// is more, what an init container needs beside the sidecars that began before it.
func (p *resourceParts) sum(of func(*containerResources) *quantities) quantities {
	var all, sidecars, peak quantities
	for i := range p.containers {
		all.add(of(&p.containers[i]))
	}
	for i := range p.inits {
		one := of(&p.inits[i])
		if p.inits[i].sidecar {
			all.add(one)
			sidecars.add(one)
			peak.raise(&sidecars)
			continue
		}
		var together quantities
		together.add(one)
		together.add(&sidecars)
		peak.raise(&together)
	}
	all.raise(&peak)
	return all
}

// requestMetrics are the metrics of what pods request.
type requestMetrics struct{ cpu, memory *measure.Metric }

func newRequestMetrics(keys []string) requestMetrics {
	return requestMetrics{
		cpu: &measure.Metric{
			Name: "cpu_request", Unit: measure.Millicore, Kind: measure.Gauge,
			Help: "CPUs that are reserved for the pod", Attributes: keys,
		},
		memory: &measure.Metric{
			Name: "memory_request", Unit: measure.Byte, Kind: measure.Gauge,
			Help: "Memory that is reserved for the pod", Attributes: keys,
		},
	}
}

func (m *requestMetrics) list() []*measure.Metric { return []*measure.Metric{m.cpu, m.memory} }

// requestSeries are the series of one pod.
type requestSeries struct{ cpu, memory *measure.Series }

// addRequests makes the series of what a pod requests, if that is wanted.
func (s *source) addRequests(t *target, made *series) {
	if !s.groups.Requests || !t.isPod() {
		return
	}
	m := &s.metrics.pods.requests
	made.requests = requestSeries{cpu: made.add(t, m.cpu, made.attributes), memory: made.add(t, m.memory, made.attributes)}
}

// emitRequests adds what a pod requests: once at least, and as long as it lives.
func (s *source) emitRequests(t *target, b *measure.Batch) {
	if t.pod == nil || t.pod.requests == nil || t.series.requests.cpu == nil || !t.lives() && t.requested {
		return
	}
	t.requested = true
	if r := t.pod.requests; r.cpu.Known {
		b.Uint(t.series.requests.cpu, r.cpu.N)
	}
	if r := t.pod.requests; r.memory.Known {
		b.Uint(t.series.requests.memory, r.memory.N)
	}
}
