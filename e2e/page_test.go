//go:build e2e

package e2e

import (
	"io"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// page is what the agent shows to Prometheus.
type page []line

// line is one series of it. It is read here by other code than Prometheus's.
type line struct {
	metric string
	labels map[string]string
	value  float64
}

var (
	lineParts  = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? (\S+)$`)
	labelParts = regexp.MustCompile(`(\w+)="([^"\\]*)"`)
)

// scrape reads the page of an agent at an address.
func scrape(t *testing.T, address string) page {
	t.Helper()
	var p page
	for text := range strings.Lines(get(t, address+"/metrics")) {
		if strings.HasPrefix(text, "#") {
			continue
		}
		parts := lineParts.FindStringSubmatch(strings.TrimSpace(text))
		if parts == nil {
			t.Fatalf("the page has the line %q", text)
		}
		value, err := strconv.ParseFloat(parts[3], 64)
		if err != nil {
			t.Fatal(err)
		}
		l := line{metric: parts[1], labels: make(map[string]string), value: value}
		for _, label := range labelParts.FindAllStringSubmatch(parts[2], -1) {
			l.labels[label[1]] = label[2]
		}
		p = append(p, l)
	}
	return p
}

// get is what an address answers.
func get(t *testing.T, address string) string {
	t.Helper()
	c := &http.Client{Timeout: 10 * time.Second}
	answer, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", address, answer.Status, err, body)
	}
	return string(body)
}

// of is a metric of a pod: of CPU time, all kinds of it together.
func (p page) of(metric, uid string) (value float64, told bool) {
	for _, l := range p {
		if l.metric == metric && l.labels["uid"] == uid && (l.labels["kind"] == "" || l.labels["kind"] == "total") {
			return l.value, true
		}
	}
	return 0, false
}

// cpu is the counter of a pod's CPU time in nanoseconds, which all fit into a float.
func (p page) cpu(t *testing.T, uid string) uint64 {
	t.Helper()
	seconds, told := p.of("podjoule_cpu_time_seconds_total", uid)
	if !told {
		t.Fatalf("the page has no CPU time of the pod %s", uid)
	}
	return uint64(math.Round(seconds * 1e9))
}

// pods are the ids of the pods that have a metric.
func (p page) pods(metric string) []string {
	var ids []string
	for _, l := range p {
		if l.metric == metric {
			ids = append(ids, l.labels["uid"]+" "+l.labels["namespace"]+"/"+l.labels["name"])
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
