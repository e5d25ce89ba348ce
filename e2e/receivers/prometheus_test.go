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

// Jobs of a server, each of which asks for pages in one format. The server has no checker
// for OpenMetrics but its own scrapes.
const (
	jobProtobuf    = "podjoule"
	jobOpenMetrics = "podjoule-openmetrics"
	jobText        = "podjoule-text"
)

// server is a Prometheus.
type server struct {
	*process
	url    string
	folder string // with the files that tell what each job scrapes
}

// startPrometheus runs a Prometheus that scrapes what it is told later, and takes OTLP and
// remote write; more is the rest of its configuration. It keeps the times at which counters
// were 0, as the README of the plugin prometheus advises.
func startPrometheus(t *testing.T, more ...string) *server {
	t.Helper()
	s := &server{folder: t.TempDir()}
	lines := []string{"global: {scrape_interval: " + scrapeInterval.String() + "}", "scrape_configs:"}
	for _, job := range [][2]string{{jobProtobuf, "PrometheusProto"}, {jobOpenMetrics, "OpenMetricsText1.0.0"}, {jobText, "PrometheusText0.0.4"}} {
		s.scrape(t, job[0])
		lines = append(lines, fmt.Sprintf("- {job_name: %s, scrape_protocols: [%s], file_sd_configs: [{files: ['%s']}]}", job[0], job[1], s.targets(job[0])))
	}
	lines = append(lines, more...)
	s.process = launch(t, "prometheus", exec.Command(built(t, "prometheus"),
		"--config.file="+write(t, "prometheus.yml", lines...),
		"--storage.tsdb.path="+filepath.Join(s.folder, "data"),
		"--web.listen-address=127.0.0.1:0",
		"--scrape.discovery-reload-interval=100ms", // else it takes up to 5 s to notice what to scrape
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

// targets is the file with what a job scrapes.
func (s *server) targets(job string) string { return filepath.Join(s.folder, job+".json") }

// scrape has a job of the server scrape the pages at some addresses from now on.
func (s *server) scrape(t *testing.T, job string, addresses ...string) {
	t.Helper()
	text, err := json.Marshal([]map[string]any{{"targets": append([]string{}, addresses...)}})
	if err != nil {
		t.Fatal(err)
	}
	part := filepath.Join(s.folder, job+".part")
	if err := os.WriteFile(part, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(part, s.targets(job)); err != nil {
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

// promtool runs the tool of Prometheus on a text.
func promtool(t *testing.T, in io.Reader, args ...string) (said string, err error) {
	t.Helper()
	cmd := exec.Command(built(t, "promtool"), args...)
	cmd.Stdin = in
	text, err := cmd.CombinedOutput()
	return string(text), err
}
