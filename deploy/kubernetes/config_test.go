package kubernetes_test

import (
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// config is what a configuration says that concerns the pod around it.
type config struct {
	Agent struct {
		SysfsRoot string `toml:"sysfs_root"`
		Listen    string
	}
	Plugins struct {
		K8s struct {
			Node       string `toml:"k8s_node"`
			Server     string `toml:"k8s_api_url"`
			Discovery  string `toml:"pod_discovery"`
			Kubelet    string `toml:"kubelet_url"`
			Retrieval  string `toml:"token_retrieval"`
			Insecure   bool   `toml:"insecure_skip_verify"`
			HTTPClient any    `toml:"tls_config"`
		}
		RAPL *struct{ Source string }
		OTLP *struct {
			Endpoint string
			QueueDir string `toml:"queue_dir"`
		}
		Attribution, Prometheus *struct{}
	}
}

// configOf reads the configuration of a folder, which is its file to the letter.
func configOf(t *testing.T, folder string, m *manifests) config {
	t.Helper()
	if len(m.Config.Data) != 1 || len(m.Config.BinaryData) != 0 {
		t.Errorf("%s: want config.toml only, have %v", folder, m.Config.Data)
	}
	file := filepath.Join(folder, "config.toml")
	if found, _ := filepath.Glob(file); len(found) == 0 {
		file = "base/config.toml"
	}
	want(t, folder+": config.toml", read(t, file), m.Config.Data["config.toml"])
	var c config
	if _, err := toml.Decode(m.Config.Data["config.toml"], &c); err != nil {
		t.Fatalf("%s: config.toml: %v", folder, err)
	}
	return c
}

// A configuration and the pod around it belong together: what it names is mounted or set,
// what it does is permitted, and what is permitted is done. main.TestManifestConfigurations
// has the program check each.
func TestConfigurationFitsThePod(t *testing.T) {
	for _, folder := range folders(t) {
		m := build(t, folder)
		c, mounted := configOf(t, folder, m), mounts(t, m)
		k8s := c.Plugins.K8s
		want(t, folder+": the host's /sys", mounted["sys"].MountPath, c.Agent.SysfsRoot)
		want(t, folder+": node", "${NODE_NAME}", k8s.Node)
		want(t, folder+": token", "file", k8s.Retrieval)
		if k8s.Insecure || k8s.HTTPClient != nil {
			t.Errorf("%s: servers are not verified as a matter of course", folder)
		}
		if c.Agent.Listen != "" {
			t.Errorf("%s: it listens at %q, and the pod's port is 9464", folder, c.Agent.Listen)
		}
		asksKubelet := m.Role.Rules[0].Resources[0] == "nodes/pods"
		if asksKubelet != (k8s.Discovery == "kubelet") || asksKubelet != (k8s.Kubelet == "https://${NODE_IP}:10250") || asksKubelet == (k8s.Server != "") {
			t.Errorf("%s: it asks %+v, and may %v", folder, k8s, m.Role.Rules)
		}
		pod := m.DaemonSet.Spec.Template.Spec.SecurityContext
		reader := *pod.RunAsUser == 0 || slices.Contains(pod.SupplementalGroups, 9464)
		if energy := c.Plugins.RAPL != nil; energy != reader || energy && c.Plugins.Attribution == nil {
			t.Errorf("%s: it reads energy: %v, and may: %v", folder, energy, reader)
		}
		queue := ""
		if c.Plugins.OTLP != nil {
			queue = path.Dir(c.Plugins.OTLP.QueueDir)
		} else if c.Plugins.Prometheus == nil {
			t.Errorf("%s: it has no output", folder)
		}
		want(t, folder+": the queue's folder", mounted["queue"].MountPath, queue)
	}
}

// The agent reaches what it has to, and is reached by Prometheus alone.
func TestNetworkPolicies(t *testing.T) {
	prometheus := networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{},
		PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": "prometheus"}},
	}
	for _, folder := range overlays(t) {
		m := build(t, folder)
		var out []string
		for _, p := range m.Policies {
			want(t, folder+": whom it is for", m.DaemonSet.Spec.Selector.MatchLabels, p.Spec.PodSelector.MatchLabels)
			want(t, folder+": namespace", m.Namespace.Name, p.Namespace)
			for _, rule := range p.Spec.Ingress {
				want(t, folder+": who gets in", []networkingv1.NetworkPolicyPeer{prometheus}, rule.From)
				want(t, folder+": where", []string{"TCP metrics"}, ports(rule.Ports))
			}
			for _, rule := range p.Spec.Egress {
				want(t, folder+": to whom it gets", []networkingv1.NetworkPolicyPeer(nil), rule.To)
				out = append(out, ports(rule.Ports)...)
			}
		}
		slices.Sort(out)
		names := []string{"TCP 443", "TCP 53", "TCP 6443", "UDP 53"}
		switch folder {
		case "overlays/cluster", "overlays/prometheus":
			want(t, folder+": where it gets", names, out)
		case "overlays/otlp":
			receiver, err := url.Parse(configOf(t, folder, m).Plugins.OTLP.Endpoint)
			if err != nil {
				t.Fatal(err)
			}
			want(t, folder+": where it gets", append([]string{"TCP " + receiver.Port()}, names...), out)
		default:
			want(t, folder+": policies", 0, len(m.Policies))
		}
	}
}

