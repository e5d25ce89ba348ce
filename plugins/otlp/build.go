package otlp

import (
	"fmt"
	"strings"
	"time"
	"unique"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
)

const (
	serviceName = "podjoule"
	scopeName   = "github.com/podjoule/podjoule"
	// schemaURL is the version of the OpenTelemetry conventions that the
	// attributes of the resources follow.
	schemaURL = "https://opentelemetry.io/schemas/1.43.0"
)

// endDelay is how long after the window the end marker of a series is dated:
// the series may have its last value in the same window, two points of one
// series may not have one time, and Prometheus counts time in milliseconds.
const endDelay = time.Millisecond

// group is one resource of a request.
type group struct {
	place    int // among the resources
	resource pcommon.Resource
	scopes   pmetric.ScopeMetricsSlice
	// measured is the scope of the measured metrics, made with the first.
	measured pmetric.MetricSlice
	metrics  []metricPoints
}

// metricPoints are the points of one metric on one resource.
type metricPoints struct {
	shape  *shape
	points pmetric.NumberDataPointSlice
}

// frame builds the request of a batch, but for the values and times of samples.
// With an error it lacks samples, or is nil.
func (x *builder) frame(b *measure.Batch) (*frame, error) {
	defer clear(x.groups) // they would hold the request
	md, f := pmetric.NewMetrics(), new(frame)
	f.slots = make([]slot, 0, len(b.Samples))
	var bad error
	for i := range b.Samples {
		s := b.Samples[i].Series
		if faulty(&b.Samples[i]) {
			if bad == nil {
				bad = fmt.Errorf("encode %s: a delta must be an integer; this is a fault of the plugin that makes it", s.Metric.Name)
			}
			continue
		}
		st := x.streams[s]
		if st == nil {
			st = newStream(s, x.identity)
			st.shape = x.shapeOf(s)
			x.streams[s] = st
		}
		x.count(st, b, &b.Samples[i])
		f.slots = append(f.slots, slot{series: s, stream: st})
		f.tell(s)
		p := x.point(md, s, st)
		// The time says which slot it is until the value and times are known.
		p.SetTimestamp(pcommon.Timestamp(len(f.slots)))
		p.SetIntValue(0)
		if s.Metric.Kind == measure.Delta {
			p.SetStartTimestamp(1)
		}
	}
	for _, s := range b.Ended {
		x.end(md, f, b, s)
	}
	if f.told != "" {
		x.node = f.told
	}
	f.named = x.node
	place := -1
	if g := x.groups[unique.Handle[string]{}]; g != nil {
		x.putNode(g)
		place = g.place
	}
	f.points = md.DataPointCount()
	var err error
	if f.body, err = new(pmetric.ProtoMarshaler).MarshalMetrics(md); err == nil {
		err = f.locate(place)
	}
	if err != nil {
		return nil, fmt.Errorf("encode a request of %d points: %w", f.points, err)
	}
	return f, bad
}

// tell takes the name of the node from a series.
func (f *frame) tell(s *measure.Series) {
	if node, ok := s.Attribute("node"); ok {
		f.told = node
	}
}

// end forgets a series and marks its end, so that receivers do not show its
// last value for longer. A delta needs no mark: what is not sent adds nothing.
func (x *builder) end(md pmetric.Metrics, f *frame, b *measure.Batch, s *measure.Series) {
	st := x.streams[s]
	if st == nil {
		return // nothing of it was ever sent
	}
	delete(x.streams, s)
	if s.Metric.Kind == measure.Delta && !x.cumulative {
		return
	}
	f.tell(s)
	p := x.point(md, s, st)
	p.SetStartTimestamp(st.start)
	p.SetTimestamp(pcommon.NewTimestampFromTime(b.End.Add(endDelay)))
	p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
}

// point adds an empty point of a series, with its attributes.
func (x *builder) point(md pmetric.Metrics, s *measure.Series, st *stream) pmetric.NumberDataPoint {
	p := x.points(x.group(md, st.pod, s), st.shape).AppendEmpty()
	putAttributes(p.Attributes(), s, x.identity, x.renames)
	st.shape.finish(p.Attributes(), s, x.renames)
	return p
}

// group returns the resource of a pod, or of the node for the zero handle.
func (x *builder) group(md pmetric.Metrics, pod unique.Handle[string], s *measure.Series) *group {
	g := x.groups[pod]
	if g == nil {
		g = newGroup(md)
		g.place = md.ResourceMetrics().Len() - 1
		if pod != (unique.Handle[string]{}) {
			resource := g.resource.Attributes()
			for _, a := range x.more {
				if !strings.HasPrefix(a.Key, "service.") { // a pod is not this service
					resource.PutStr(a.Key, validText(a.Value))
				}
			}
			resourceOf(s).put(resource)
		}
		x.groups[pod] = g
	}
	return g
}

func newGroup(md pmetric.Metrics) *group {
	rm := md.ResourceMetrics().AppendEmpty()
	rm.SetSchemaUrl(schemaURL)
	return &group{resource: rm.Resource(), scopes: rm.ScopeMetrics()}
}

// putNode writes the attributes of the node's resource.
func (x *builder) putNode(g *group) {
	attributes := g.resource.Attributes()
	attributes.PutStr("service.name", serviceName)
	attributes.PutStr("service.version", x.version)
	if x.instance != "" {
		attributes.PutStr("service.instance.id", x.instance)
	}
	for _, a := range x.more {
		attributes.PutStr(a.Key, validText(a.Value))
	}
	if x.node != "" && x.identity != Point {
		attributes.PutStr("k8s.node.name", validText(x.node))
	}
}

// points returns the points of a shape on a resource.
func (x *builder) points(g *group, sh *shape) pmetric.NumberDataPointSlice {
	for _, m := range g.metrics { // a dozen: cheaper than a map
		if m.shape == sh {
			return m.points
		}
	}
	if len(g.metrics) == 0 {
		scope := g.scopes.AppendEmpty()
		scope.Scope().SetName(scopeName)
		scope.Scope().SetVersion(x.version)
		g.measured = scope.Metrics()
	}
	m := g.measured.AppendEmpty()
	m.SetName(sh.name)
	m.SetUnit(sh.unit)
	m.SetDescription(sh.metric.Help)
	var points pmetric.NumberDataPointSlice
	switch {
	case sh.metric.Kind == measure.Gauge:
		points = m.SetEmptyGauge().DataPoints()
	case x.cumulative:
		points = newSum(m, pmetric.AggregationTemporalityCumulative)
	default:
		points = newSum(m, pmetric.AggregationTemporalityDelta)
	}
	g.metrics = append(g.metrics, metricPoints{sh, points})
	return points
}

func newSum(m pmetric.Metric, temporality pmetric.AggregationTemporality) pmetric.NumberDataPointSlice {
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(temporality)
	return sum.DataPoints()
}

// ucum returns a unit as OpenTelemetry writes it, in UCUM. Cores have the word that its
// conventions have for them.
func ucum(u measure.Unit) string {
	switch u {
	case measure.Byte:
		return "By"
	case measure.Millicore:
		return "{cpu}"
	}
	return u.String()
}
