package otlp

import (
	"encoding/binary"
	"slices"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/podjoule/podjoule/agent/measure"
)

// frame is an encoded request of which the values and times are still to be
// written. In steady state the next batch has the same series in the same order;
// then nothing else of its request differs, and since all that differs has a
// fixed size, it is written where the last values stand.
type frame struct {
	body   []byte
	points int    // in the body, marks of ends among them
	slots  []slot // one for each sample that can be sent, in their order
	// node is where the node's resource is; its end is 0 where there is none.
	node span
	// told is the name of the node that the batch told last, if any, and named
	// is the one that stands on the node's resource.
	told, named string
}

// slot is where the sample of a series goes: positions in the body.
type slot struct {
	series *measure.Series
	stream *stream
	value  int // of the tag, which tells the type
	time   int
	start  int // 0: there is none
}

// span is a resource in a body: its tag, its content after the length, where more
// scopes can be put, and its end.
type span struct{ tag, content, scopes, end int }

// fits tells whether a batch differs in values and times only.
func (f *frame) fits(b *measure.Batch, node string) bool {
	if len(b.Samples) != len(f.slots) || len(b.Ended) > 0 || f.told == "" && f.named != node {
		return false
	}
	for i := range b.Samples {
		if b.Samples[i].Series != f.slots[i].series || faulty(&b.Samples[i]) {
			return false
		}
	}
	return true
}

// Tags of the two types of values, which differ in nothing else.
const (
	tagDouble = fieldDouble<<3 | byte(protowire.Fixed64Type)
	tagInt    = fieldInt<<3 | byte(protowire.Fixed64Type)
)

// put writes the value and the times of a point. A start of a gauge is left out.
func (f *frame) put(at *slot, v number, start, end pcommon.Timestamp) {
	f.body[at.value] = tagInt
	if v.double {
		f.body[at.value] = tagDouble
	}
	binary.LittleEndian.PutUint64(f.body[at.value+1:], v.bits)
	binary.LittleEndian.PutUint64(f.body[at.time:], uint64(end))
	if at.start > 0 {
		binary.LittleEndian.PutUint64(f.body[at.start:], uint64(start))
	}
}

// with returns a copy of the request that has the agent's own scopes too, on the
// node's resource.
func (f *frame) with(scopes []byte) []byte {
	if len(scopes) == 0 || f.node.end == 0 {
		return slices.Concat(f.body, scopes)
	}
	n := f.node
	out := make([]byte, 0, len(f.body)+len(scopes)+binary.MaxVarintLen64)
	out = append(out, f.body[:n.tag]...)
	out = protowire.AppendTag(out, fieldResource, protowire.BytesType)
	out = protowire.AppendVarint(out, uint64(n.end-n.content+len(scopes)))
	out = append(out, f.body[n.content:n.scopes]...)
	out = append(out, scopes...)
	return append(out, f.body[n.scopes:]...)
}
