//go:build receivers

package receivers

import (
	"cmp"
	"math"
	"slices"
	"testing"
	"time"
)

// life is how long a pod of the tests lives, which is many scrapes, and many more ticks.
const life = 20 * time.Second

// What a Prometheus shows as CPU time is what the cgroups counted, by each way in which it
// comes there: totals to the nanosecond, rate() and increase() within a scrape's rounding. A
// pod that came and went counts as a whole, also one that lived between two scrapes.
func TestRatesAreTheCgroups(t *testing.T) {
	t.Parallel()
	s := startPrometheus(t)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "node-1")
			a := w.start(t, s, n)
			web, db := n.bear("web"), n.bear("db")
			a.sees(t, web, db)
			n.spend(db, 7)
			s.has(t, &w, n, web)
			s.has(t, &w, n, db)
			from, before := time.Now(), n.spent(db)
			s.samples(t, &w, web, from) // one before the work

			job := n.bear("job")
			n.work(life/2, web, db, job)
			brief := n.bear("brief")
			n.spend(brief, 40*time.Millisecond+1)
			n.spend(brief, 20*time.Millisecond+2)
			a.knows(t, n, brief)
			n.end("brief", brief)
			n.work(life/2, web, db, job)
			a.knows(t, n, job)
			n.end("job", job)
			s.has(t, &w, n, web)
			s.has(t, &w, n, db)
			s.keeps(t, &w, n, brief)
			s.keeps(t, &w, n, job)

			if w.job == "" {
				s.stamps(t, &w, a, web)
			}
			// Nothing was used around both ends of the range.
			to := time.Now()
			length := to.Sub(from)
			for _, tt := range []struct {
				pod, uid string
				want     int64
			}{{"web", web, n.spent(web)}, {"db", db, n.spent(db) - before}, {"job", job, n.spent(job)}, {"brief", brief, n.spent(brief)}} {
				if !w.starts && (tt.uid == job || tt.uid == brief) {
					tt.want -= s.first(t, &w, to, tt.uid) // a counter's first value is no increase
				}
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

// first is what a pod had used by the first sample that the server has of it.
func (s *server) first(t *testing.T, w *way, at time.Time, uid string) (sum int64) {
	t.Helper()
	for _, one := range s.query(t, at, `%s{kind="total",uid=%q}[5m]`, w.cpu, uid) {
		sum += w.nanoseconds(one.Values[0].value(t))
	}
	return sum
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
	if w.starts {
		values = values[1:] // the first is the 0 at the beginning of the first window
	}
	for _, v := range values {
		at := v.milliseconds(t)
		if counted, measured := want[at]; !measured || w.nanoseconds(v.value(t)) != counted {
			t.Errorf("Prometheus has %d ns at %d ms; measured then, %v: %d ns", w.nanoseconds(v.value(t)), at, measured, counted)
		}
	}
}
