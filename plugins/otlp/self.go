package otlp

import (
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// selfScopes turns what the agent counted about itself into scopes of a
// request. Sums, gauges and histograms are all that the agent makes.
func selfScopes(from *metricdata.ResourceMetrics) pmetric.ScopeMetricsSlice {
	scopes := pmetric.NewScopeMetricsSlice()
	for _, scope := range from.ScopeMetrics {
		sm := scopes.AppendEmpty()
		sm.SetSchemaUrl(scope.Scope.SchemaURL)
		sm.Scope().SetName(scope.Scope.Name)
		sm.Scope().SetVersion(scope.Scope.Version)
		for _, m := range scope.Metrics {
			selfMetric(m, sm.Metrics())
		}
	}
	scopes.RemoveIf(func(sm pmetric.ScopeMetrics) bool { return sm.Metrics().Len() == 0 })
	return scopes
}

func selfMetric(from metricdata.Metrics, to pmetric.MetricSlice) {
	m := pmetric.NewMetric()
	m.SetName(from.Name)
	m.SetUnit(from.Unit)
	m.SetDescription(from.Description)
	switch data := from.Data.(type) {
	case metricdata.Sum[int64]:
		selfSum(data, m)
	case metricdata.Sum[float64]:
		selfSum(data, m)
	case metricdata.Gauge[int64]:
		selfPoints(data.DataPoints, m.SetEmptyGauge().DataPoints())
	case metricdata.Gauge[float64]:
		selfPoints(data.DataPoints, m.SetEmptyGauge().DataPoints())
	case metricdata.Histogram[int64]:
		selfHistogram(data, m)
	case metricdata.Histogram[float64]:
		selfHistogram(data, m)
	default:
		return
	}
	m.MoveTo(to.AppendEmpty())
}

func selfSum[N int64 | float64](from metricdata.Sum[N], to pmetric.Metric) {
	sum := to.SetEmptySum()
	sum.SetIsMonotonic(from.IsMonotonic)
	sum.SetAggregationTemporality(selfTemporality(from.Temporality))
	selfPoints(from.DataPoints, sum.DataPoints())
}

func selfPoints[N int64 | float64](from []metricdata.DataPoint[N], to pmetric.NumberDataPointSlice) {
	to.EnsureCapacity(len(from))
	for _, point := range from {
		p := to.AppendEmpty()
		selfAttributes(point.Attributes, p.Attributes())
		if !point.StartTime.IsZero() {
			p.SetStartTimestamp(pcommon.NewTimestampFromTime(point.StartTime))
		}
		p.SetTimestamp(pcommon.NewTimestampFromTime(point.Time))
		switch v := any(point.Value).(type) {
		case int64:
			p.SetIntValue(v)
		case float64:
			p.SetDoubleValue(v)
		}
	}
}

func selfHistogram[N int64 | float64](from metricdata.Histogram[N], to pmetric.Metric) {
	histogram := to.SetEmptyHistogram()
	histogram.SetAggregationTemporality(selfTemporality(from.Temporality))
	for _, point := range from.DataPoints {
		p := histogram.DataPoints().AppendEmpty()
		selfAttributes(point.Attributes, p.Attributes())
		p.SetStartTimestamp(pcommon.NewTimestampFromTime(point.StartTime))
		p.SetTimestamp(pcommon.NewTimestampFromTime(point.Time))
		p.SetCount(point.Count)
		p.SetSum(float64(point.Sum))
		if v, ok := point.Min.Value(); ok {
			p.SetMin(float64(v))
		}
		if v, ok := point.Max.Value(); ok {
			p.SetMax(float64(v))
		}
		p.ExplicitBounds().FromRaw(point.Bounds)
		p.BucketCounts().FromRaw(point.BucketCounts)
	}
}

func selfTemporality(t metricdata.Temporality) pmetric.AggregationTemporality {
	if t == metricdata.DeltaTemporality {
		return pmetric.AggregationTemporalityDelta
	}
	return pmetric.AggregationTemporalityCumulative
}

func selfAttributes(from attribute.Set, to pcommon.Map) {
	to.EnsureCapacity(from.Len())
	for iter := from.Iter(); iter.Next(); {
		a := iter.Attribute()
		key := string(a.Key)
		switch a.Value.Type() {
		case attribute.BOOL:
			to.PutBool(key, a.Value.AsBool())
		case attribute.INT64:
			to.PutInt(key, a.Value.AsInt64())
		case attribute.FLOAT64:
			to.PutDouble(key, a.Value.AsFloat64())
		default:
			to.PutStr(key, a.Value.String())
		}
	}
}
