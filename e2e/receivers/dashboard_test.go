//go:build receivers

package receivers

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// between is a value that is only known roughly.
type between struct{ from, to float64 }

// Every query of the dashboard shows what the node did: a burst of which all is known, between two
// scrapes, so that rate() and increase() are exact.
func TestDashboard(t *testing.T) {
	t.Parallel()
	g := newStage(t)
	// No counter begins at 0, of which rate() would not extrapolate.
	for range 3 {
		g.burst()
	}
	idleBefore, unattributedBefore := g.told("energy_idle"), g.told("energy_unattributed")
	last := time.Now()
	var from time.Time
	eventually(t, "a scrape before the burst", func() bool {
		from = g.scraped(func(float64) bool { return true })
		return from.After(last)
	})
	to := g.burst()
	seconds := to.Sub(from).Seconds()
	idle, unattributed := g.told("energy_idle")-idleBefore, g.told("energy_unattributed")-unattributedBefore
	if idle <= 0 || idle > burstEnergy/2 || unattributed != 0 {
		t.Fatalf("idle has %v J, nobody %v J of the burst: want 0.5 W for a window, and nothing", idle, unattributed)
	}
	web := (burstEnergy - idle) * 80 / 200
	db, system := web/2, web

	v := &view{chosen: map[string]string{"node": "node-1", "domain": "package", "policy": "separate"}, window: to.Sub(from) + time.Millisecond, at: to}
	// increase() extrapolates to the millisecond by which the window begins before the first sample.
	longer := v.window.Seconds() / seconds
	want := map[string]between{
		"Ticks: node-1 100ms":                            {1, 11},
		"Ticks: node-1 100ms late":                       {0, 10},
		"Mean time that a tick takes: node-1 100ms":      {1e-6, 1},
		"Oldest request that waits: node-1 OTLP":         {0, 60},
		"Oldest request that waits: node-1 remote write": {0, 60},
		"What waits: node-1 OTLP":                        {100, 1 << 24},
		"What waits: node-1 remote write":                {100, 1 << 24},
		"What it costs: CPU time: node-1":                {1e-5, 1},
		"What it costs: memory: node-1":                  {4 << 20, 256 << 20},
		"Series: node-1 k8s":                             {10, 100},
		"Series: node-1 rapl":                            {1, 1},
		"Series: node-1 attribution":                     {5, 5},
	}
	exactly := func(value float64, keys ...string) {
		for _, key := range keys {
			want[key] = between{value - 2e-6, value + 2e-6} // a microjoule of rounding for each pod
		}
	}
	exactly(burstEnergy/seconds, "Power by domain: node-1 package rapl-powercap", "Who has the power that was measured: measured")
	exactly((web+db)/seconds, "Who has the power that was measured: pods")
	exactly((web+db)*longer, "Energy in the time that is shown: pods")
	exactly(system/seconds, "Who has the power that was measured: system")
	exactly(system*longer, "Energy in the time that is shown: system")
	exactly(idle/seconds, "Who has the power that was measured: idle")
	exactly(idle*longer, "Energy in the time that is shown: idle")
	exactly(0, "Who has the power that was measured: unattributed", "Energy in the time that is shown: unattributed")
	want["Measured less pods, system, idle and unattributed: difference"] = between{-1e-9, 1e-9}
	exactly(web/seconds, "Power by namespace: shop", "Power by workload: shop/cart", "Power by pod: shop/web")
	exactly(db/seconds, "Power by namespace: bank", "Power by workload: bank/ledger", "Power by pod: bank/db")
	exactly(web*longer, "Energy by namespace in the time that is shown: shop", "Energy by pod in the time that is shown: shop/web")
	exactly(db*longer, "Energy by namespace in the time that is shown: bank", "Energy by pod in the time that is shown: bank/db")
	exactly(0.12/seconds, "CPU time of pods: node-1")
	exactly(0.08/seconds, "CPU time by namespace: shop", "CPU time by pod: shop/web")
	exactly(0.04/seconds, "CPU time by namespace: bank", "CPU time by pod: bank/db")
	exactly(webMemory+dbMemory, "Memory of pods: node-1")
	exactly(webMemory, "Memory by pod: shop/web")
	exactly(dbMemory, "Memory by pod: bank/db")
	exactly(2, "Pods: node-1")
	exactly(0, "Pods: node-1 without a name")
	for _, plugin := range []string{"k8s", "rapl", "attribution", "csv", "prometheus"} {
		exactly(0, "Plugins: node-1 "+plugin+" failing")
	}
	exactly(1, "Plugins: node-1 otlp failing", "Plugins: node-1 remotewrite failing")
	for _, stage := range []string{
		"k8s poll", "k8s run", "rapl poll", "rapl run", "attribution apply", "csv run", "csv write", "prometheus write",
		"remotewrite run", "remotewrite write", "otlp run", "otlp write",
	} {
		exactly(0, "Plugins: node-1 "+stage+" errors per s") // what waits is no error
	}

	d := readDashboard(t)
	compare(t, want, g.s.shows(t, &d, v))

	// One namespace is chosen: pods of another are not shown, and the ledger stays whole.
	for key := range want {
		if strings.HasSuffix(key, ": shop") || strings.Contains(key, ": shop/") {
			delete(want, key)
		}
	}
	v.chosen["namespace"] = "bank"
	compare(t, want, g.s.shows(t, &d, v))
	g.variables(&d, v)
	g.rulesHold(web / db)
}

