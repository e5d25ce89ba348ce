//go:build receivers

package receivers

import (
	"math"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podjoule/podjoule/simnode"
)

// stage is a node with two pods, an agent and a Prometheus with the rules. All its energy is
// used in bursts, each of which falls into one tick.
type stage struct {
	t       *testing.T
	n       *node
	a       *agent
	s       *server
	meter   *simnode.Powercap
	stat    string
	web, db string
	bursts  int
}

const (
	burstEnergy = 2.0 // joules, for 200 ms of CPU time: 80 of web, 40 of db, 80 of the system
	webMemory   = 48 << 20
	dbMemory    = 16 << 20
)

func newStage(t *testing.T) *stage {
	t.Helper()
	n := newNode(t, "node-1")
	g := &stage{t: t, n: n, meter: newMeter(t, n), stat: filepath.Join(t.TempDir(), "stat")}
	busyFor(t, g.stat, 0)
	n.procfs = filepath.Dir(g.stat)
	g.web, g.db = g.bear("shop", "web", "cart", webMemory), g.bear("bank", "db", "ledger", dbMemory)
	g.a = startAgent(t, n, "attributes = [\"workload\"]\n[plugins.rapl]\npoll_interval = \"100ms\"\n[plugins.attribution]\nidle_watts = { package = 0.5 }\n",
		"[plugins.prometheus]\n", // nobody is there for the others
		"[plugins.otlp]\nendpoint = \"http://127.0.0.1:1\"\n[plugins.remotewrite]\nurl = \"http://127.0.0.1:1/api/v1/write\"")
	g.s = startMonitoring(t, g.a.address, "rule_files: ['"+quickRules(t)+"']")
	g.a.sees(t, g.web, g.db)
	return g
}

// bear starts a pod of a StatefulSet.
func (g *stage) bear(namespace, name, workload string, memory uint64) string {
	g.t.Helper()
	pod := simnode.NewPod(simnode.PodTemplate{Namespace: namespace, Name: name, Node: g.n.name, QoS: corev1.PodQOSBurstable})
	controller := true
	pod.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "StatefulSet", Name: workload, UID: "1", Controller: &controller}}
	g.n.api.Put(pod)
	if err := g.n.tree.AddPod(pod); err != nil {
		g.t.Fatal(err)
	}
	if err := g.n.tree.SetMemory(string(pod.UID), "main", simnode.Memory{Anon: memory}); err != nil {
		g.t.Fatal(err)
	}
	return string(pod.UID)
}

// burst has the node work, and waits until Prometheus knows of it. It returns the time of the first
// scrape that shows it.
func (g *stage) burst() time.Time {
	g.t.Helper()
	g.bursts++
	g.a.freeze(g.t, func() {
		g.n.spend(g.web, 80*time.Millisecond)
		g.n.spend(g.db, 40*time.Millisecond)
		busyFor(g.t, g.stat, time.Duration(g.bursts)*200*time.Millisecond)
		if err := g.meter.Spend("intel-rapl:0", burstEnergy*1e6); err != nil {
			g.t.Fatal(err)
		}
	})
	g.a.knows(g.t, g.n, g.web)
	return g.scraped(func(measured float64) bool { return math.Abs(measured-burstEnergy*float64(g.bursts)) < 1e-6 })
}

// scraped waits until the newest sample of what was measured is as it should be, and returns its time.
func (g *stage) scraped(ok func(measured float64) bool) (at time.Time) {
	g.t.Helper()
	eventually(g.t, "Prometheus has what was measured", func() bool {
		all := g.s.query(g.t, time.Now(), `podjoule_rapl_consumed_energy_joules_total{domain="package"}[10s]`)
		if len(all) != 1 {
			return false
		}
		newest := all[0].Values[len(all[0].Values)-1]
		at = time.UnixMilli(newest.milliseconds(g.t))
		return ok(newest.value(g.t))
	})
	return at
}

// told is the energy of one kind that the agent wrote into its file so far, in joules.
func (g *stage) told(metric string) (sum float64) {
	g.t.Helper()
	for _, row := range rows(g.t, g.a.file) {
		if row["metric"] == metric {
			v, err := strconv.ParseFloat(row["value"], 64)
			if err != nil {
				g.t.Fatal(err)
			}
			sum += v
		}
	}
	return sum
}
