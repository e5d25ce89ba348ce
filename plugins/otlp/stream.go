package otlp

import (
	"math"
	"strings"
	"unique"

	"go.opentelemetry.io/collector/pdata/pcommon"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Keys of the attributes that say what a series measured, where that is not
// the machine as a whole.
const (
	keyResourceKind = "resource_kind"
	keyResourceID   = "resource_id"
	keyConsumerKind = "consumer_kind"
	keyConsumerID   = "consumer_id"
)

// stream is what is remembered of a series from its first sample to its end.
type stream struct {
	// pod is the identity of the pod's resource on which the points stand, and
	// the zero handle for the node's.
	pod unique.Handle[string]
	// shape is how the points are shown.
	shape *shape
	// start and total are kept for cumulative sums: when the first window
	// began, and what was counted since.
	start pcommon.Timestamp
	total uint64
}

// newStream prepares a series for being sent.
func newStream(s *measure.Series, identity string) *stream {
	st := new(stream)
	if _, ofPod := s.Attribute("uid"); ofPod && identity != Point {
		st.pod = unique.Make(resourceOf(s).identity())
	}
	return st
}

// putAttributes writes the attributes of the points of a series, under the names
// that are shown.
func putAttributes(to pcommon.Map, s *measure.Series, identity string, renames plugin.Renames) {
	_, ofPod := s.Attribute("uid")
	to.EnsureCapacity(len(s.Attributes))
	put := func(key, value string) { to.PutStr(renames.Name(key), validText(value)) }
	for _, a := range s.Attributes {
		if identity == Resource && onResource(s, a.Key, ofPod) {
			continue
		}
		put(a.Key, a.Value)
	}
	if s.Resource.Kind != measure.LocalMachine {
		put(keyResourceKind, s.Resource.Kind)
		if s.Resource.ID != "" {
			put(keyResourceID, s.Resource.ID)
		}
	}
	// The cgroup of a pod is left out: uid, and container_id where there is
	// one, identify it, and its long path would be a label that changes with
	// the container runtime.
	pods := ofPod && s.Consumer.Kind == measure.Cgroup
	if s.Consumer.Kind != measure.LocalMachine && !pods {
		put(keyConsumerKind, s.Consumer.Kind)
		if s.Consumer.ID != "" {
			put(keyConsumerID, s.Consumer.ID)
		}
	}
}

// validText makes a value fit for protobuf. The path of a cgroup may be any bytes,
// and a receiver would refuse the whole request for one that is not UTF-8.
func validText(value string) string { return strings.ToValidUTF8(value, "\uFFFD") }

// add counts a delta. A total that no longer fits begins anew, which receivers
// take as a reset.
func (st *stream) add(v uint64, start pcommon.Timestamp) {
	if st.start == 0 || st.total > math.MaxUint64-v {
		st.start, st.total = start, 0
	}
	st.total += v
}

// number is a value as it is encoded.
type number struct {
	bits   uint64
	double bool
}

func ofFloat(v float64) number { return number{math.Float64bits(v), true} }

// ofCount returns a counted value in the unit that its points show.
func ofCount(v uint64, divisor float64) number {
	switch {
	case divisor != 1:
		return ofFloat(float64(v) / divisor)
	case v > math.MaxInt64: // a rounded number is better than a negative one
		return ofFloat(float64(v))
	}
	return number{v, false}
}
