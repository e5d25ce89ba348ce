//go:build receivers

package receivers

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
)

// outage is how long the Collector is away. With ticks of 100 ms it is 120 of them, as two
// minutes are with ticks of a second, and several attempts to deliver come to nothing.
const outage = 12 * time.Second

// A21, A24: a Collector goes away and comes back. All that was measured meanwhile arrives,
// once, also what a pod used that lived only then, and the last window before the end.
func TestCollectorIsAway(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			n, c := newNode(t, "node-1"), startCollector(t)
			a := startAgent(t, n, c.output(protocol, ""))
			web, db := n.bear("web"), n.bear("db")
			a.sees(t, web, db)
			n.work(time.Second, web, db)
			eventually(t, "CPU time at the Collector", func() bool { return c.sums(t)[web] > 0 && c.sums(t)[db] > 0 })

			c.end(t)
			n.work(outage/2, web, db)
			brief := n.bear("brief")
			n.work(outage/10, web, db, brief)
			a.knows(t, n, brief)
			n.end("brief", brief)
			n.work(outage-outage/2-outage/10, web, db)
			if text := get(t, "http://"+a.address+"/readyz"); !strings.Contains(text, "export to") {
				t.Errorf("nothing tells that the Collector is away: %s", text)
			}
			c.start(t)
			n.work(time.Second, web, db)
			a.knows(t, n, web)
			a.knows(t, n, db)
			back := time.Now().UnixNano()
			want := map[string]int64{web: n.spent(web), db: n.spent(db), brief: n.spent(brief)}
			eventually(t, "the last of it at the Collector", func() bool { return c.newest(t) > back })
			if diff := gocmp.Diff(want, c.sums(t)); diff != "" {
				t.Errorf("after the outage: -what the cgroups counted +what the Collector has\n%s", diff)
			}

			n.spend(web, 1234567)
			a.end(t)
			c.end(t)
			want[web] += 1234567
			if diff := gocmp.Diff(want, c.sums(t)); diff != "" {
				t.Errorf("-what the cgroups counted +what the Collector has\n%s", diff)
			}
			c.hasEach(t, rows(t, a.file))
			c.windowsMeet(t)
		})
	}
}

// sums are the CPU times of pods that came to the Collector, in nanoseconds.
func (c *collector) sums(t *testing.T) map[string]int64 {
	t.Helper()
	sums := make(map[string]int64)
	for _, r := range c.requests(t) {
		r.eachPoint(func(_ attributes, m *metric, p *point) {
			if m.Name == "cpu_time_delta" && p.Attributes["kind"] == "total" && p.Attributes["uid"] != "" {
				sums[p.Attributes["uid"]] += integer(t, *p.Int)
			}
		})
	}
	return sums
}

// newest is the end of the window of the last request that came to the Collector.
func (c *collector) newest(t *testing.T) int64 {
	t.Helper()
	lines := c.lines(t)
	return int64(windowOf(decode(t, lines[len(lines)-1])))
}

// hasEach holds the Collector's points against the samples that the agent wrote to a file: it
// has each of them, once, with its value, and no others.
func (c *collector) hasEach(t *testing.T, samples []map[string]string) {
	t.Helper()
	key := func(metric, uid, kind string, end int64) string {
		return fmt.Sprintf("%s of %s (%s) at %d", metric, uid, kind, end)
	}
	want, got := make(map[string][]float64), make(map[string][]float64)
	for _, s := range samples {
		end, err := time.Parse(time.RFC3339Nano, s["timestamp"])
		if err != nil {
			t.Fatal(err)
		}
		v, err := strconv.ParseFloat(s["value"], 64)
		if err != nil {
			t.Fatal(err)
		}
		k := key(s["metric"], s["uid"], s["kind"], end.UnixNano())
		want[k] = append(want[k], v)
	}
	for _, r := range c.requests(t) {
		r.eachPoint(func(_ attributes, m *metric, p *point) {
			if v, told := p.value(t); told {
				k := key(m.Name, p.Attributes["uid"], p.Attributes["kind"], int64(p.Time))
				got[k] = append(got[k], v)
			}
		})
	}
	if ticks := len(samples); ticks < 1000 {
		t.Errorf("the agent measured only %d samples", ticks)
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("-measured +arrived\n%s", last(diff, 4000))
	}
}

// windowsMeet checks that the windows of each series of deltas follow each other without a
// gap and without an overlap.
func (c *collector) windowsMeet(t *testing.T) {
	t.Helper()
	windows := make(map[string][]*point)
	for _, r := range c.requests(t) {
		r.eachPoint(func(_ attributes, m *metric, p *point) {
			if m.Sum != nil {
				k := m.Name + " of " + p.Attributes["uid"] + " " + p.Attributes["kind"]
				windows[k] = append(windows[k], p)
			}
		})
	}
	for series, points := range windows {
		slices.SortFunc(points, func(a, b *point) int { return cmp.Compare(a.Time, b.Time) })
		for i := 1; i < len(points); i++ {
			if points[i].Start != points[i-1].Time {
				t.Errorf("%s: a window begins at %d, the one before it ended at %d", series, points[i].Start, points[i-1].Time)
			}
		}
	}
}
