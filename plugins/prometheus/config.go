// Package prometheus is the output that serves the latest samples as a page
// for Prometheus to scrape.
package prometheus

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/metric"

	base "github.com/podjoule/podjoule/agent/family"
	"github.com/podjoule/podjoule/agent/plugin"
)

// Plugin declares the prometheus output.
func Plugin() plugin.Plugin {
	return plugin.Plugin{
		Name: "prometheus",
		Doc:  "serves the latest samples as a page for Prometheus to scrape",
		Role: plugin.RoleOutput,
		Config: func() plugin.Config {
			return &Config{Path: "/metrics", KeepEnded: plugin.Duration(5 * time.Minute), RenameAttributes: plugin.Renames{}}
		},
	}
}

// Config is the table [plugins.prometheus].
type Config struct {
	// Path is where the page is on the agent's listener.
	Path string `toml:"path"`
	// KeepEnded is how long the counters of an ended series stay on the page
	// with their last value, so that a scraper sees it; 0 drops them at once.
	KeepEnded plugin.Duration `toml:"keep_ended"`
	// RenameAttributes gives attributes other names as labels.
	RenameAttributes plugin.Renames `toml:"rename_attributes"`
}

// Validate checks what can be told without the metrics of other plugins.
func (c *Config) Validate() error {
	if !strings.HasPrefix(c.Path, "/") || path.Clean(c.Path) != c.Path || strings.ContainsAny(c.Path, " {}?#%") {
		return plugin.Keyf("path", `want an absolute path such as "/metrics", have %q`, c.Path)
	}
	if c.KeepEnded < 0 {
		return plugin.Keyf("keep_ended", "want a duration of 0 or more, have %v", time.Duration(c.KeepEnded))
	}
	keys := slices.Sorted(maps.Keys(c.RenameAttributes))
	if err := c.RenameAttributes.Check(keys); err != nil {
		return err
	}
	return base.CheckLabels(keys, c.RenameAttributes)
}

// Scrapers are few and pages are small: more than this is a flood.
const (
	maxScrapes    = 16
	scrapeTimeout = 10 * time.Second
)

// Open registers the page. What it returns is a plugin.Output and a
// plugin.Readier.
func (c *Config) Open(ctx context.Context, host *plugin.Host) (any, error) {
	families, err := newFamilies(host.Metrics, c.RenameAttributes)
	if err != nil {
		return nil, err
	}
	failures, err := host.Meter.Int64Counter("podjoule.prometheus.failed_scrapes", metric.WithUnit("{scrape}"),
		metric.WithDescription("Scrapes in which metrics were left out because they contradict each other"))
	if err != nil {
		return nil, fmt.Errorf("register instruments: %w", err)
	}
	failures.Add(ctx, 0) // a counter that has not counted yet is seen as 0
	out := newOutput(families, time.Duration(c.KeepEnded), failures)
	out.renames = c.RenameAttributes
	registry := prometheus.NewRegistry()
	if err := registry.Register(out); err != nil {
		return nil, fmt.Errorf("register the samples: %w", err)
	}
	full := promhttp.HandlerFor(out.watch(prometheus.Gatherers{registry, host.Self}), promhttp.HandlerOpts{
		// What is wrong with one metric must not hide the others.
		ErrorHandling:                       promhttp.ContinueOnError,
		EnableOpenMetrics:                   true,
		EnableOpenMetricsTextCreatedSamples: true,
	})
	page := plugin.Page{Path: c.Path, Doc: "metrics of this node's pods, for Prometheus",
		Handler: newScraper(out, host.SelfReader, host.Self, full)}
	if err := host.Handle(page); err != nil {
		return nil, fmt.Errorf("serve the page at %s: %w", c.Path, err)
	}
	return out, nil
}
