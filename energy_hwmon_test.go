package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// What meters of hwmon tell is divided among pods domain by domain, to the microjoule,
// whether it was counted or derived; no two rows of a tick are of one series. S9.
func TestEnergyOfHwmonIsDivided(t *testing.T) {
	t.Parallel()
	sysfs := t.TempDir()
	tree, err := simnode.NewHwmon(sysfs, slices.Concat(simnode.Grace(), simnode.AMDEnergy(2, 2), simnode.OtherSensors())...)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	n := newNode(t, "node-1", simnode.V2)
	config := configFile(t, fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:0\"\nsysfs_root = %q\n[plugins.k8s]\nk8s_node = \"node-1\"\nk8s_api_url = %q\ncgroup_root = %q\npoll_interval = \"100ms\"\n"+
		"[plugins.hwmon]\npoll_interval = \"100ms\"\nsample_interval = \"100ms\"\n[plugins.attribution]\n[plugins.csv]\n", sysfs, n.url, n.tree.Root()))
	r := startProgram(t, "run", "--config", config)
	eventually(t, "a window", func() bool { return strings.Contains(r.stdout.String(), "hwmon_consumed_energy") })
	for range 3 {
		before := strings.Count(r.stdout.String(), "pod_energy")
		n.spend(20 * time.Millisecond)
		for _, file := range []string{"energy3_input", "energy4_input"} {
			if err := tree.Spend("amd_energy.0", file, 1_234_567); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "parts of pods", func() bool { return strings.Count(r.stdout.String(), "pod_energy") > before })
	}
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	measured, divided := make(map[string]int64), make(map[string]int64)
	seen := make(map[string]bool)
	for _, x := range parseRows(t, r.stdout.String()) {
		joules, err := strconv.ParseFloat(x["value"], 64)
		if err != nil {
			t.Fatalf("row %v", x)
		}
		energy := int64(math.Round(joules * 1e6))
		key := strings.Join([]string{x["resource_kind"], x["resource_id"], x["domain"], x["quality"], x["source"]}, " ")
		if id := fmt.Sprint(x["timestamp"], x["metric"], key, x["kind"], x["uid"], x["consumer_kind"], x["consumer_id"]); seen[id] {
			t.Errorf("two rows are of one series: %v", x)
		} else {
			seen[id] = true
		}
		switch x["metric"] {
		case "hwmon_consumed_energy":
			measured[key] += energy
			if x["unit"] != "J" {
				t.Errorf("row %v, want J", x)
			}
		case "pod_energy", "energy_system", "energy_idle", "energy_unattributed":
			divided[key] += energy
		}
	}
	if diff := cmp.Diff(measured, divided); diff != "" {
		t.Errorf("-measured +divided\n%s", diff)
	}
	for socket := range 2 {
		if got := measured[fmt.Sprintf("cpu_package %d package measured hwmon", socket)]; got != 3*1_234_567 {
			t.Errorf("%d µJ counted of socket %d, want 3 times 1234567", got, socket)
		}
		for i, domain := range []string{"module", "grace", "cpu", "sysio"} {
			// The power stands still, so that each domain has its part of the first one's.
			key := fmt.Sprintf("cpu_package %d %s derived hwmon", socket, domain)
			if got, want := measured[key], measured[fmt.Sprintf("cpu_package %d module derived hwmon", socket)]*int64(4-i)/4; got == 0 || math.Abs(float64(got-want)) > 0.2*float64(want) {
				t.Errorf("%s: %d µJ, want about %d", key, got, want)
			}
		}
	}
	if len(measured) != 10 {
		t.Errorf("%d domains, want 10: %v", len(measured), measured)
	}
}
