package prometheus

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/podjoule/podjoule/agent/measure"
)

// A pod's label that changes begins a counter anew, and the old one stays for a while;
// what they count adds up. Whatever a value is, Prometheus reads it.
func TestChangedLabel(t *testing.T) {
	m := &measure.Metric{Name: "cpu_time_delta", Unit: measure.Nanosecond, Kind: measure.Delta, Help: "CPU time",
		Attributes: []string{"label:app.kubernetes.io/name", "uid"}}
	hostile := "a\n\"b\"\\{}=\x00\xffü"
	series := func(attributes ...measure.Attribute) *measure.Series {
		return &measure.Series{Metric: m, Resource: measure.Resource{Kind: measure.LocalMachine},
			Attributes: append(attributes, measure.Attribute{Key: "uid", Value: "u-1"})}
	}
	bare := series()
	web := series(measure.Attribute{Key: "label:app.kubernetes.io/name", Value: "web"})
	odd := series(measure.Attribute{Key: "label:app.kubernetes.io/name", Value: hostile})
	p := openDefault(t, m)
	var ended *measure.Series
	for _, s := range []*measure.Series{bare, web, web, odd} {
		p.next(t, func(b *measure.Batch) {
			b.Uint(s, 1_500_000_000)
			if ended != nil && ended != s {
				b.Retire(ended)
			}
		})
		ended = s
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(p.scrape(t, text)))
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, line := range families["podjoule_cpu_time_seconds_total"].GetMetric() {
		labels := make(map[string]string)
		for _, pair := range line.GetLabel() {
			labels[pair.GetName()] = pair.GetValue()
		}
		got[labels["label_app_kubernetes_io_name"]] = line.GetCounter().GetValue()
	}
	want := map[string]float64{"": 1.5, "web": 3, strings.ToValidUTF8(hostile, "\uFFFD"): 1.5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counters by label (-want +got):\n%s", diff)
	}
}
