//go:build receivers

package receivers

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"
)

// request is one request as the Collector wrote it, in the JSON of OTLP. It is read here by
// other code than that which made it.
type request struct {
	Resources []struct {
		Resource  struct{ Attributes attributes }
		SchemaURL string `json:"schemaUrl"`
		Scopes    []struct {
			Scope   struct{ Name, Version string }
			Metrics []metric
		} `json:"scopeMetrics"`
	} `json:"resourceMetrics"`
}

type metric struct {
	Name, Unit, Description string
	Sum                     *struct {
		DataPoints             []point
		AggregationTemporality int
		IsMonotonic            bool
	}
	Gauge *struct{ DataPoints []point }
}

// points are those of a sum or a gauge, and what it is.
func (m *metric) points() (kind string, points []point) {
	switch {
	case m.Gauge != nil:
		return "Gauge", m.Gauge.DataPoints
	case m.Sum == nil:
		return "", nil
	}
	kind = [...]string{"Sum, no temporality", "Sum, delta", "Sum, cumulative"}[m.Sum.AggregationTemporality]
	if m.Sum.IsMonotonic {
		kind += ", monotonic"
	}
	return kind, m.Sum.DataPoints
}

type point struct {
	Attributes attributes
	Start      nanoseconds `json:"startTimeUnixNano"`
	Time       nanoseconds `json:"timeUnixNano"`
	Int        *string     `json:"asInt"`
	Double     *float64    `json:"asDouble"`
	Flags      int
}

// value is that of the point; told is false for the mark of an end, which has none.
func (p *point) value(t *testing.T) (v float64, told bool) {
	t.Helper()
	switch {
	case p.Flags&1 != 0:
		return 0, false
	case p.Double != nil:
		return *p.Double, true
	case p.Int == nil:
		t.Fatalf("a point without a value and without a mark: %+v", p)
	}
	return float64(integer(t, *p.Int)), true
}

// nanoseconds is a time since 1970, which the JSON of OTLP has as a text.
type nanoseconds int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *nanoseconds) UnmarshalJSON(text []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(text), `"`), 10, 64)
	*n = nanoseconds(v)
	return err
}

// attributes are texts by key.
type attributes map[string]string

// UnmarshalJSON implements json.Unmarshaler.
func (a *attributes) UnmarshalJSON(text []byte) error {
	var pairs []struct {
		Key   string
		Value struct{ StringValue *string }
	}
	if err := json.Unmarshal(text, &pairs); err != nil {
		return err
	}
	*a = make(attributes, len(pairs))
	for _, p := range pairs {
		if p.Value.StringValue != nil {
			(*a)[p.Key] = *p.Value.StringValue
		}
	}
	return nil
}

func integer(t *testing.T, text string) int64 {
	t.Helper()
	v, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// requests are what came to the Collector so far.
func (c *collector) requests(t *testing.T) []request {
	t.Helper()
	lines := c.lines(t)
	all := make([]request, len(lines))
	for i, line := range lines {
		all[i] = decode(t, line)
	}
	return all
}

// lines are the requests as they were written. A line that is being written is left out.
func (c *collector) lines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	return lines[:len(lines)-1]
}

func decode(t *testing.T, line string) (r request) {
	t.Helper()
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("%v in %s", err, last(line, 1000))
	}
	return r
}

// eachPoint calls f for what podjoule measured; what it tells about itself is in other scopes.
func (r *request) eachPoint(f func(resource attributes, m *metric, p *point)) {
	for i := range r.Resources {
		for _, scope := range r.Resources[i].Scopes {
			if scope.Scope.Name != "github.com/podjoule/podjoule" {
				continue
			}
			for j := range scope.Metrics {
				_, points := scope.Metrics[j].points()
				for k := range points {
					f(r.Resources[i].Resource.Attributes, &scope.Metrics[j], &points[k])
				}
			}
		}
	}
}
