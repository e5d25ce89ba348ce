package main

import (
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/simnode"
)

// energyConfig measures energy below a folder.
func energyConfig(t *testing.T, sysfs string) string {
	t.Helper()
	return configFile(t, fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:0\"\nsysfs_root = %q\n[plugins.rapl]\npoll_interval = \"10ms\"\n[plugins.csv]\n[plugins.prometheus]\n", sysfs))
}

// The whole agent tells what a machine with two sockets consumes, on the page and in rows.
func TestEnergyOfAMachine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	tree, err := simnode.NewPowercap(dir, simnode.TwoSocketServer()...)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	r := startProgram(t, "run", "--config", energyConfig(t, dir))
	address := r.listening()
	eventually(t, "a window", func() bool { return strings.Contains(r.stdout.String(), "rapl_consumed_energy") })
	want := map[string]float64{"cpu_package 0 package": 1.5, "dram 0 dram": 0.25, "cpu_package 1 package": 2, "dram 1 dram": 0.000001}
	for zone, energy := range map[string]uint64{"intel-rapl:0": 1_500_000, "intel-rapl:0:0": 250_000, "intel-rapl:1": 2_000_000, "intel-rapl:1:0": 1} {
		if err := tree.Spend(zone, energy); err != nil {
			t.Fatal(err)
		}
	}
	const line = `podjoule_rapl_consumed_energy_joules_total{domain="package",quality="measured",resource_id="0",resource_kind="cpu_package",source="rapl-powercap"} 1.5`
	eventually(t, "energy on the page", func() bool {
		_, page := get(t, "http://"+address+"/metrics")
		return strings.Contains(page, line) && strings.Contains(page, `podjoule_rapl_status{`) && strings.Contains(page, `status="ok"`)
	})
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	got := make(map[string]float64)
	for _, x := range parseRows(t, r.stdout.String()) {
		value, err := strconv.ParseFloat(x["value"], 64)
		if err != nil || x["metric"] != "rapl_consumed_energy" || x["unit"] != "J" || x["consumer_kind"] != "local_machine" {
			t.Fatalf("row %v", x)
		}
		got[x["resource_kind"]+" "+x["resource_id"]+" "+x["domain"]] += math.Round(value*1e6) / 1e6
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-spent +told\n%s", diff)
	}
}

// K13: without energy counters the agent says so once, is alive and ready, and ends well.
func TestEnergyIsMissing(t *testing.T) {
	t.Parallel()
	r := startProgram(t, "run", "--config", energyConfig(t, t.TempDir()))
	address := "http://" + r.listening()
	eventually(t, "an answer that says what is missing", func() bool {
		status, body := get(t, address+"/readyz")
		return status == http.StatusOK && strings.Contains(body, "no energy counters") && strings.Contains(body, "modprobe intel_rapl_msr")
	})
	if status, _ := get(t, address+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
	eventually(t, "ten more ticks", func() bool {
		_, page := get(t, address+"/metrics")
		return strings.Contains(page, `status="no_tree"`) && ticks(page) >= 10
	})
	r.signal(syscall.SIGTERM)
	said := strings.Count(strings.Join(r.before, "\n"), "no energy counters")
	for line := range r.lines {
		if strings.Contains(line, "no energy counters") {
			said++
		}
		if strings.Contains(line, "stopping") {
			break
		}
	}
	if status := r.wait(); status != 0 || said != 1 {
		t.Errorf("exit status %d, and it is said %d times, want once", status, said)
	}
}

// ticks returns how many ticks a page tells of.
func ticks(page string) int {
	for line := range strings.Lines(page) {
		if strings.HasPrefix(line, "podjoule_agent_ticks_total") {
			fields := strings.Fields(line)
			n, _ := strconv.Atoi(fields[len(fields)-1])
			return n
		}
	}
	return 0
}

// The manifests' README shows how energy is turned on.
func TestEnergyExampleLoads(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("deploy", "kubernetes", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n    [plugins.rapl]\n") {
		t.Fatal("it shows no table of rapl")
	}
	for _, config := range []string{"[plugins.rapl]\n", "[plugins.k8s]\n[plugins.rapl]\npoll_interval = \"1s\"\nsource = \"powercap\"\n", "[plugins.rapl]\nsource = \"perf\"\n"} {
		if _, err := agent.Load("config.toml", []byte(config), agent.LoadOptions{Plugins: builtin(), DefaultOutput: defaultOutput}); err != nil {
			t.Errorf("%q: %v", config, err)
		}
	}
}
