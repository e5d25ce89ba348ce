package k8s

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/token"
)

// instruments count the plugin's own work.
type instruments struct {
	resets, readErrors metric.Int64Counter
	// As of the last tick:
	pods, unresolved atomic.Int64
	scanning         atomic.Bool // the kernel does not tell of cgroups

	registration metric.Registration
}

func newInstruments(meter metric.Meter, tokens *token.Source, d *discovery, tree *cgroup.Hierarchy) (*instruments, error) {
	in := new(instruments)
	var err error
	if in.resets, err = meter.Int64Counter("podjoule.k8s.resets",
		metric.WithDescription("Readings of cgroups whose counters went backwards, which makes a new baseline")); err != nil {
		return nil, err
	}
	if in.readErrors, err = meter.Int64Counter("podjoule.k8s.read_errors",
		metric.WithDescription("Cgroups of which a file could not be read or understood in a tick")); err != nil {
		return nil, err
	}
	in.resets.Add(context.Background(), 0) // a counter that has not counted yet is seen as 0
	in.readErrors.Add(context.Background(), 0)
	pods, err := meter.Int64ObservableGauge("podjoule.pods",
		metric.WithDescription("Pods whose cgroups are here"))
	if err != nil {
		return nil, err
	}
	unresolved, err := meter.Int64ObservableGauge("podjoule.pods.unresolved",
		metric.WithDescription("Pods whose cgroups are here and whose names are not known, or not yet"))
	if err != nil {
		return nil, err
	}
	births, err := meter.Int64ObservableGauge("podjoule.k8s.births",
		metric.WithDescription("1 for the way in which pods that come and go are found now: inotify, or scan where the kernel allows no more watches"))
	if err != nil {
		return nil, err
	}
	reopened, err := meter.Int64ObservableCounter("podjoule.k8s.files.reopened", metric.WithUnit("{file}"),
		metric.WithDescription("Files of cgroups that were opened for one reading alone, because the limit of open files allows no more to stay open"))
	if err != nil {
		return nil, err
	}
	retrievals, err := meter.Int64ObservableCounter("podjoule.k8s.token.retrievals",
		metric.WithDescription("Times that a bearer token was fetched"))
	if err != nil {
		return nil, err
	}
	failures, err := meter.Int64ObservableCounter("podjoule.k8s.token.failures",
		metric.WithDescription("Times that a bearer token was fetched in vain"))
	if err != nil {
		return nil, err
	}
	mode, err := meter.Int64ObservableGauge("podjoule.k8s.discovery",
		metric.WithDescription("1 for the way in which pods get their names now: watch, poll or kubelet"))
	if err != nil {
		return nil, err
	}
	age, err := meter.Float64ObservableGauge("podjoule.k8s.discovery.answer_age", metric.WithUnit("s"),
		metric.WithDescription("Time since a server last told something of the node's pods; absent before the first time"))
	if err != nil {
		return nil, err
	}
	in.registration, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		stats := tokens.Stats()
		o.ObserveInt64(pods, in.pods.Load())
		o.ObserveInt64(unresolved, in.unresolved.Load())
		way := "inotify"
		if in.scanning.Load() {
			way = "scan"
		}
		o.ObserveInt64(births, 1, metric.WithAttributes(attribute.String("way", way)))
		o.ObserveInt64(mode, 1, metric.WithAttributes(attribute.String("mode", d.mode())))
		if last := d.lastAnswer(); !last.IsZero() {
			o.ObserveFloat64(age, time.Since(last).Seconds())
		}
		o.ObserveInt64(reopened, int64(tree.Reopened()))
		o.ObserveInt64(retrievals, int64(stats.Retrievals))
		o.ObserveInt64(failures, int64(stats.Failures))
		return nil
	}, pods, unresolved, births, reopened, mode, age, retrievals, failures)
	return in, err
}

func (in *instruments) close() error { return in.registration.Unregister() }
