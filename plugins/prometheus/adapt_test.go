package prometheus

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

// Metrics come, go, and change their labels, while the page is served: counters of those
// that stay go on, and of those that go the last value stays.
func TestAdapt(t *testing.T) {
	m := newMetrics()
	p := openDefault(t, m.all()...)
	web := m.newPod("web-0", "u-1")
	p.next(t, func(b *measure.Batch) { b.Uint(web.core, 1_000_000) })
	adapt := func(metrics ...*measure.Metric) {
		t.Helper()
		change, ok := p.Adapt(metrics)
		if !ok {
			t.Fatal("the metrics are not taken")
		}
		change()
	}
	check := func(what string, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, p.linesOf(t, "podjoule_")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		p.sameAsReference(t, "/metrics", accepts()...)
	}

	// The same metrics, declared anew, and one more.
	energy := *web.core.Metric
	more := &measure.Metric{Name: "more", Help: "More"}
	others := slices.DeleteFunc(m.all(), func(x *measure.Metric) bool { return x == web.core.Metric })
	adapt(append(others, &energy, more)...)
	next := *web.core
	next.Metric = &energy
	p.next(t, func(b *measure.Batch) {
		b.Retire(web.core)
		b.Uint(&next, 500_000)
		b.Uint(&measure.Series{Metric: more, Resource: measure.Resource{Kind: measure.LocalMachine}}, 3)
	})
	check("declared anew", "podjoule_more 3", energyOfWeb+"1.5")

	// A metric goes: its last value stays until keep_ended is over.
	p.next(t, func(b *measure.Batch) { b.Retire(&next) })
	adapt(more)
	check("gone", energyOfWeb+"1.5")

	// It comes back with another label: what was under the old ones goes.
	energy.Attributes = append([]string{"basis"}, energy.Attributes...)
	adapt(&energy, more)
	check("with other labels")

	// Two metrics of one name on the page: all stays as it was.
	if _, ok := p.Adapt([]*measure.Metric{more, {Name: "more"}}); ok {
		t.Error("two metrics of one name are taken")
	}
}
