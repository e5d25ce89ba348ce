package otlp

import (
	"fmt"
	"time"
	"unique"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
)

// builder makes requests of batches and remembers the series between them.
type builder struct {
	cumulative bool
	// conventions gives names and units of the OpenTelemetry conventions.
	conventions bool
	identity    string
	renames     plugin.Renames
	version     string // of the agent
	instance    string // of the agent; empty where unknown
	// more are attributes for resources that the environment has.
	more []measure.Attribute

	streams map[*measure.Series]*stream
	shapes  map[shapeKey]*shape
	node    string // the node's name, once a series told it
	// frames are those of the last batches, by their interval.
	frames map[time.Duration]*frame
	// groups are the resources of the frame that is being built, by the
	// identity of the pod's resource; the node's has the zero handle.
	groups map[unique.Handle[string]]*group
}

func newBuilder(c *Config, version, instance string, more ...measure.Attribute) *builder {
	return &builder{
		cumulative:  c.Temporality == Cumulative,
		conventions: c.SemanticConventions,
		identity:    c.Identity,
		renames:     c.RenameAttributes,
		version:     version,
		instance:    instance,
		more:        more,
		streams:     make(map[*measure.Series]*stream),
		shapes:      make(map[shapeKey]*shape),
		frames:      make(map[time.Duration]*frame),
		groups:      make(map[unique.Handle[string]]*group),
	}
}

// requests encodes a batch and the agent's own scopes, which may be none, in
// requests of at most limit bytes each. Resources, metrics and points stand in
// the order in which the batch first names them. With an error, the requests
// hold what could be encoded.
func (x *builder) requests(b *measure.Batch, own pmetric.ScopeMetricsSlice, limit int) ([]request, error) {
	f, bad := x.filled(b)
	if f == nil {
		return nil, bad
	}
	ownPoints, scopes, err := x.own(own, f.node.end == 0)
	if err != nil && bad == nil {
		bad = err
	}
	whole := request{f.with(scopes), f.points + ownPoints}
	if whole.points == 0 {
		return nil, bad
	}
	requests, err := whole.within(limit)
	if err != nil {
		bad = err
	}
	return requests, bad
}

// filled returns a frame with the values of a batch. It is valid until the next
// batch.
func (x *builder) filled(b *measure.Batch) (*frame, error) {
	f := x.frames[b.Interval]
	if f != nil && f.fits(b, x.node) {
		if f.told != "" {
			x.node = f.told
		}
		for i := range b.Samples {
			x.count(f.slots[i].stream, b, &b.Samples[i])
		}
		x.fill(f, b)
		return f, nil
	}
	if len(b.Ended) > 0 {
		clear(x.frames) // they would hold the series that end
	}
	f, bad := x.frame(b)
	if f == nil {
		return nil, bad
	}
	if len(b.Ended) == 0 {
		x.frames[b.Interval] = f
	}
	x.fill(f, b)
	return f, bad
}

// faulty tells a sample that cannot be sent.
func faulty(sample *measure.Sample) bool {
	_, counted := sample.Uint()
	return sample.Series.Metric.Kind == measure.Delta && !counted
}

// count adds a sample to what is remembered of its series.
func (x *builder) count(st *stream, b *measure.Batch, sample *measure.Sample) {
	if x.cumulative && sample.Series.Metric.Kind == measure.Delta {
		v, _ := sample.Uint()
		st.add(v, pcommon.NewTimestampFromTime(b.StartOf(sample)))
	}
}

// fill writes the values and times of all samples, which are counted.
func (x *builder) fill(f *frame, b *measure.Batch) {
	end, usual := pcommon.NewTimestampFromTime(b.End), pcommon.NewTimestampFromTime(b.Start)
	at := f.slots
	for i := range b.Samples {
		sample := &b.Samples[i]
		if faulty(sample) {
			continue
		}
		metric := sample.Series.Metric
		v, counted := sample.Uint()
		start := usual
		switch {
		case metric.Kind == measure.Delta && x.cumulative:
			start, v = at[0].stream.start, at[0].stream.total
		case sample.Span != 0:
			start = pcommon.NewTimestampFromTime(b.StartOf(sample))
		}
		divisor := at[0].stream.shape.divisor
		n := ofCount(v, divisor)
		if !counted {
			n = ofFloat(sample.Float() / divisor)
		}
		f.put(&at[0], n, start, end)
		at = at[1:]
	}
}

// own encodes the agent's own scopes, with the node's resource around them or
// without.
func (x *builder) own(scopes pmetric.ScopeMetricsSlice, whole bool) (points int, body []byte, err error) {
	if scopes.Len() == 0 {
		return 0, nil, nil
	}
	md := pmetric.NewMetrics()
	g := newGroup(md)
	if whole {
		x.putNode(g)
	}
	scopes.MoveAndAppendTo(g.scopes)
	points = md.DataPointCount()
	body, err = new(pmetric.ProtoMarshaler).MarshalMetrics(md)
	if err == nil && !whole {
		body, err = scopesOf(body)
	}
	if err != nil {
		return 0, nil, fmt.Errorf("encode the agent's own metrics: %w", err)
	}
	return points, body, nil
}
