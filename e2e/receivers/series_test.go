//go:build receivers

package receivers

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Pods are separate series in a Prometheus, by each way and each place of their identity that
// the documents name for it, and each shows its own CPU time.
func TestPodsAreSeparateSeries(t *testing.T) {
	t.Parallel()
	type place struct {
		name, uid, pod string // and the names of labels
		way            way
	}
	var usual []place
	for _, w := range ways() {
		usual = append(usual, place{w.name, "uid", "name", w})
	}
	point, resource := wayNamed(t, byOTLP), wayNamed(t, byOTLP)
	point.output = func(s *server) string { return s.otlp("point") }
	resource.output = func(s *server) string { return s.otlp("resource") }
	usual = append(usual, place{"otlp, identity on points", "uid", "name", point})
	for _, tt := range []struct {
		settings []string
		places   []place
	}{
		{nil, usual},
		{
			[]string{"otlp: {promote_resource_attributes: [k8s.pod.uid, k8s.pod.name, k8s.namespace.name, k8s.node.name]}"},
			[]place{{"otlp, identity on resources", "k8s_pod_uid", "k8s_pod_name", resource}},
		},
	} {
		s := startPrometheus(t, tt.settings...)
		for _, p := range tt.places {
			t.Run(p.name, func(t *testing.T) {
				t.Parallel()
				n := newNode(t, "node-1")
				a := p.way.start(t, s, n)
				want := make(map[string]int64)
				var uids []string
				for i, name := range []string{"web", "db", "cache"} {
					uid := n.bear(name)
					a.sees(t, uid)
					n.spend(uid, time.Duration(i+1)*123456789)
					want[name+" "+uid] = n.spent(uid)
					uids = append(uids, uid)
				}
				got := make(map[string]int64)
				t.Cleanup(func() {
					if t.Failed() {
						t.Logf("the node has %v, Prometheus has %v", want, got)
					}
				})
				eventually(t, "three pods in Prometheus", func() bool {
					clear(got)
					all := s.query(t, time.Now(), `%s{kind="total",%s=~%q}`, p.way.cpu, p.uid, strings.Join(uids, "|"))
					for _, one := range all {
						got[one.Metric[p.pod]+" "+one.Metric[p.uid]] += p.way.nanoseconds(one.Value.value(t))
					}
					return len(all) == len(want) && cmp.Equal(want, got)
				})
			})
		}
	}
}

// When a pod ends, its series end: a Prometheus shows neither its gauges nor, when they are
// no longer kept for it, its counters, though it shows what is only missing for 5 minutes.
// What was counted stays in its history, and no other pod joins it, not even the next of
// that name.
func TestSeriesEndWithTheirPod(t *testing.T) {
	t.Parallel()
	s := startPrometheus(t)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "node-1")
			a := w.start(t, s, n)
			web, gone := n.bear("web"), n.bear("gone")
			a.sees(t, web, gone)
			n.spend(gone, 98765432)
			s.has(t, &w, n, gone)
			a.knows(t, n, gone)
			n.end("gone", gone)
			next := n.bear("gone")
			n.spend(next, 1234567)
			s.keeps(t, &w, n, next)
			shown := func(uid string) int { return len(s.query(t, time.Now(), `{uid=%q}`, uid)) }
			// A minute is the patience of this. Without a mark it would take 5.
			eventually(t, "the pod's series end in Prometheus", func() bool { return shown(gone) == 0 })
			if shown(web) == 0 || shown(next) == 0 {
				t.Error("the series of another pod ended, too")
			}
			s.keeps(t, &w, n, gone)
			s.keeps(t, &w, n, next)
		})
	}
}

// An agent that ends and is started again goes on in the same series: what both have measured
// is what increase() tells, without a gap and without a jump, and what the pod used
// when there was none is in neither. What is sent has the last window before SIGTERM (A24).
func TestAgentIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := startPrometheus(t)
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n := newNode(t, "node-1")
			a := w.start(t, s, n)
			web := n.bear("web")
			a.sees(t, web)
			s.has(t, &w, n, web)
			from := time.Now()
			s.samples(t, &w, web, from)
			n.work(time.Second, web)
			if w.job != "" {
				s.has(t, &w, n, web) // it has to come for what it is to have
			}
			a.end(t)
			want := n.spent(web)
			s.keeps(t, &w, n, web)

			n.spend(web, 55555555)
			a = w.start(t, s, n)
			a.sees(t, web)
			away := n.spent(web) - a.measured(t, web)
			s.samples(t, &w, web, time.Now()) // one before the work
			n.work(2*time.Second, web)
			a.knowsBut(t, n, web, away)
			want += n.spent(web) - away
			to := time.Now()
			s.samples(t, &w, web, to)
			told := int64(0)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("Prometheus has %d ns", told)
				}
			})
			eventually(t, "Prometheus tells what both agents measured", func() bool {
				now := time.Now()
				v, _ := s.number(t, now, `sum(increase(%s{kind="total",uid=%q}[%dms] anchored))`, w.cpu, web, now.Sub(from).Milliseconds())
				told = w.nanoseconds(v)
				return told == want
			})
			if all := s.query(t, time.Now(), `last_over_time(%s{kind="total",uid=%q,name="web"}[5m])`, w.cpu, web); len(all) != 1 {
				t.Errorf("the pod has %d series: %v", len(all), all)
			}
		})
	}
}

// Two nodes stay apart by the label instance, also where no pod tells them apart: each one's
// energy is its own.
func TestNodesStayApart(t *testing.T) {
	t.Parallel()
	s := startPrometheus(t)
	for i, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			var addresses []string
			want := make(map[string]float64) // by instance
			for k := range 2 {
				host := fmt.Sprintf("host-%d-%d", i, k)
				n := newNode(t, "node-"+strconv.Itoa(k))
				meter := newMeter(t, n)
				a := startAgentOn(t, host, n, "[plugins.rapl]\npoll_interval = \"100ms\"\n", w.output(s))
				addresses = append(addresses, a.address)
				eventually(t, "a baseline of energy", func() bool {
					return slices.ContainsFunc(rows(t, a.file), func(r map[string]string) bool { return r["metric"] == "rapl_consumed_energy" })
				})
				energy := uint64(k+1) * 345_678
				if err := meter.Spend("intel-rapl:0", energy); err != nil {
					t.Fatal(err)
				}
				instance := host
				if w.job != "" {
					instance = a.address
				}
				want[instance] = float64(energy) / 1e6
			}
			if w.job != "" {
				s.scrape(t, w.job, addresses...)
			}
			got := make(map[string]float64)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the meters counted %v, Prometheus has %v", want, got)
				}
			})
			instances := strings.Join(slices.Sorted(maps.Keys(want)), "|")
			eventually(t, "the energy of both nodes in Prometheus", func() bool {
				clear(got)
				for _, one := range s.query(t, time.Now(), `%s{domain="package",instance=~%q}`, w.energy, instances) {
					got[one.Metric["instance"]] += math.Round(one.Value.value(t)*1e6) / 1e6
				}
				return cmp.Equal(want, got)
			})
			if w.job != "" {
				return
			}
			for host := range want {
				if len(s.query(t, time.Now(), `{job="podjoule",instance=%q}`, host)) == 0 {
					t.Errorf("no series has the instance %s", host)
				}
			}
		})
	}
}
