// Package kubernetes_test checks what the manifests in this folder ask for: that
// they are valid, belong together, and claim no more rights than they promise.
package kubernetes_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// kustomization is the part of a kustomization.yaml that is used here.
type kustomization struct {
	metav1.TypeMeta `json:",inline"`
	Resources       []string `json:"resources"`
	Images          []struct {
		Name    string `json:"name"`
		NewName string `json:"newName"`
		NewTag  string `json:"newTag"`
	} `json:"images"`
}

// manifests are all objects of the folder, each of which is there once.
type manifests struct {
	kustomization kustomization
	namespace     corev1.Namespace
	account       corev1.ServiceAccount
	role          rbacv1.ClusterRole
	binding       rbacv1.ClusterRoleBinding
	config        corev1.ConfigMap
	daemonSet     appsv1.DaemonSet
}

// load reads every YAML file strictly: an unknown or doubled field is an error.
func load(t *testing.T) *manifests {
	t.Helper()
	var m manifests
	kinds := map[string]struct {
		apiVersion string
		object     any
	}{
		"Kustomization":      {"kustomize.config.k8s.io/v1beta1", &m.kustomization},
		"Namespace":          {"v1", &m.namespace},
		"ServiceAccount":     {"v1", &m.account},
		"ClusterRole":        {"rbac.authorization.k8s.io/v1", &m.role},
		"ClusterRoleBinding": {"rbac.authorization.k8s.io/v1", &m.binding},
		"ConfigMap":          {"v1", &m.config},
		"DaemonSet":          {"apps/v1", &m.daemonSet},
	}
	for _, file := range yamlFiles(t) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if regexp.MustCompile(`(?m)^---`).Match(content) {
			t.Fatalf("%s holds more than one document", file)
		}
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal(content, &meta); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		kind, ok := kinds[meta.Kind]
		if !ok || kind.apiVersion != meta.APIVersion {
			t.Fatalf("%s: %s %s is of no kind that is left to check", file, meta.APIVersion, meta.Kind)
		}
		delete(kinds, meta.Kind)
		if err := yaml.UnmarshalStrict(content, kind.object); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	for kind := range kinds {
		t.Errorf("no file has a %s", kind)
	}
	return &m
}

func yamlFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if ext := filepath.Ext(entry.Name()); ext == ".yaml" || ext == ".yml" || ext == ".json" {
			files = append(files, entry.Name())
		}
	}
	return files
}

func want(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestEveryFileIsListed(t *testing.T) {
	m := load(t)
	listed := append(slices.Clone(m.kustomization.Resources), "kustomization.yaml")
	slices.Sort(listed)
	want(t, "resources of kustomization.yaml", yamlFiles(t), listed)
}

func TestNamesBelongTogether(t *testing.T) {
	m := load(t)
	const ns = "podjoule"
	want(t, "namespace", ns, m.namespace.Name)
	for what, object := range map[string]metav1.Object{"service account": &m.account, "config map": &m.config, "daemon set": &m.daemonSet} {
		want(t, what+"'s name", "podjoule", object.GetName())
		want(t, what+"'s namespace", ns, object.GetNamespace())
	}
	pod := m.daemonSet.Spec.Template
	want(t, "pod's service account", m.account.Name, pod.Spec.ServiceAccountName)
	want(t, "pod's labels", m.daemonSet.Spec.Selector.MatchLabels, pod.Labels)
	want(t, "role that is bound", rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: m.role.Name}, m.binding.RoleRef)
	want(t, "who it is bound to", []rbacv1.Subject{{Kind: "ServiceAccount", Name: m.account.Name, Namespace: ns}}, m.binding.Subjects)
	name, tag, _ := strings.Cut(container(t, m).Image, ":")
	if len(m.kustomization.Images) != 1 || m.kustomization.Images[0].Name != name {
		t.Errorf("images %+v do not replace %s:%s", m.kustomization.Images, name, tag)
	}
}

func TestRights(t *testing.T) {
	m := load(t)
	want(t, "rules", []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"},
	}}, m.role.Rules)
	if m.role.AggregationRule != nil {
		t.Error("the role takes in others")
	}
	no, yes := false, true
	want(t, "token for all pods of the account", &no, m.account.AutomountServiceAccountToken)
	want(t, "token for the agent's pods", &yes, m.daemonSet.Spec.Template.Spec.AutomountServiceAccountToken)
}

// container returns the only container; there are no init containers either.
func container(t *testing.T, m *manifests) *corev1.Container {
	t.Helper()
	spec := m.daemonSet.Spec.Template.Spec
	if len(spec.Containers) != 1 || len(spec.InitContainers) != 0 || len(spec.EphemeralContainers) != 0 {
		t.Fatal("want one container and no others")
	}
	return &spec.Containers[0]
}

