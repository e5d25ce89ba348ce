package otlp

import (
	"fmt"

	"go.opentelemetry.io/collector/pdata/pmetric"
)

// request is one encoded export request.
type request struct {
	body   []byte
	points int
}

// within returns the request as it is, or where it has more than limit bytes and
// points to spare, as several.
func (r request) within(limit int) ([]request, error) {
	if len(r.body) <= limit || r.points == 1 {
		return []request{r}, nil
	}
	md, err := new(pmetric.ProtoUnmarshaler).UnmarshalMetrics(r.body)
	if err != nil {
		return nil, fmt.Errorf("split a request of %d points: %w", r.points, err)
	}
	return split(md, limit)
}

// split halves metrics until each part is within the limit: first by resource,
// then by scope, metric and point. It takes the metrics apart.
func split(md pmetric.Metrics, limit int) ([]request, error) {
	points := md.DataPointCount()
	var marshaler pmetric.ProtoMarshaler
	if points > 1 && marshaler.MetricsSize(md) > limit {
		left, right := halve(md)
		first, err := split(left, limit)
		if err != nil {
			return nil, err
		}
		second, err := split(right, limit)
		return append(first, second...), err
	}
	body, err := marshaler.MarshalMetrics(md)
	if err != nil {
		return nil, fmt.Errorf("encode a request of %d points: %w", points, err)
	}
	return []request{{body, points}}, nil
}

// halve moves metrics into two requests at the outermost level that has more
// than one member.
func halve(md pmetric.Metrics) (left, right pmetric.Metrics) {
	left, right = pmetric.NewMetrics(), pmetric.NewMetrics()
	resources := md.ResourceMetrics()
	if resources.Len() > 1 {
		deal(resources, left.ResourceMetrics(), right.ResourceMetrics())
		return left, right
	}
	resource := resources.At(0)
	leftScopes, rightScopes := resourceLike(resource, left), resourceLike(resource, right)
	if resource.ScopeMetrics().Len() > 1 {
		deal(resource.ScopeMetrics(), leftScopes, rightScopes)
		return left, right
	}
	scope := resource.ScopeMetrics().At(0)
	leftMetrics, rightMetrics := scopeLike(scope, leftScopes), scopeLike(scope, rightScopes)
	if scope.Metrics().Len() > 1 {
		deal(scope.Metrics(), leftMetrics, rightMetrics)
		return left, right
	}
	halveMetric(scope.Metrics().At(0), leftMetrics.AppendEmpty(), rightMetrics.AppendEmpty())
	return left, right
}

func resourceLike(from pmetric.ResourceMetrics, to pmetric.Metrics) pmetric.ScopeMetricsSlice {
	rm := to.ResourceMetrics().AppendEmpty()
	rm.SetSchemaUrl(from.SchemaUrl())
	from.Resource().CopyTo(rm.Resource())
	return rm.ScopeMetrics()
}

func scopeLike(from pmetric.ScopeMetrics, to pmetric.ScopeMetricsSlice) pmetric.MetricSlice {
	sm := to.AppendEmpty()
	sm.SetSchemaUrl(from.SchemaUrl())
	from.Scope().CopyTo(sm.Scope())
	return sm.Metrics()
}

func halveMetric(from, left, right pmetric.Metric) {
	for _, to := range []pmetric.Metric{left, right} {
		to.SetName(from.Name())
		to.SetUnit(from.Unit())
		to.SetDescription(from.Description())
	}
	switch from.Type() {
	case pmetric.MetricTypeGauge:
		deal(from.Gauge().DataPoints(), left.SetEmptyGauge().DataPoints(), right.SetEmptyGauge().DataPoints())
	case pmetric.MetricTypeSum:
		deal(from.Sum().DataPoints(), sumLike(from.Sum(), left), sumLike(from.Sum(), right))
	case pmetric.MetricTypeHistogram:
		deal(from.Histogram().DataPoints(), histogramLike(from.Histogram(), left), histogramLike(from.Histogram(), right))
	}
}

func sumLike(from pmetric.Sum, to pmetric.Metric) pmetric.NumberDataPointSlice {
	sum := to.SetEmptySum()
	sum.SetIsMonotonic(from.IsMonotonic())
	sum.SetAggregationTemporality(from.AggregationTemporality())
	return sum.DataPoints()
}

func histogramLike(from pmetric.Histogram, to pmetric.Metric) pmetric.HistogramDataPointSlice {
	histogram := to.SetEmptyHistogram()
	histogram.SetAggregationTemporality(from.AggregationTemporality())
	return histogram.DataPoints()
}

// slice is what the slices of pdata have in common.
type slice[T any] interface {
	Len() int
	At(int) T
	AppendEmpty() T
}

// deal moves the first half of a slice to the left and the rest to the right.
func deal[T interface{ MoveTo(T) }, S slice[T]](from, left, right S) {
	for i := range from.Len() {
		to := left
		if i >= from.Len()/2 {
			to = right
		}
		from.At(i).MoveTo(to.AppendEmpty())
	}
}
