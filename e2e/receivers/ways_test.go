//go:build receivers

package receivers

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// way is one by which samples come to a Prometheus.
type way struct {
	name string
	// output is the configuration of podjoule.
	output func(s *server) string
	// job is that of the server which comes for the samples; empty where they are sent.
	job string
	// starts tells that the times come along at which counters were 0.
	starts bool
	// cpu and energy are the names of counters, of which so many are a second.
	cpu, energy string
	perSecond   float64
}

const (
	byScrape = "scrape"
	byOTLP   = "otlp"
)

func ways() []way {
	page := way{starts: true, cpu: "podjoule_cpu_time_seconds_total", energy: "podjoule_rapl_consumed_energy_joules_total", perSecond: 1}
	scrape := page
	scrape.name, scrape.job = byScrape, jobProtobuf
	scrape.output = func(*server) string { return "[plugins.prometheus]\nkeep_ended = \"5s\"\n" }
	openMetrics := scrape
	openMetrics.name, openMetrics.job = "scrape as OpenMetrics", jobOpenMetrics
	write2 := page
	write2.name, write2.output = "remote write 2.0", func(s *server) string { return s.remoteWrite("2.0") }
	write1 := page
	write1.name, write1.output, write1.starts = "remote write 1.0", func(s *server) string { return s.remoteWrite("1.0") }, false
	otlp := way{
		name: byOTLP, starts: true, cpu: "cpu_time_nanoseconds_total", energy: "rapl_consumed_energy_joules_total", perSecond: 1e9,
		output: func(s *server) string { return s.otlp("both") },
	}
	return []way{scrape, openMetrics, write2, write1, otlp}
}

func wayNamed(t *testing.T, name string) way {
	t.Helper()
	for _, w := range ways() {
		if w.name == name {
			return w
		}
	}
	t.Fatalf("there is no way %q", name)
	return way{}
}

// otlp is the configuration that the README of the plugin otlp has for Prometheus.
func (s *server) otlp(identity string) string {
	return fmt.Sprintf("[plugins.otlp]\nprotocol = \"http/protobuf\"\nendpoint = \"%s/api/v1/otlp\"\ntemporality = \"cumulative\"\nidentity = %q\n", s.url, identity)
}

// remoteWrite is that of the README of the plugin remotewrite.
func (s *server) remoteWrite(version string) string {
	return fmt.Sprintf("[plugins.remotewrite]\nurl = \"%s/api/v1/write\"\nprotocol_version = %q\n", s.url, version)
}

// start runs podjoule on a node, and has its samples come to a server.
func (w *way) start(t *testing.T, s *server, n *node, more ...string) *agent {
	t.Helper()
	a := startAgent(t, n, append(more, w.output(s))...)
	if w.job != "" {
		s.scrape(t, w.job, a.address)
	}
	return a
}

// nanoseconds is a value of a counter of CPU time.
func (w *way) nanoseconds(v float64) int64 { return int64(math.Round(v / w.perSecond * 1e9)) }

// A pod is two series to a server that was told of it before its name was known: their sum
// is what it used, and the first of them ends when the other begins.

// has waits until the server's newest sample of a pod's CPU time is all that it used, which
// is a sample of this moment: of a pod that has ended there is none, nor of what one used
// before its name was known.
func (s *server) has(t *testing.T, w *way, n *node, uid string) {
	t.Helper()
	s.adds(t, w, n, uid, "Prometheus has all CPU time of a pod", `%s{kind="total",uid=%q}`)
}

// adds waits until the series that a query finds of a pod add up to all that it used.
func (s *server) adds(t *testing.T, w *way, n *node, uid, what, query string) {
	t.Helper()
	var all []series
	defer func() {
		if t.Failed() {
			t.Logf("the pod used %d ns, Prometheus has %v", n.spent(uid), all)
		}
	}()
	eventually(t, what, func() bool {
		all = s.query(t, time.Now(), query, w.cpu, uid)
		var sum int64
		for _, one := range all {
			sum += w.nanoseconds(one.Value.value(t))
		}
		return len(all) > 0 && sum == n.spent(uid)
	})
}

// samples waits until the server has a sample of a pod's CPU time that is newer than a time.
func (s *server) samples(t *testing.T, w *way, uid string, after time.Time) {
	t.Helper()
	eventually(t, "Prometheus has a new sample", func() bool {
		at, told := s.number(t, time.Now(), `max(timestamp(%s{kind="total",uid=%q}))`, w.cpu, uid)
		return told && at > float64(after.UnixMilli())/1000
	})
}

// keeps waits until the last sample of a pod's CPU time, of whatever time, is all that it used.
func (s *server) keeps(t *testing.T, w *way, n *node, uid string) {
	t.Helper()
	s.adds(t, w, n, uid, "Prometheus has all CPU time of a pod that has ended", `last_over_time(%s{kind="total",uid=%q}[5m])`)
}