func TestPodIsConfined(t *testing.T) {
	m := load(t)
	pod := m.daemonSet.Spec.Template.Spec
	if pod.HostPID || pod.HostNetwork || pod.HostIPC {
		t.Errorf("host namespaces: PID %v, network %v, IPC %v", pod.HostPID, pod.HostNetwork, pod.HostIPC)
	}
	no, yes, nobody := false, true, int64(65534)
	want(t, "pod's security context", &corev1.PodSecurityContext{
		RunAsNonRoot: &yes, RunAsUser: &nobody, RunAsGroup: &nobody,
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}, pod.SecurityContext)
	c := container(t, m)
	want(t, "container's security context", &corev1.SecurityContext{
		AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}, c.SecurityContext) // so neither privileged nor added capabilities
	for _, port := range c.Ports {
		if port.HostPort != 0 {
			t.Errorf("port %d is opened on the host", port.HostPort)
		}
	}
}

func TestVolumes(t *testing.T) {
	m := load(t)
	pod := m.daemonSet.Spec.Template.Spec
	directory, recursive := corev1.HostPathDirectory, corev1.RecursiveReadOnlyIfPossible
	want(t, "volumes", []corev1.Volume{
		{Name: "sys", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/sys", Type: &directory}}},
		{Name: "config", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: m.config.Name}}}},
	}, pod.Volumes)
	want(t, "mounts", []corev1.VolumeMount{ // each host path is read-only
		{Name: "sys", MountPath: "/host/sys", ReadOnly: true, RecursiveReadOnly: &recursive},
		{Name: "config", MountPath: "/etc/podjoule", ReadOnly: true},
	}, container(t, m).VolumeMounts)
}

func TestEveryNode(t *testing.T) {
	m := load(t)
	pod := m.daemonSet.Spec.Template.Spec
	want(t, "tolerations", []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, pod.Tolerations)
	want(t, "node selector", map[string]string{"kubernetes.io/os": "linux"}, pod.NodeSelector)
	want(t, "priority", "system-node-critical", pod.PriorityClassName)
	grace, tenth := int64(15), intstr.FromString("10%")
	want(t, "grace period", &grace, pod.TerminationGracePeriodSeconds)
	want(t, "update strategy", appsv1.DaemonSetUpdateStrategy{
		Type:          appsv1.RollingUpdateDaemonSetStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &tenth},
	}, m.daemonSet.Spec.UpdateStrategy)
}

func TestContainer(t *testing.T) {
	m := load(t)
	c := container(t, m)
	want(t, "command", []string(nil), c.Command) // the image's entry point
	want(t, "arguments", []string{"run", "--config", "/etc/podjoule/config.toml"}, c.Args)
	want(t, "environment", []corev1.EnvVar{{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{
		FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}}}, c.Env)
	want(t, "ports", []corev1.ContainerPort{{Name: "metrics", ContainerPort: 9464}}, c.Ports)
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("metrics")}}}
	}
	want(t, "liveness", probe("/healthz"), c.LivenessProbe)
	want(t, "readiness", probe("/readyz"), c.ReadinessProbe)

	requests, limits := c.Resources.Requests, c.Resources.Limits
	if requests.Cpu().IsZero() || requests.Cpu().MilliValue() > 50 {
		t.Errorf("requests %v of CPU, want a little", requests.Cpu())
	}
	if requests.Memory().IsZero() || requests.Memory().Cmp(*limits.Memory()) > 0 || limits.Memory().Value() > 256<<20 {
		t.Errorf("requests %v of memory, limited to %v", requests.Memory(), limits.Memory())
	}
	if limit, ok := limits[corev1.ResourceCPU]; ok {
		t.Errorf("CPU is limited to %v: reads would be throttled", limit.String())
	}
}

func TestConfigMap(t *testing.T) {
	m := load(t)
	if len(m.config.Data) != 1 || len(m.config.BinaryData) != 0 {
		t.Errorf("want config.toml only, have %v", m.config.Data)
	}
	var got map[string]any
	if _, err := toml.Decode(m.config.Data["config.toml"], &got); err != nil {
		t.Fatalf("config.toml: %v", err)
	}
	want(t, "config.toml", map[string]any{
		"agent": map[string]any{"sysfs_root": "/host/sys"},
		"plugins": map[string]any{
			"k8s": map[string]any{
				"k8s_node":        "${NODE_NAME}",
				"k8s_api_url":     "https://kubernetes.default.svc:443",
				"token_retrieval": "file",
				"poll_interval":   "5s",
			},
			"prometheus": map[string]any{},
		},
	}, got)
}

// The image runs as the user that the pod names, and holds nothing but the agent.
func TestDockerfile(t *testing.T) {
	content, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	stages := regexp.MustCompile(`(?m)^FROM `).Split(string(content), -1)
	last := "FROM " + stages[len(stages)-1]
	for _, line := range []string{"FROM scratch", "USER 65534:65534", `ENTRYPOINT ["/podjoule"]`, "EXPOSE 9464"} {
		if !strings.Contains("\n"+last, "\n"+line+"\n") {
			t.Errorf("the last stage has no line %q:\n%s", line, last)
		}
	}
	if !strings.Contains(string(content), "CGO_ENABLED=0") {
		t.Error("the binary is not built static: no CGO_ENABLED=0")
	}
}
