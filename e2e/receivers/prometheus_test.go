//go:build receivers

package receivers

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// scrapeInterval is how often pages are scraped.
const scrapeInterval = time.Second

// server is a Prometheus.
type server struct {
	*process
	url     string
	targets string // the file with what it scrapes
}

// startPrometheus runs a Prometheus that scrapes what it is told later, and takes OTLP and
// remote write; more is the rest of its configuration. It keeps the times at which counters
// were 0, as the README of the plugin prometheus advises.
func startPrometheus(t *testing.T, more ...string) *server {
	t.Helper()
	folder := t.TempDir()
	s := &server{targets: filepath.Join(folder, "targets.json")}
	s.scrape(t)
	lines := append([]string{
		"global: {scrape_interval: " + scrapeInterval.String() + "}",
		"scrape_configs: [{job_name: podjoule, file_sd_configs: [{files: ['" + s.targets + "']}]}]",
	}, more...)
	s.process = launch(t, "prometheus", exec.Command(built(t, "prometheus"),
		"--config.file="+write(t, "prometheus.yml", lines...),
		"--storage.tsdb.path="+filepath.Join(folder, "data"),
		"--web.listen-address=127.0.0.1:0",
		"--web.enable-otlp-receiver", "--web.enable-remote-write-receiver",
		"--enable-feature=created-timestamp-zero-ingestion,promql-extended-range-selectors"))
	s.url = "http://" + s.tells(t, `msg="Listening on".* address=(\S+)`)
	eventually(t, "Prometheus is ready", func() bool {
		answer, err := (&http.Client{Timeout: patience}).Get(s.url + "/-/ready")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	})
	return s
}

// scrape has the server scrape pages at some addresses from now on.
func (s *server) scrape(t *testing.T, addresses ...string) {
	t.Helper()
	text, err := json.Marshal([]map[string]any{{"targets": append([]string{}, addresses...)}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.targets+".part", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.targets+".part", s.targets); err != nil {
		t.Fatal(err)
	}
}

// series is one series of an answer.
type series struct {
	Metric map[string]string
	Value  pair   // of an instant
	Values []pair // of a range
}

// pair is a time in seconds and a value, which is a text.
type pair [2]any

func (p pair) value(t *testing.T) float64 {
	t.Helper()
	text, _ := p[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("Prometheus tells the value %v", p)
	}
	return v
}

func (p pair) milliseconds(t *testing.T) int64 {
	t.Helper()
	seconds, ok := p[0].(float64)
	if !ok {
		t.Fatalf("Prometheus tells the time %v", p)
	}
	return int64(math.Round(seconds * 1000))
}

// query asks the server at a time.
func (s *server) query(t *testing.T, at time.Time, format string, args ...any) []series {
	t.Helper()
	ask := fmt.Sprintf(format, args...)
	text := get(t, fmt.Sprintf("%s/api/v1/query?time=%d.%03d&query=%s", s.url, at.Unix(), at.Nanosecond()/1e6, url.QueryEscape(ask)))
	var answer struct {
		Data     struct{ Result []series }
		Warnings []string
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || len(answer.Warnings) > 0 {
		t.Fatalf("%s: %v: %s", ask, err, text)
	}
	return answer.Data.Result
}

// number is the value of the only series of an answer. It reports false when there is none.
func (s *server) number(t *testing.T, at time.Time, format string, args ...any) (v float64, told bool) {
	t.Helper()
	answer := s.query(t, at, format, args...)
	if len(answer) > 1 {
		t.Fatalf("%s is %d series: %v", fmt.Sprintf(format, args...), len(answer), answer)
	}
	if len(answer) == 0 {
		return 0, false
	}
	return answer[0].Value.value(t), true
}

// way is one by which samples come to a Prometheus.
type way struct {
	name string
	// output is the configuration of podjoule.
	output func(s *server) string
	// scraped tells that the server has to come for them.
	scraped bool
	// cpu and energy are the names of counters, of which so many are a second.
	cpu, energy string
	perSecond   float64
}

func ways() []way {
	return []way{
		{
			name: "scrape", scraped: true, cpu: "podjoule_cpu_time_seconds_total", energy: "podjoule_rapl_consumed_energy_joules_total", perSecond: 1,
			output: func(*server) string { return "[plugins.prometheus]\nkeep_ended = \"5s\"\n" },
		},
		{
			name: "otlp", cpu: "cpu_time_nanoseconds_total", energy: "rapl_consumed_energy_joules_total", perSecond: 1e9,
			output: func(s *server) string { return s.otlp("both") },
		},
	}
}

// otlp is the configuration that the README of the plugin otlp has for Prometheus.
func (s *server) otlp(identity string) string {
	return fmt.Sprintf("[plugins.otlp]\nprotocol = \"http/protobuf\"\nendpoint = \"%s/api/v1/otlp\"\ntemporality = \"cumulative\"\nidentity = %q\n", s.url, identity)
}

// start runs podjoule on a node, and has its samples come to a server.
func (w *way) start(t *testing.T, s *server, n *node, more ...string) *agent {
	t.Helper()
	a := startAgent(t, n, append(more, w.output(s))...)
	if w.scraped {
		s.scrape(t, a.address)
	}
	return a
}

// promtool runs the tool of Prometheus on a text.
func promtool(t *testing.T, in io.Reader, args ...string) (said string, err error) {
	t.Helper()
	cmd := exec.Command(built(t, "promtool"), args...)
	cmd.Stdin = in
	text, err := cmd.CombinedOutput()
	return string(text), err
}