func ports(all []networkingv1.NetworkPolicyPort) []string {
	var texts []string
	for _, p := range all {
		texts = append(texts, string(*p.Protocol)+" "+p.Port.String())
	}
	return texts
}

// The rule for udev lets the group read that the pod is in, and nobody else.
func TestUdevRule(t *testing.T) {
	rule := regexp.MustCompile(`(?m)^[^#\n].*$`).FindAllString(read(t, "components/energy-udev/90-podjoule.rules"), -1)
	if len(rule) != 1 {
		t.Fatalf("want one rule, have %q", rule)
	}
	group := strings.TrimSpace(strings.Join(regexp.MustCompile(`chgrp (\d+) `).FindStringSubmatch(rule[0])[1:], ""))
	m := build(t, "overlays/energy-udev")
	want(t, "group", "9464", group)
	want(t, "the pod's groups", []int64{9464}, m.DaemonSet.Spec.Template.Spec.SecurityContext.SupplementalGroups)
	for _, part := range []string{`SUBSYSTEM=="powercap"`, `ACTION=="add"`, `TEST=="energy_uj"`, "chmod 0440 $sys$devpath/energy_uj"} {
		if !strings.Contains(rule[0], part) {
			t.Errorf("the rule lacks %s: %s", part, rule[0])
		}
	}
}

// README.md says of each thing that the agent is given what breaks without it.
func TestEveryRightIsExplained(t *testing.T) {
	rows := regexp.MustCompile(`(?m)^\| .* \| .* \| .* \|$`).FindAllString(read(t, "README.md"), -1)
	explained := func(what string) bool {
		return slices.ContainsFunc(rows, func(row string) bool {
			given, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
			return strings.Contains(given, "`"+what+"`")
		})
	}
	given := make(map[string]bool)
	for _, folder := range folders(t) {
		m := build(t, folder)
		for _, rule := range m.Role.Rules {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					given[verb+" "+resource] = true
				}
			}
		}
		c := container(t, m)
		for _, v := range c.VolumeMounts {
			given[v.MountPath] = true
		}
		for _, v := range c.Env {
			given[v.Name] = true
		}
		for _, capability := range c.SecurityContext.Capabilities.Add {
			given[string(capability)] = true
		}
		pod := m.DaemonSet.Spec.Template.Spec
		if *pod.SecurityContext.RunAsUser == 0 {
			given["runAsUser: 0"] = true
		}
		if len(pod.SecurityContext.SupplementalGroups) > 0 {
			given["supplementalGroups: [9464]"] = true
		}
		given[pod.PriorityClassName], given["tolerations"], given["requests"] = true, true, true
	}
	if len(given) < 12 {
		t.Fatalf("the agent is given only %v", given)
	}
	for what := range given {
		if !explained(what) {
			t.Errorf("README.md has no row that begins with `%s` and says what breaks without it", what)
		}
	}
}
