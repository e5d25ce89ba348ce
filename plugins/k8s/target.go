package k8s

import (
	"cmp"
	"slices"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
)

// target is a cgroup that is measured: a pod's or a container's. It is kept from
// the first sight of the cgroup until the tick after its end, named or not.
type target struct {
	found    *cgroup.Found
	reader   *cgroup.Reader
	cpu      [kinds]counter
	memory   cgroup.Memory // as last read
	sampled  bool          // the memory was read, at least once
	stale    bool          // the memory: its cgroup was gone when it was to be read again
	since    time.Time     // when it was first seen
	gone     time.Time     // when its end was seen; zero while it lives
	tree     *tree
	details  *details      // nil where no group wants any
	packages *packageTimes // nil where nobody wants them
	// removed says that its CPU time could not be read since the cgroup was gone, be its
	// end seen or not.
	removed bool

	pod *pod // nil while the API server does not know it
	// While it has no name: whether the discovery was told so, and how many
	// lists began after its first sight and did not name it.
	missed bool
	lists  int
	held   bool // it is gone, and waits for its name

	series    *series // nil until it may be shown
	glanced   bool    // it was read, at least once
	shown     bool    // its memory was emitted, at least once
	requested bool    // what it requests was looked at, at least once
	refused   bool    // since there is no room for its series
}

func (t *target) lives() bool { return t.gone.IsZero() }

// isPod tells a pod from a container.
func (t *target) isPod() bool { return t.found.ContainerID == "" }

// series are the series of one target under one name.
type series struct {
	cpuTime, cpuPercent [kinds]*measure.Series
	memory              [memoryParts]*measure.Series
	all                 []*measure.Series
	details             *detailSeries
	requests            requestSeries
	packages            []*measure.Series
	attributes          []measure.Attribute // of all of them
}

// add makes one series more.
func (x *series) add(t *target, m *measure.Metric, attributes []measure.Attribute) *measure.Series {
	return x.addOn(t, m, measure.Resource{Kind: measure.LocalMachine}, attributes)
}

// addOn is add for a part of the machine.
func (x *series) addOn(t *target, m *measure.Metric, on measure.Resource, attributes []measure.Attribute) *measure.Series {
	one := &measure.Series{
		Metric:     m,
		Resource:   on,
		Consumer:   measure.Consumer{Kind: measure.Cgroup, ID: t.found.Path},
		Attributes: attributes,
	}
	x.all = append(x.all, one)
	return one
}

// levelOf returns the metrics of pods, or those of containers.
func (s *source) levelOf(t *target) *metricSet {
	if t.isPod() {
		return &s.metrics.pods
	}
	return &s.metrics.containers
}

// newSeries makes the series of a target with the identity that it has now.
func (s *source) newSeries(t *target) *series {
	metrics := s.levelOf(t)
	var attributes []measure.Attribute // sorted by key
	add := func(key, value string) {
		if value != "" {
			attributes = append(attributes, measure.Attribute{Key: key, Value: value})
		}
	}
	uid := t.found.UID
	if id := t.found.ContainerID; id != "" {
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
	attributes = s.chosen.extend(attributes, t)

	made := &series{attributes: attributes}
	if s.groups.CPU {
		for kind, word := range cpuKinds {
			withKind := insertAttribute(attributes, keyKind, word)
			made.cpuTime[kind] = made.add(t, metrics.cpuTime, withKind)
			made.cpuPercent[kind] = made.add(t, metrics.cpuPercent, withKind)
		}
	}
	if s.measuresMemory {
		for part, m := range metrics.memory {
			made.memory[part] = made.add(t, m, attributes)
		}
	}
	made.details = s.newDetailSeries(t, made, &metrics.details)
	s.addRequests(t, made)
	s.addPackages(t, made)
	return made
}

// insertAttribute returns a copy of sorted attributes with one more at its place.
func insertAttribute(attributes []measure.Attribute, key, value string) []measure.Attribute {
	i, _ := slices.BinarySearchFunc(attributes, key, func(a measure.Attribute, key string) int { return cmp.Compare(a.Key, key) })
	return slices.Insert(slices.Clip(slices.Clone(attributes)), i, measure.Attribute{Key: key, Value: value})
}
