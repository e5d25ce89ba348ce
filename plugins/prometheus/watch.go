package prometheus

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// watch returns a gatherer that remembers and counts failures, since a page
// with a few metrics left out looks like any other.
func (o *output) watch(g prometheus.Gatherer) prometheus.Gatherer {
	return prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) {
		families, err := g.Gather()
		o.failure.Store(&err)
		if err != nil {
			o.failures.Add(context.Background(), 1)
		}
		return families, err
	})
}

// Ready tells what was wrong with the latest scrape.
func (o *output) Ready() error {
	if err := o.failure.Load(); err != nil && *err != nil {
		return fmt.Errorf("the page lacks metrics that contradict others; report it as a defect: %w", *err)
	}
	return nil
}
