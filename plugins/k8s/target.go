package k8s

import (
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// target is a cgroup that is measured: a pod's or a container's. It is kept
// from the first sight of the cgroup to its end, named or not.
type target struct {
	found  *cgroup.Found
	reader *cgroup.Reader
	cpu    [kinds]counter
	since  time.Time // when it was first seen
	tree   *tree

	pod *pod // nil while the API server does not know it
	// While it has no name: whether the discovery was told so, and how many
	// lists began after its first sight and did not name it.
	missed bool
	lists  int

	series *series // nil until it may be shown
}

// tree is one kubepods folder. A machine can hold those of several nodes.
type tree struct {
	targets int // pods and containers in it
	named   int // pods in it that have a name
}

// counter is the last reading of a cumulative counter. What was counted since
// then has not been emitted yet, so that a reading that fails loses nothing.
type counter struct {
	known bool
	n     uint64
	at    time.Time // when it was read
	end   time.Time // the end of the window in which it was read
}

// advance takes a new reading and returns what was counted since the last one.
// It reports false when there is no last one; back tells that the counter went
// backwards, which makes a new baseline.
func (c *counter) advance(v cgroup.Value, at, end time.Time) (delta uint64, last counter, ok, back bool) {
	if !v.Known {
		return 0, counter{}, false, false
	}
	last = *c
	*c = counter{known: true, n: v.N, at: at, end: end}
	if !last.known {
		return 0, last, false, false
	}
	if v.N < last.n {
		return 0, last, false, true
	}
	return v.N - last.n, last, true, false
}

// series are the series of one target under one name.
type series struct {
	cpuTime, cpuPercent [kinds]*measure.Series
	memory              [memoryParts]*measure.Series
	all                 []*measure.Series
}

// newSeries makes the series of a target with the identity that it has now.
func (s *source) newSeries(t *target) *series {
	metrics := &podMetrics
	var attributes []measure.Attribute // sorted by key
	add := func(key, value string) {
		if value != "" {
			attributes = append(attributes, measure.Attribute{Key: key, Value: value})
		}
	}
	uid := t.found.UID
	if id := t.found.ContainerID; id != "" {
		metrics = &containerMetrics
		add(keyContainer, t.pod.containers[id])
		add(keyContainerID, id)
	}
	if t.pod != nil {
		uid = t.pod.uid
		add(keyName, t.pod.name)
		add(keyNamespace, t.pod.namespace)
	}
	add(keyNode, s.node)
	add(keyUID, uid)

	made := new(series)
	one := func(m *measure.Metric, attributes []measure.Attribute) *measure.Series {
		x := &measure.Series{
			Metric:     m,
			Resource:   measure.Resource{Kind: measure.LocalMachine},
			Consumer:   measure.Consumer{Kind: measure.Cgroup, ID: t.found.Path},
			Attributes: attributes,
		}
		made.all = append(made.all, x)
		return x
	}
	if s.measuresCPU {
		for kind, word := range cpuKinds {
			withKind := insertKind(attributes, word)
			made.cpuTime[kind] = one(metrics.cpuTime, withKind)
			made.cpuPercent[kind] = one(metrics.cpuPercent, withKind)
		}
	}
	if s.measuresMemory {
		for part, m := range metrics.memory {
			made.memory[part] = one(m, attributes)
		}
	}
	return made
}

// insertKind returns a copy of sorted attributes with the kind at its place.
func insertKind(attributes []measure.Attribute, kind string) []measure.Attribute {
	all := make([]measure.Attribute, 0, len(attributes)+1)
	placed := false
	for _, a := range attributes {
		if !placed && a.Key > keyKind {
			all = append(all, measure.Attribute{Key: keyKind, Value: kind})
			placed = true
		}
		all = append(all, a)
	}
	return all
}
