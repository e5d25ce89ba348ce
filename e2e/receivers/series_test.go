//go:build receivers

package receivers

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// Pods are separate series in a Prometheus, by each way and each place of their identity that
// the documents name for it, and each shows its own CPU time.
func TestPodsAreSeparateSeries(t *testing.T) {
	t.Parallel()
	promoted := "otlp: {promote_resource_attributes: [k8s.pod.uid, k8s.pod.name, k8s.namespace.name, k8s.node.name]}"
	scrape, both := ways()[0], ways()[1]
	point, resource := both, both
	point.output = func(s *server) string { return s.otlp("point") }
	resource.output = func(s *server) string { return s.otlp("resource") }
	for _, tt := range []struct {
		name, uid, pod string // and the names of labels
		settings       []string
		way            way
	}{
		{"scrape", "uid", "name", nil, scrape},
		{"otlp, identity on both", "uid", "name", nil, both},
		{"otlp, identity on points", "uid", "name", nil, point},
		{"otlp, identity on resources", "k8s_pod_uid", "k8s_pod_name", []string{promoted}, resource},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n, s := newNode(t, "node-1"), startPrometheus(t, tt.settings...)
			a := tt.way.start(t, s, n)
			want := make(map[string]int64)
			for i, name := range []string{"web", "db", "cache"} {
				uid := n.bear(name)
				a.sees(t, uid)
				n.spend(uid, time.Duration(i+1)*123456789)
				want[name+" "+uid] = n.spent(uid)
			}
			got := make(map[string]int64)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the node has %v, Prometheus has %v", want, got)
				}
			})
			eventually(t, "three pods in Prometheus", func() bool {
				clear(got)
				all := s.query(t, time.Now(), `%s{kind="total",%s!=""}`, tt.way.cpu, tt.uid)
				for _, one := range all {
					got[one.Metric[tt.pod]+" "+one.Metric[tt.uid]] += tt.way.nanoseconds(one.Value.value(t))
				}
				return len(all) == len(want) && cmp.Equal(want, got)
			})
		})
	}
}

// When a pod ends, its series end: a Prometheus shows neither its gauges nor, when they are
// no longer kept for it, its counters, though it shows what is only missing for 5 minutes.
// What was counted stays in its history.
func TestSeriesEndWithTheirPod(t *testing.T) {
	t.Parallel()
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			n, s := newNode(t, "node-1"), startPrometheus(t)
			a := w.start(t, s, n)
			web, gone := n.bear("web"), n.bear("gone")
			a.sees(t, web, gone)
			n.spend(gone, 98765432)
			s.has(t, &w, n, gone)
			a.knows(t, n, gone)
			n.end("gone", gone)
			shown := func(uid string) int { return len(s.query(t, time.Now(), `{uid=%q}`, uid)) }
			// A minute is the patience of this. Without a mark it would take 5.
			eventually(t, "the pod's series end in Prometheus", func() bool { return shown(gone) == 0 })
			if shown(web) == 0 {
				t.Error("the other pod's series ended, too")
			}
			s.keeps(t, &w, n, gone)
		})
	}
}

// Two nodes stay apart by the label instance, also where no pod tells them apart: each one's
// energy is its own.
func TestNodesStayApart(t *testing.T) {
	t.Parallel()
	for _, w := range ways() {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			s := startPrometheus(t)
			var addresses []string
			want := make(map[float64]bool)
			for i, name := range []string{"node-1", "node-2"} {
				n := newNode(t, name)
				meter := newMeter(t, n)
				a := startAgentOn(t, "host-of-"+name, n, "[plugins.rapl]\npoll_interval = \"100ms\"\n", w.output(s))
				addresses = append(addresses, a.address)
				eventually(t, "a baseline of energy", func() bool {
					return slices.ContainsFunc(rows(t, a.file), func(r map[string]string) bool { return r["metric"] == "rapl_consumed_energy" })
				})
				energy := uint64(i+1) * 345_678
				if err := meter.Spend("intel-rapl:0", energy); err != nil {
					t.Fatal(err)
				}
				want[float64(energy)/1e6] = true
			}
			if w.scraped {
				s.scrape(t, addresses...)
			}
			eventually(t, "the energy of both nodes in Prometheus", func() bool {
				instances, got := make(map[string]bool), make(map[float64]bool)
				for _, one := range s.query(t, time.Now(), `%s{domain="package"}`, w.energy) {
					instances[one.Metric["instance"]] = true
					got[math.Round(one.Value.value(t)*1e6)/1e6] = true
				}
				return len(instances) == 2 && !instances[""] && cmp.Equal(want, got)
			})
			if w.scraped {
				return
			}
			for _, host := range []string{"host-of-node-1", "host-of-node-2"} {
				if len(s.query(t, time.Now(), `{job="podjoule",instance=%q}`, host)) == 0 {
					t.Errorf("no series has the instance %s", host)
				}
			}
		})
	}
}

// newMeter gives a node one CPU package that counts its energy.
func newMeter(t *testing.T, n *node) *simnode.Powercap {
	t.Helper()
	meter, err := simnode.NewPowercap(n.sysfs, simnode.PowercapZone{
		Folder: "intel-rapl:0", Name: "package-0", Range: simnode.IntelRange, MaxPower: 100e6,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := meter.Close(); err != nil {
			t.Error(err)
		}
	})
	return meter
}

// The whole page, with every group of metrics, containers, chosen attributes, energy and what
// the agent tells about itself, is to the taste of Prometheus's own checker.
func TestPageIsClean(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node-1")
	meter := newMeter(t, n)
	a := startAgent(t, n,
		`metrics = ["cpu", "memory", "memory_detail", "pressure", "throttling", "io", "pids"]`,
		`containers = true`,
		`attributes = ["workload", "qos", "phase", "label:app"]`,
		"[plugins.rapl]\npoll_interval = \"100ms\"\n[plugins.attribution]\npolicies = [\"separate\", \"by_usage\"]\n",
		"[plugins.prometheus]\n",
		"[plugins.otlp]\nendpoint = \"http://127.0.0.1:1\"\n") // nobody is there
	web := n.bear("web")
	page := ""
	eventually(t, "energy of a pod on the page", func() bool {
		n.spend(web, 5*time.Millisecond)
		if err := meter.Spend("intel-rapl:0", 20_000); err != nil {
			t.Fatal(err)
		}
		page = get(t, "http://"+a.address+"/metrics")
		return strings.Contains(page, "\npodjoule_pod_energy_joules_total{")
	})
	for _, name := range []string{"podjoule_memory_working_set_bytes", "podjoule_container_cpu_time_seconds_total", "podjoule_agent_ticks_total", "podjoule_otlp_requests_total"} {
		if !strings.Contains(page, "\n"+name+"{") && !strings.Contains(page, "\n"+name+" ") {
			t.Errorf("the page is not whole: it has no %s", name)
		}
	}
	if said, err := promtool(t, strings.NewReader(page), "check", "metrics"); err != nil || said != "" {
		t.Errorf("promtool check metrics: %v:\n%s", err, said)
	}
}

// The checker that finds nothing on the page finds what is wrong with another one.
func TestCheckerFindsFaults(t *testing.T) {
	t.Parallel()
	said, err := promtool(t, strings.NewReader("# TYPE cpu_ms counter\ncpu_ms 1\n"), "check", "metrics")
	if err == nil || !strings.Contains(said, "cpu_ms") || strings.Contains(said, os.ErrNotExist.Error()) {
		t.Errorf("promtool check metrics: %v: %q", err, said)
	}
}
