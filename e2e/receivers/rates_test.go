//go:build receivers

package receivers

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"
)

// What a Prometheus shows as CPU time is what the cgroups counted, by each way in which it
// comes there: totals to the nanosecond, rate() and increase() within a scrape's rounding. A
// pod that lived between two scrapes counts as a whole.
func TestRatesAreTheCgroups(t *testing.T) {
	t.Parallel()
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n, s := newNode(t, "node-1"), startPrometheus(t)
			a := w.start(t, s, n)
			web, db := n.bear("web"), n.bear("db")
			a.sees(t, web, db)
			n.spend(db, 7)
			s.has(t, &w, n, web)
			s.has(t, &w, n, db)
			from, before := time.Now(), n.spent(db)
			s.samples(t, &w, web, from) // one before the work

			n.work(3*time.Second, web, db)
			brief := n.bear("brief")
			n.spend(brief, 40*time.Millisecond+1)
			n.spend(brief, 20*time.Millisecond+2)
			a.knows(t, n, brief)
			n.end("brief", brief)
			n.work(4*time.Second, web, db)
			s.has(t, &w, n, web)
			s.has(t, &w, n, db)
			s.keeps(t, &w, n, brief)

			if !w.scraped {
				s.stamps(t, &w, a, web)
			}
			// Nothing was used around both ends of the range.
			to := time.Now()
			length := to.Sub(from)
			for _, tt := range []struct {
				pod, uid string
				want     int64
			}{{"web", web, n.spent(web)}, {"db", db, n.spent(db) - before}, {"brief", brief, n.spent(brief)}} {
				exact, _ := s.number(t, to, `sum(increase(%s{kind="total",uid=%q}[%dms] anchored))`, w.cpu, tt.uid, length.Milliseconds())
				if got := w.nanoseconds(exact); got != tt.want {
					t.Errorf("%s: increase() of what was sampled is %d ns, the cgroup counted %d ns", tt.pod, got, tt.want)
				}
				if tt.uid == brief {
					continue // a rate of less than a scrape is all rounding
				}
				rate, _ := s.number(t, to, `sum(rate(%s{kind="total",uid=%q}[%dms]))`, w.cpu, tt.uid, length.Milliseconds())
				want := float64(tt.want) / 1e9
				got := rate * length.Seconds() / w.perSecond
				if rounding := want * 2 * scrapeInterval.Seconds() / length.Seconds(); math.Abs(got-want) > rounding {
					t.Errorf("%s: rate() over %v is %.3f s, the cgroup counted %.3f s", tt.pod, length, got, want)
				}
			}
		})
	}
}

// nanoseconds is a value of a counter of CPU time.
func (w *way) nanoseconds(v float64) int64 { return int64(math.Round(v / w.perSecond * 1e9)) }

// A pod is two series to a server that was told of it before its name was known: their sum
// is what it used.

// has waits until the server's newest sample of a pod's CPU time is all that it used, which
// is a sample of this moment: of a pod that has ended there is none.
func (s *server) has(t *testing.T, w *way, n *node, uid string) {
	t.Helper()
	eventually(t, "Prometheus has all CPU time of a pod", func() bool {
		v, told := s.number(t, time.Now(), `sum(%s{kind="total",uid=%q})`, w.cpu, uid)
		return told && w.nanoseconds(v) == n.spent(uid)
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
	eventually(t, "Prometheus has all CPU time of a pod that has ended", func() bool {
		v, told := s.number(t, time.Now(), `sum(last_over_time(%s{kind="total",uid=%q}[5m]))`, w.cpu, uid)
		return told && w.nanoseconds(v) == n.spent(uid)
	})
}

// stamps checks that each sample of a pod's CPU time has the time at which it was measured
// (O1), and is what was counted until then.
func (s *server) stamps(t *testing.T, w *way, a *agent, uid string) {
	t.Helper()
	all := s.query(t, time.Now(), `%s{kind="total",name="web",uid=%q}[5m]`, w.cpu, uid)
	if len(all) != 1 || len(all[0].Values) < 20 {
		t.Fatalf("Prometheus has %v", all)
	}
	want := make(map[int64]int64) // by time in milliseconds
	var sum int64
	for _, row := range rows(t, a.file) {
		if row["metric"] == "cpu_time_delta" && row["kind"] == "total" && row["uid"] == uid {
			sum += integer(t, row["value"])
			end, err := time.Parse(time.RFC3339Nano, row["timestamp"])
			if err != nil {
				t.Fatal(err)
			}
			want[end.UnixMilli()] = sum
		}
	}
	values := all[0].Values
	slices.SortFunc(values, func(a, b pair) int { return cmp.Compare(a.milliseconds(t), b.milliseconds(t)) })
	for _, v := range values[1:] { // the first is the 0 at the beginning of the first window
		at := v.milliseconds(t)
		if counted, measured := want[at]; !measured || w.nanoseconds(v.value(t)) != counted {
			t.Errorf("Prometheus has %d ns at %d ms; measured then, %v: %d ns", w.nanoseconds(v.value(t)), at, measured, counted)
		}
	}
}
