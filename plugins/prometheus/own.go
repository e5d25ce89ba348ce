package prometheus

import (
	"context"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// collector hands out the agent's own metrics, with totals since its start.
type collector interface {
	Collect(ctx context.Context, into *metricdata.ResourceMetrics) error
}

// own writes the agent's own metrics as text, byte for byte as the exporter of OpenTelemetry,
// client_golang and expfmt together do: those make descriptions, messages and names of each
// value for each scrape, while here all but the numbers is prepared once. What it does not know
// it leaves to them.
type own struct {
	reader collector
	// turn is held by the scrape that writes: a channel, since one may hang in a callback.
	turn chan struct{}

	data metricdata.ResourceMetrics // whose memory is used again
	// families are found by the names of their instruments, and shown in the order of
	// their own.
	families map[string]*ownFamily
	shown    []*ownFamily
	// taken are the names that lines of families have, and samples those of samples.
	taken   map[string]bool
	samples func() map[string]bool
	// round counts the scrapes, to tell what each of them had.
	round uint64
}

func newOwn(reader collector, samples func() map[string]bool) *own {
	return &own{reader: reader, turn: make(chan struct{}, 1), families: make(map[string]*ownFamily), taken: make(map[string]bool), samples: samples}
}

// write appends the families to a text, in the order of their names, and tells where each
// of them ends. It returns false where only client_golang can tell how the page must look,
// or what is wrong with it.
func (o *own) write(into *pageText, as format, ended func(name string)) bool {
	o.turn <- struct{}{}
	defer func() { <-o.turn }()
	o.round++
	if err := o.reader.Collect(context.Background(), &o.data); err != nil {
		return false
	}
	for i := range o.data.ScopeMetrics {
		for j := range o.data.ScopeMetrics[i].Metrics {
			if !o.take(&o.data.ScopeMetrics[i].Metrics[j]) {
				return false
			}
		}
	}
	samples := o.samples()
	for _, f := range o.shown {
		if f.seen == o.round && slices.ContainsFunc(f.names, func(name string) bool { return samples[name] }) {
			return false
		}
	}
	for _, f := range o.shown {
		if f.seen != o.round {
			continue
		}
		f.forget(o.round)
		into.add(f.heads[as])
		for _, l := range f.sorted {
			l.write(into, as)
		}
		ended(f.name)
	}
	return true
}

// take notes the values of one instrument.
func (o *own) take(m *metricdata.Metrics) bool {
	f := o.families[m.Name]
	if f == nil {
		var known bool
		if f, known = o.begin(m); !known {
			return false
		}
	}
	if f.seen == o.round || f.help != m.Description || f.unit != m.Unit || f.kind != kindOf(m.Data) {
		return false // there is another instrument of that name
	}
	f.seen = o.round
	return f.take(m.Data)
}

// begin makes the family of an instrument that was not seen before.
func (o *own) begin(m *metricdata.Metrics) (*ownFamily, bool) {
	f, known := newOwnFamily(m)
	if !known {
		return nil, false
	}
	f.names = []string{f.name}
	if f.kind == histogramKind {
		f.names = append(f.names, f.name+"_count", f.name+"_sum", f.name+"_bucket")
	}
	for _, name := range f.names {
		if o.taken[name] {
			return nil, false
		}
	}
	for _, name := range f.names {
		o.taken[name] = true
	}
	o.families[m.Name] = f
	at, _ := slices.BinarySearchFunc(o.shown, f, func(a, b *ownFamily) int { return strings.Compare(a.name, b.name) })
	o.shown = slices.Insert(o.shown, at, f)
	return f, true
}
