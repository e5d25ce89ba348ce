package helm

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
)

// Helm's own linter has nothing to say but that there is no picture.
func TestLint(t *testing.T) {
	all := map[string]map[string]any{"values.yaml": {}}
	for _, name := range files(t, filepath.Join(folder, "examples")) {
		all[name] = values(t, read(t, folder, "examples", name))
	}
	for name, v := range all {
		linter := lint.RunAll(folder, v, "podjoule")
		if linter.ChartDir == "" || len(linter.Messages) == 0 {
			t.Errorf("%s: the linter did not look: not even for an icon", name)
		}
		for _, message := range linter.Messages {
			if message.Severity > support.InfoSev || !strings.Contains(message.Error(), "icon") {
				t.Errorf("%s: %v", name, message)
			}
		}
	}
}

// outputs are values with both outputs that have a queue, so that each combination is one
// that somebody could want.
const outputs = `
web: {secret: podjoule-web}
config:
  plugins:
    otlp: {endpoint: "http://collector:4317"}
    remotewrite: {url: "https://prometheus.example/api/v1/write", queue_bytes: 16777216, labels: {cluster: c1}}
    hwmon: {meters: [{chip: power_meter, domain: machine}, {chip: ina3221, device: "1-0040", label: "A & B", domain: package, socket: 0}]}
`

// Every combination of the schema's examples makes objects that are right: as types of
// Kubernetes, with no more rights than they need, and with a configuration that the agent takes.
func TestEveryCombination(t *testing.T) {
	c := load(t)
	choices, err := c.Choices()
	if err != nil {
		t.Fatal(err)
	}
	base := values(t, outputs)
	combinations := Combinations(choices)
	configurations := make(map[string]string) // and the first combination that has it
	taken := 0
	for _, keys := range combinations {
		rendered, err := c.Render(as(), loader.MergeMaps(base, Values(keys)))
		if keys["podMonitor.enabled"] == true && keys["serviceMonitor.enabled"] == true {
			if err == nil {
				t.Fatalf("%v: each agent would be scraped twice", keys)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v: %v", keys, err)
		}
		taken++
		o, err := typed(rendered.Objects)
		if err != nil {
			t.Fatalf("%v: %v", keys, err)
		}
		for _, fault := range faults(o, keys) {
			t.Errorf("%v: %s", keys, fault)
		}
		if text := o.Config.Data["config.toml"]; configurations[text] == "" {
			configurations[text] = fmt.Sprint(keys)
		}
		if t.Failed() {
			break
		}
	}
	if taken < 400 {
		t.Errorf("only %d combinations of %d were looked at", taken, len(combinations))
	}
	t.Logf("%d combinations, %d configurations", taken, len(configurations))
	agent := build(t)
	for text, keys := range configurations {
		check(t, agent, keys, text)
	}
}

// faults is what a release has too much or too little for a combination.
func faults(o *objects, keys map[string]any) []string {
	var all []string
	must := func(holds bool, what string) {
		if !holds {
			all = append(all, what)
		}
	}
	pod := o.DaemonSet.Spec.Template.Spec
	c := pod.Containers[0]
	access := keys["energy.access"].(string)
	root := access == "root" || access == "perf"
	must(!pod.HostPID && !pod.HostNetwork && !pod.HostIPC, "it shares a namespace of the host") // A30
	must(len(pod.Containers) == 1 && len(pod.InitContainers) == 0, "it has other containers")
	must(*pod.SecurityContext.RunAsNonRoot == !root && (*pod.SecurityContext.RunAsUser == 0) == root, "root where it need not be, or not where it must")
	must(slices.Contains(pod.SecurityContext.SupplementalGroups, 9464) == (access == "udev"), "the group of the udev rule")
	must(pod.SecurityContext.SeccompProfile.Type == corev1.SeccompProfileTypeRuntimeDefault, "seccomp")
	must(c.SecurityContext.Privileged == nil && !*c.SecurityContext.AllowPrivilegeEscalation && *c.SecurityContext.ReadOnlyRootFilesystem, "it is not confined")
	must(slices.Equal(c.SecurityContext.Capabilities.Drop, []corev1.Capability{"ALL"}), "it keeps capabilities")
	must(slices.Equal(c.SecurityContext.Capabilities.Add, map[bool][]corev1.Capability{true: {"PERFMON"}}[access == "perf"]), "its capabilities")
	must(c.Resources.Limits.Cpu().IsZero() && !c.Resources.Requests.Cpu().IsZero(), "its share of the CPU")
	for _, mount := range c.VolumeMounts {
		must(mount.ReadOnly || mount.Name == "queue", mount.MountPath+" can be written")
		volume := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == mount.Name })
		must(volume >= 0, mount.MountPath+" has no volume")
	}
	for _, volume := range pod.Volumes {
		must(volume.HostPath == nil || volume.HostPath.Path == "/sys" || volume.Name == "queue", "it has the host's "+volume.Name)
	}
	must((o.Role != nil) == (keys["rbac.create"] == true), "rights without rbac.create, or none with it")
	if o.Role != nil { // K15
		must(len(o.Role.Rules) == 1 && right(o.Role.Rules[0]) == map[string]string{
			"watch": "pods: list watch", "poll": "pods: list", "kubelet": "nodes/pods: get",
		}[keys["discovery"].(string)], fmt.Sprintf("its rights are %v", o.Role.Rules))
	}
	must((o.Policy != nil) == (keys["networkPolicy.enabled"] == true), "the policy")
	must((o.PodMonitor != nil) == (keys["podMonitor.enabled"] == true), "the PodMonitor")
	must((o.ServiceMonitor != nil) == (keys["serviceMonitor.enabled"] == true) && (o.Service != nil) == (o.ServiceMonitor != nil), "the ServiceMonitor")
	return all
}

func right(rule rbacv1.PolicyRule) string {
	return strings.Join(rule.Resources, " ") + ": " + strings.Join(rule.Verbs, " ")
}

// build makes the agent.
func build(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "podjoule")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".")
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the agent: %v\n%s", err, out)
	}
	return program
}

// check has the agent look at a configuration as in a pod, and sees that it is one of many pods.
func check(t *testing.T, agent, what, text string) {
	t.Helper()
	web := filepath.Join(t.TempDir(), "web-config.yml")
	if err := os.WriteFile(web, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const mounted = "/etc/podjoule-web/web-config.yml"
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(text, mounted, web)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), agent, "config", "check", "--config", file)
	cmd.Env = []string{"NODE_NAME=node-1", "NODE_IP=192.0.2.1"}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "k8s, every ") {
		t.Errorf("%s: the agent does not take its configuration: %v\n%s\n%s", what, err, out, text)
	}
}
