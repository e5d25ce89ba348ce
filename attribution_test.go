package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

// nodeClock is /proc/stat of a node, in a file of its own.
type nodeClock struct {
	t          *testing.T
	file       *os.File
	busy, idle int // in ticks of 10 ms
}

func newNodeClock(t *testing.T) (clock *nodeClock, procfs string) {
	t.Helper()
	procfs = t.TempDir()
	file, err := os.Create(filepath.Join(procfs, "stat"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	clock = &nodeClock{t: t, file: file}
	clock.pass(100, 100)
	return clock, procfs
}

// pass has the CPUs be busy and idle for some ticks. The text is as long each time, so that
// a reader never sees half of it.
func (c *nodeClock) pass(busy, idle int) {
	c.t.Helper()
	c.busy, c.idle = c.busy+busy, c.idle+idle
	line := fmt.Sprintf(" %015d 0 0 %015d 0 0 0 0 0 0\n", c.busy, c.idle)
	if _, err := c.file.WriteAt([]byte("cpu "+line+"cpu0"+line+"intr 0\n"), 0); err != nil {
		c.t.Fatal(err)
	}
}

// A26: of a node whose pods come and go, all that the meters counted is told as energy of
// pods, system, idle or nobody, to the microjoule, by each policy.
func TestEnergyOfPodsAddsUp(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node-1", simnode.V2)
	sysfs := t.TempDir()
	meters, err := simnode.NewPowercap(sysfs, simnode.TwoSocketServer()...)
	if err != nil {
		t.Fatal(err)
	}
	defer meters.Close()
	clock, procfs := newNodeClock(t)
	const interval = `poll_interval = "10ms"`
	r := startProgram(t, "run", "--config", configFile(t, fmt.Sprintf(`[agent]
listen = "127.0.0.1:0"
sysfs_root = %q
procfs_root = %q
[plugins.k8s]
k8s_node = "node-1"
k8s_api_url = %q
cgroup_root = %q
pod_refresh_interval = "50ms"
%s
[plugins.rapl]
%s
[plugins.attribution]
policies = ["separate", "by_usage"]
idle_watts = { package = 0.5, dram = 0 }
[plugins.csv]
[plugins.prometheus]
`, sysfs, procfs, n.url, n.tree.Root(), interval, interval)))
	address := "http://" + r.listening()
	eventually(t, "a window with energy of every pod", func() bool {
		text := r.stdout.String()
		for _, p := range n.pods {
			if !strings.Contains(text, "\n") || !hasRow(t, text, "pod_energy", p.Name) {
				return false
			}
		}
		return true
	})
	zones := simnode.TwoSocketServer()
	for round := range 30 {
		for i, z := range zones {
			if err := meters.Spend(z.Folder, uint64(70_001+round*i*13)); err != nil {
				t.Fatal(err)
			}
		}
		n.spend(3 * time.Millisecond)
		clock.pass(2, 1)
		if round == 15 {
			ended := n.pods[1]
			n.pods = append(n.pods[:1:1], n.pods[2:]...)
			if err := n.tree.RemovePod(string(ended.UID)); err != nil {
				t.Fatal(err)
			}
		}
		_, page := get(t, address+"/metrics")
		before := ticks(page)
		eventually(t, "a tick", func() bool {
			_, page := get(t, address+"/metrics")
			return ticks(page) > before
		})
	}
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	counted := make(map[string]uint64)
	for i, z := range zones {
		counted[[]string{"cpu_package 0", "dram 0", "cpu_package 1", "dram 1"}[i]] = meters.Spent(z.Folder)
	}
	told := make(map[string]map[string]uint64) // by policy, or by none for the meters
	parts := make(map[string]uint64)
	for _, x := range parseRows(t, r.stdout.String()) {
		if x["unit"] != "J" {
			continue
		}
		energy := microjoules(t, x)
		if told[x["policy"]] == nil {
			told[x["policy"]] = make(map[string]uint64)
		}
		told[x["policy"]][x["resource_kind"]+" "+x["resource_id"]] += energy
		if x["policy"] != "" {
			parts[x["metric"]] += energy
		}
		if x["policy"] != "" && x["basis"] != "cpu_time" {
			t.Errorf("basis of %v", x)
		}
	}
	if diff := cmp.Diff(map[string]map[string]uint64{"": counted, "separate": counted, "by_usage": counted}, told); diff != "" {
		t.Errorf("-counted +told\n%s", diff)
	}
	if parts["pod_energy"] == 0 || parts["energy_system"] == 0 || parts["energy_idle"] == 0 || parts["energy_unattributed"] != 0 {
		t.Errorf("%v, want some of each but unattributed", parts)
	}
}

// hasRow tells whether lines of CSV tell a metric of a pod.
func hasRow(t *testing.T, text, metric, name string) bool {
	t.Helper()
	whole := text[:strings.LastIndex(text, "\n")+1]
	for _, x := range parseRows(t, whole) {
		if x["metric"] == metric && x["name"] == name {
			return true
		}
	}
	return false
}

// microjoules returns the energy of a row, which is told in joules.
func microjoules(t *testing.T, x row) uint64 {
	t.Helper()
	value, err := strconv.ParseFloat(x["value"], 64)
	if err != nil || value < 0 {
		t.Fatalf("row %v: %v", x, err)
	}
	return uint64(math.Round(value * 1e6))
}

// The policy that needs what pods reserved says so where that is not measured.
func TestPolicyWithoutItsMetric(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node-1", simnode.V2)
	status, _, stderr := finish(t, program(t, "run", "--config", n.config("metrics = [\"cpu\"]\n[plugins.attribution]\npolicies = [\"by_request\"]\n")))
	if status == 0 || !strings.Contains(stderr, `metrics = ["cpu", "memory", "requests"] of [plugins.k8s]`) {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	status, _, stderr = finish(t, program(t, "run", "--config", n.config("metrics = [\"cpu\"]\n[plugins.attribution]\ndram_by = \"memory\"\n")))
	if status == 0 || !strings.Contains(stderr, `metrics = ["cpu", "memory"] of [plugins.k8s]`) {
		t.Errorf("exit status %d: %s", status, stderr)
	}
}

// S9: units are those that the names promise, amounts and states are told apart, and no
// text of help stands at two metrics.
func TestUnitsAndHelp(t *testing.T) {
	helps := make(map[string]string)
	for _, p := range builtin() {
		for _, m := range p.Metrics {
			if other, twice := helps[m.Help]; twice || m.Help == "" || strings.HasSuffix(m.Help, ".") {
				t.Errorf("%s has the help %q, which is none or that of %q", m.Name, m.Help, other)
			}
			helps[m.Help] = m.Name
			want, kind := m.Unit, m.Kind
			switch {
			case strings.Contains(m.Name, "energy"):
				want = measure.Microjoule
			case strings.Contains(m.Name, "time"), strings.Contains(m.Name, "pressure"):
				want = measure.Nanosecond
			case strings.HasSuffix(m.Name, "percent"):
				want = measure.Percent
			case strings.Contains(m.Name, "faults"), strings.Contains(m.Name, "kills"), strings.Contains(m.Name, "pids"), strings.Contains(m.Name, "operations"),
				strings.Contains(m.Name, "periods"):
				want = measure.One
			case strings.Contains(m.Name, "memory"), strings.Contains(m.Name, "slab"), strings.Contains(m.Name, "bytes"):
				want = measure.Byte
			}
			if strings.HasSuffix(m.Name, "_delta") || strings.HasSuffix(m.Name, "_energy") {
				kind = measure.Delta
			}
			if m.Unit != want || m.Kind != kind {
				t.Errorf("%s is a %v in %v, want a %v in %v", m.Name, m.Kind, m.Unit, kind, want)
			}
		}
	}
	if len(helps) < 20 {
		t.Errorf("only %d metrics were looked at", len(helps))
	}
}

// All keys of the plugin load, and a value that is wrong is named with its line.
func TestAttributionKeys(t *testing.T) {
	text := "[plugins.k8s]\n[plugins.attribution]\npolicies = [\"separate\", \"by_request\"]\ndram_by = \"memory\"\nidle_watts = { package = 12.5 }\n"
	if _, err := agent.Load("config.toml", []byte(text), agent.LoadOptions{Plugins: builtin(), DefaultOutput: defaultOutput}); err != nil {
		t.Error(err)
	}
	_, err := agent.Load("config.toml", []byte("[plugins.k8s]\n[plugins.attribution]\ndram_by = \"traffic\"\n"), agent.LoadOptions{Plugins: builtin(), DefaultOutput: defaultOutput})
	if err == nil || !strings.Contains(err.Error(), `config.toml:3: plugins.attribution.dram_by: want cpu_time or memory, have "traffic"`) {
		t.Errorf("error %v", err)
	}
}
