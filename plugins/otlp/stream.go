package otlp

import (
	"math"
	"strings"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

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
	// empty for the node's.
	pod string
	// attributes are those of the points, under the names that are shown.
	attributes pcommon.Map
	// start and total are kept for cumulative sums: when the first window
	// began, and what was counted since.
	start pcommon.Timestamp
	total uint64
}

// newStream prepares a series for being sent.
func newStream(s *measure.Series, identity string, renames plugin.Renames) *stream {
	st := &stream{attributes: pcommon.NewMap()}
	_, ofPod := s.Attribute("uid")
	if ofPod && identity != Point {
		st.pod = resourceOf(s).identity()
	}
	put := func(key, value string) { st.attributes.PutStr(renames.Name(key), validText(value)) }
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
	return st
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

// setCount writes a counted value in the unit that the metric shows.
func setCount(p pmetric.NumberDataPoint, v uint64, unit measure.Unit) {
	switch {
	case unit.Divisor() != 1:
		p.SetDoubleValue(float64(v) / unit.Divisor())
	case v > math.MaxInt64: // a rounded number is better than a negative one
		p.SetDoubleValue(float64(v))
	default:
		p.SetIntValue(int64(v))
	}
}