func compare(t *testing.T, want map[string]between, shown map[string]float64) {
	t.Helper()
	for key, value := range shown {
		if b, known := want[key]; !known || value < b.from || value > b.to {
			t.Errorf("%s shows %v, want %v", key, value, b)
		}
	}
	for key, b := range want {
		if _, is := shown[key]; !is {
			t.Errorf("%s is not shown, want %v", key, b)
		}
	}
}

// variables checks what can be chosen, and the notes in pictures.
func (g *stage) variables(d *dashboard, v *view) {
	g.t.Helper()
	v.chosen["namespace"] = ""
	got := make(map[string][]string)
	for _, one := range d.Templating.List {
		if one.Type == "query" {
			got[one.Name] = g.s.labelValues(g.t, v.ask(g.t, one.Definition))
		}
	}
	want := map[string][]string{
		"cluster": {}, "node": {"node-1"}, "namespace": {"bank", "shop"}, "workload": {"cart", "ledger"}, "pod": {"db", "web"},
		"domain": {"package"}, "source": {"rapl-powercap"}, "policy": {"separate"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		g.t.Errorf("-want +what can be chosen\n%s", diff)
	}
	v.chosen["namespace"] = "bank"
	for _, one := range d.Templating.List {
		if one.Name != "pod" {
			continue
		}
		if names := g.s.labelValues(g.t, v.ask(g.t, one.Definition)); !slices.Equal(names, []string{"db"}) {
			g.t.Errorf("in one namespace the pods %v can be chosen", names)
		}
	}
	for _, one := range d.Annotations.List {
		all := g.s.query(g.t, time.Now(), "%s", v.ask(g.t, one.Target.Expr))
		switch one.Name {
		case "configuration taken":
			if len(all) != 1 || time.Since(time.UnixMilli(int64(all[0].Value.value(g.t)))) > patience {
				g.t.Errorf("the agent took its configuration at %v", all)
			}
		case "alerts":
			failing := make(map[string]bool)
			for _, a := range all {
				if a.Metric["alertname"] == "PodjoulePluginFailing" {
					failing[a.Metric["plugin"]] = true
				} else if a.Metric["alertname"] != "PodjouleTicksLate" { // as they are on a busy machine
					g.t.Errorf("the alert %v is shown", a.Metric)
				}
			}
			if !failing["otlp"] || !failing["remotewrite"] || len(failing) != 2 {
				g.t.Errorf("the alerts %v are shown, want those of both outputs", all)
			}
		default:
			g.t.Errorf("nobody checks the notes %s", one.Name)
		}
	}
}

// rulesHold checks what Prometheus itself has made of the rules, whose windows end at any time.
func (g *stage) rulesHold(ratio float64) {
	g.t.Helper()
	g.burst()
	var got [4]float64
	defer func() {
		if g.t.Failed() {
			g.t.Logf("web by db, shop by bank, difference in W, and parts by measured of the cluster: %v", got)
		}
	}()
	eventually(g.t, "recorded series of a burst", func() bool {
		at := time.Now()
		for i, query := range []string{
			`sum(pod:podjoule_pod_energy_joules:rate5m{name="web"}) / sum(pod:podjoule_pod_energy_joules:rate5m{name="db"})`,
			`sum(namespace:podjoule_pod_energy_joules:rate5m{namespace="shop"}) / sum(namespace:podjoule_pod_energy_joules:rate5m{namespace="bank"})`,
			`sum(instance:podjoule_energy_difference_joules:rate5m)`,
			`sum(cluster:podjoule_energy_parts_joules:rate5m) / sum(cluster:podjoule_energy_measured_joules:rate5m > 0)`,
		} {
			var told bool
			if got[i], told = g.s.number(g.t, at, "%s", query); !told {
				return false
			}
		}
		return math.Abs(got[0]-ratio) < 1e-4 && math.Abs(got[1]-ratio) < 1e-4 && math.Abs(got[2]) < 1e-9 && math.Abs(got[3]-1) < 1e-9
	})
}
