//go:build receivers

package receivers

import (
	"maps"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// A23, S9: the whole page, with every group of metrics, containers, chosen attributes, energy
// by every kind of meter and by a model, and what the agent tells about itself, is to the taste
// of Prometheus's own checker. That reads no OpenMetrics: there, as in the other formats, the
// server has to take each line.
func TestPageIsClean(t *testing.T) {
	t.Parallel()
	n, s := newNode(t, "node-1"), startPrometheus(t)
	meter := newMeter(t, n)
	if err := simnode.WriteTopology(n.sysfs, 0, 0, 1, 1); err != nil {
		t.Fatal(err)
	}
	sensors, err := simnode.NewHwmon(n.sysfs, simnode.ACPIMeter(true)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := sensors.Close(); err != nil {
			t.Error(err)
		}
	})
	a := startAgent(t, n,
		`metrics = ["cpu", "memory", "memory_detail", "pressure", "throttling", "io", "pids", "requests", "sockets"]`,
		`containers = true`,
		`attributes = ["workload", "qos", "phase", "label:app"]`,
		"[plugins.rapl]\npoll_interval = \"100ms\"\n[plugins.hwmon]\npoll_interval = \"100ms\"\nsample_interval = \"100ms\"",
		"[plugins.estimate]\npoll_interval = \"100ms\"\nmodel = \"unknown\"\ncompare = true",
		"[plugins.attribution]\npolicies = [\"separate\", \"by_usage\", \"by_request\"]",
		"[plugins.prometheus]",
		// Nobody is there.
		"[plugins.otlp]\nendpoint = \"http://127.0.0.1:1\"\n[plugins.remotewrite]\nurl = \"http://127.0.0.1:1\"")
	web := n.bear("web")
	page := ""
	missing := map[string]bool{
		"podjoule_pod_energy_joules_total": true, "podjoule_rapl_consumed_energy_joules_total": true,
		"podjoule_hwmon_consumed_energy_joules_total": true, "podjoule_estimated_energy_joules_total": true,
		"podjoule_memory_working_set_bytes": true, "podjoule_cpu_request_cores": true, "podjoule_cpu_package_time_seconds_total": true,
		"podjoule_container_cpu_time_seconds_total": true,
		"podjoule_agent_ticks_total":                true, "podjoule_otlp_requests_total": true, "podjoule_remotewrite_requests_total": true,
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page lacks %v", missing)
		}
	})
	eventually(t, "all kinds of metrics on the page", func() bool {
		n.spend(web, 5*time.Millisecond)
		if err := meter.Spend("intel-rapl:0", 20_000); err != nil {
			t.Fatal(err)
		}
		page = get(t, "http://"+a.address+"/metrics")
		maps.DeleteFunc(missing, func(name string, _ bool) bool {
			return strings.Contains(page, "\n"+name+"{") || strings.Contains(page, "\n"+name+" ")
		})
		return len(missing) == 0
	})
	if said, err := promtool(t, strings.NewReader(page), "check", "metrics"); err != nil || said != "" {
		t.Errorf("promtool check metrics: %v:\n%s", err, said)
	}

	lines, want := make(map[string]float64), make(map[string]float64) // by job
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the page has %v lines, Prometheus took %v", want, lines)
		}
	})
	jobs := []string{jobProtobuf, jobOpenMetrics, jobText}
	for _, job := range jobs {
		s.scrape(t, job, a.address)
	}
	eventually(t, "every line of the page in each format", func() bool {
		page = get(t, "http://"+a.address+"/metrics")
		for _, job := range jobs {
			want[job] = float64(strings.Count(page, "\n") - strings.Count(page, "\n#") - 1) // the first is a comment, too
			lines[job], _ = s.number(t, time.Now(), `scrape_samples_scraped{job=%q} and up{job=%q} == 1`, job, job)
		}
		return cmp.Equal(want, lines)
	})
}

// The checker that finds nothing on the page finds what is wrong with another one.
func TestCheckerFindsFaults(t *testing.T) {
	t.Parallel()
	said, err := promtool(t, strings.NewReader("# TYPE cpu_ms counter\ncpu_ms 1\n"), "check", "metrics")
	if err == nil || !strings.Contains(said, "cpu_ms") || strings.Contains(said, os.ErrNotExist.Error()) {
		t.Errorf("promtool check metrics: %v: %q", err, said)
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
