package otlp

import (
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
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

// builder makes requests of batches and remembers the series between them.
type builder struct {
	cumulative bool
	identity   string
	renames    plugin.Renames
	version    string // of the agent
	instance   string // of the agent; empty where unknown

	streams map[*measure.Series]*stream
	node    string // the node's name, once a series told it
	// groups are the resources of the request that is being built, by the
	// identity of the pod's resource; the node's has none.
	groups map[string]*group
}

// group is one resource of a request.
type group struct {
	resource pcommon.Resource
	scopes   pmetric.ScopeMetricsSlice
	// measured is the scope of the measured metrics, made with the first.
	measured pmetric.MetricSlice
	metrics  []metricPoints
}

// metricPoints are the points of one metric on one resource.
type metricPoints struct {
	metric *measure.Metric
	points pmetric.NumberDataPointSlice
}

func newBuilder(c *Config, version, instance string) *builder {
	return &builder{
		cumulative: c.Temporality == Cumulative,
		identity:   c.Identity,
		renames:    c.RenameAttributes,
		version:    version,
		instance:   instance,
		streams:    make(map[*measure.Series]*stream),
		groups:     make(map[string]*group),
	}
}

// build makes a request of a batch and of the agent's own scopes, which may be
// none. Resources, metrics and points stand in the order in which the batch
// first names them. With an error, the request holds what could be encoded.
func (x *builder) build(b *measure.Batch, self pmetric.ScopeMetricsSlice) (pmetric.Metrics, error) {
	md := pmetric.NewMetrics()
	defer clear(x.groups) // they would hold the request
	var bad error
	for i := range b.Samples {
		if err := x.sample(md, b, &b.Samples[i]); err != nil && bad == nil {
			bad = err
		}
	}
	for _, s := range b.Ended {
		x.end(md, b, s)
	}
	if self.Len() > 0 {
		self.MoveAndAppendTo(x.group(md, "", nil).scopes)
	}
	if g := x.groups[""]; g != nil && x.node != "" && x.identity != Point {
		g.resource.Attributes().PutStr("k8s.node.name", validText(x.node))
	}
	return md, bad
}

// sample adds the point of one sample.
func (x *builder) sample(md pmetric.Metrics, b *measure.Batch, sample *measure.Sample) error {
	s := sample.Series
	v, counted := sample.Uint()
	if s.Metric.Kind == measure.Delta && !counted {
		return fmt.Errorf("encode %s: a delta must be an integer; this is a fault of the plugin that makes it", s.Metric.Name)
	}
	st := x.streams[s]
	if st == nil {
		st = newStream(s, x.identity, x.renames)
		x.streams[s] = st
	}
	p := x.point(md, s, st)
	p.SetTimestamp(pcommon.NewTimestampFromTime(b.End))
	switch {
	case s.Metric.Kind == measure.Delta:
		start := pcommon.NewTimestampFromTime(b.StartOf(sample))
		if x.cumulative {
			st.add(v, start)
			start, v = st.start, st.total
		}
		p.SetStartTimestamp(start)
		setCount(p, v, s.Metric.Unit)
	case counted:
		setCount(p, v, s.Metric.Unit)
	default:
		p.SetDoubleValue(sample.Float() / s.Metric.Unit.Divisor())
	}
	return nil
}

// end forgets a series and marks its end, so that receivers do not show its
// last value for longer. A delta needs no mark: what is not sent adds nothing.
func (x *builder) end(md pmetric.Metrics, b *measure.Batch, s *measure.Series) {
	st := x.streams[s]
	if st == nil {
		return // nothing of it was ever sent
	}
	delete(x.streams, s)
	if s.Metric.Kind == measure.Delta && !x.cumulative {
		return
	}
	p := x.point(md, s, st)
	p.SetStartTimestamp(st.start)
	p.SetTimestamp(pcommon.NewTimestampFromTime(b.End.Add(endDelay)))
	p.SetFlags(pmetric.DefaultDataPointFlags.WithNoRecordedValue(true))
}

// point adds an empty point of a series, with its attributes.
func (x *builder) point(md pmetric.Metrics, s *measure.Series, st *stream) pmetric.NumberDataPoint {
	if node, ok := s.Attribute("node"); ok {
		x.node = node
	}
	p := x.points(x.group(md, st.pod, s), s.Metric).AppendEmpty()
	st.attributes.CopyTo(p.Attributes())
	return p
}

// group returns the resource of a pod, or of the node where the identity is empty.
func (x *builder) group(md pmetric.Metrics, pod string, s *measure.Series) *group {
	if g := x.groups[pod]; g != nil {
		return g
	}
	rm := md.ResourceMetrics().AppendEmpty()
	rm.SetSchemaUrl(schemaURL)
	g := &group{resource: rm.Resource(), scopes: rm.ScopeMetrics()}
	x.groups[pod] = g

	attributes := g.resource.Attributes()
	if pod == "" {
		attributes.PutStr("service.name", serviceName)
		attributes.PutStr("service.version", x.version)
		if x.instance != "" {
			attributes.PutStr("service.instance.id", x.instance)
		}
		return g
	}
	resourceOf(s).put(attributes)
	return g
}

// points returns the points of a metric on a resource.
func (x *builder) points(g *group, metric *measure.Metric) pmetric.NumberDataPointSlice {
	for _, m := range g.metrics { // a dozen: cheaper than a map
		if m.metric == metric {
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
	m.SetName(metric.Name)
	m.SetUnit(ucum(metric.Unit))
	m.SetDescription(metric.Help)
	var points pmetric.NumberDataPointSlice
	switch {
	case metric.Kind == measure.Gauge:
		points = m.SetEmptyGauge().DataPoints()
	case x.cumulative:
		m.SetName(strings.TrimSuffix(metric.Name, "_delta"))
		points = newSum(m, pmetric.AggregationTemporalityCumulative)
	default:
		points = newSum(m, pmetric.AggregationTemporalityDelta)
	}
	g.metrics = append(g.metrics, metricPoints{metric, points})
	return points
}

func newSum(m pmetric.Metric, temporality pmetric.AggregationTemporality) pmetric.NumberDataPointSlice {
	sum := m.SetEmptySum()
	sum.SetIsMonotonic(true)
	sum.SetAggregationTemporality(temporality)
	return sum.DataPoints()
}

// ucum returns a unit as OpenTelemetry writes it, in UCUM.
func ucum(u measure.Unit) string {
	if u == measure.Byte {
		return "By"
	}
	return u.String()
}
