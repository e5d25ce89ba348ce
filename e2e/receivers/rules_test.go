//go:build receivers

package receivers

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

const rulesFolder = "../../deploy/prometheus"

// Prometheus's own checker takes the rules, and its tests of them pass.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"check", "rules", "rules.yaml"}, {"test", "rules", "rules_test.yaml"}} {
		cmd := exec.Command(built(t, "promtool"), args...)
		cmd.Dir = rulesFolder
		if text, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(text), "SUCCESS") {
			t.Errorf("promtool %s: %v:\n%s", strings.Join(args, " "), err, text)
		}
	}
}

// quickRules are the rules with short windows, without patience, and evaluated each second:
// nothing else of them is changed.
func quickRules(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(rulesFolder, "rules.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	quick := regexp.MustCompile(`\[(5|15)m\]`).ReplaceAllString(string(text), "[6s]")
	quick = regexp.MustCompile(`(?m)^ +for: .*\n`).ReplaceAllString(quick, "")
	quick = regexp.MustCompile(`(?m)^( +)(- name: podjoule-\w+)$`).ReplaceAllString(quick, "$1$2\n$1  interval: 1s")
	return write(t, "rules.yaml", quick)
}

// startMonitoring runs a Prometheus that scrapes an agent as the PodMonitor has it done: the
// agent's own namespace is a label of the target.
func startMonitoring(t *testing.T, address string, more ...string) *server {
	t.Helper()
	scrapes := write(t, "scrapes.yml",
		"scrape_configs:",
		"- job_name: podjoule/podjoule",
		"  honor_labels: true",
		"  static_configs: [{targets: ['"+address+"'], labels: {instance: node-1, namespace: podjoule, pod: podjoule-x7k2p, container: podjoule}}]")
	return startPrometheus(t, append(more, "scrape_config_files: ['"+scrapes+"']")...)
}

// firing are the alerts that fire, each once.
func (s *server) firing(t *testing.T) (names []string) {
	t.Helper()
	for _, one := range s.query(t, time.Now(), `ALERTS{alertstate="firing"}`) {
		names = append(names, one.Metric["alertname"])
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Each alert that a failing part provokes fires, and no other; when the agent is gone, that is
// what is said.
func TestAlertsFire(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node-1")
	n.tick = "250ms" // a busy machine is to be late for none
	n.bear("web")
	stranger := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: "stranger", Node: n.name, QoS: corev1.PodQOSBurstable})
	if err := n.tree.AddPod(stranger); err != nil { // the API server does not know it
		t.Fatal(err)
	}
	// There is no meter, and no receiver.
	a := startAgent(t, n, "[plugins.rapl]\n[plugins.prometheus]\n[plugins.otlp]\nendpoint = \"http://127.0.0.1:1\"")
	s := startMonitoring(t, a.address, "rule_files: ['"+quickRules(t)+"']")
	file := a.cmd.Args[len(a.cmd.Args)-1]
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, "\nnothing = \"known\"\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect := func(want ...string) {
		t.Helper()
		var diff string
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("-want +firing\n%s", diff)
			}
		})
		eventually(t, "alerts fire: "+strings.Join(want, ", "), func() bool {
			diff = cmp.Diff(want, s.firing(t))
			return diff == ""
		})
	}
	expect("PodjouleConfigurationNotTaken", "PodjouleMeterLost", "PodjoulePluginFailing", "PodjoulePodsUnresolved")

	// What is mended is said no more, and ticks that were slept through are told.
	n.api.Put(stranger)
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	expect("PodjouleMeterLost", "PodjoulePluginFailing")
	a.freeze(t, func() { time.Sleep(1500 * time.Millisecond) }) // six ticks
	expect("PodjouleMeterLost", "PodjoulePluginFailing", "PodjouleTicksLate")

	if err := a.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	expect("PodjouleAgentDown")
}
