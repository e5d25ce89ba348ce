package attribution

import (
	"slices"
	"testing"

	"github.com/podjoule/podjoule/agent/measure"
)

// The division goes on when a meter comes or goes. It begins anew when what it divides by
// is declared anew, is measured for the first time, or is not measured any more.
func TestAdapt(t *testing.T) {
	without := func(m *measure.Metric) []*measure.Metric {
		return slices.DeleteFunc(allMetrics(), func(x *measure.Metric) bool { return x == m })
	}
	anew := *cpuMetric
	for _, tc := range []struct {
		name   string
		had    []*measure.Metric
		have   []*measure.Metric
		change func(*Config)
		want   bool
	}{
		{"as before", allMetrics(), allMetrics(), nil, true},
		{"a meter goes", allMetrics(), without(energyMetric), nil, true},
		{"a meter comes", without(energyMetric), allMetrics(), nil, true},
		{"memory that is not needed goes", allMetrics(), without(memoryMetric), nil, true},
		{"memory that is needed goes", allMetrics(), without(memoryMetric), func(c *Config) { c.DRAMBy = byMemory.String() }, false},
		{"requests that are needed go", allMetrics(), without(requestMetric), func(c *Config) { c.Policies = []string{byRequest} }, false},
		{"CPU time goes", allMetrics(), without(cpuMetric), nil, false},
		{"CPU time is declared anew", allMetrics(), append(without(cpuMetric), &anew), nil, false},
		{"CPU time by socket comes", without(socketMetric), allMetrics(), nil, false},
		{"CPU time by socket goes", allMetrics(), without(socketMetric), nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			change := tc.change
			if change == nil {
				change = func(*Config) {}
			}
			r := newRigOn(t, 2, tc.had, change)
			if _, got := r.Adapt(tc.have); got != tc.want {
				t.Errorf("goes on: %v, want %v", got, tc.want)
			}
		})
	}
}
