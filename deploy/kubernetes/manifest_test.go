package kubernetes_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	appsv1 "k8s.io/api/apps/v1"
)

// What is applied without a choice is the base.
func TestFolderIsTheBase(t *testing.T) {
	want(t, "objects", build(t, "base"), build(t, "."))
}

func TestNamesBelongTogether(t *testing.T) {
	for _, folder := range folders(t) {
		m := build(t, folder)
		const ns = "podjoule"
		want(t, "namespace", ns, m.Namespace.Name)
		for what, object := range map[string]metav1.Object{"service account": &m.Account, "config map": &m.Config, "daemon set": &m.DaemonSet} {
			name, _, _ := strings.Cut(object.GetName(), "-") // of the config map, a digest follows
			want(t, what+"'s name", "podjoule", name)
			want(t, what+"'s namespace", ns, object.GetNamespace())
			want(t, what+"'s labels", map[string]string{"app.kubernetes.io/name": "podjoule"}, object.GetLabels())
		}
		pod := m.DaemonSet.Spec.Template
		want(t, "pod's service account", m.Account.Name, pod.Spec.ServiceAccountName)
		want(t, "pod's labels", m.DaemonSet.Spec.Selector.MatchLabels, pod.Labels)
		want(t, "role that is bound", rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "ClusterRole", Name: m.Role.Name}, m.Binding.RoleRef)
		want(t, "who it is bound to", []rbacv1.Subject{{Kind: "ServiceAccount", Name: m.Account.Name, Namespace: ns}}, m.Binding.Subjects)
		want(t, "image", "podjoule:dev", container(t, m).Image)
	}
}

// An overlay of somebody's own sets the image as README.md says.
func TestImageIsReplaced(t *testing.T) {
	folder := composed(t, "")
	file := filepath.Join(folder, "kustomization.yaml")
	write(t, file, strings.Replace(read(t, file), "components:\n", "", 1)+"images: [{name: podjoule, newName: registry.example/podjoule, newTag: v1.2.3}]\n")
	want(t, "image", "registry.example/podjoule:v1.2.3", container(t, build(t, folder)).Image)
}

// Who reads pods' names from the API server may list and watch pods, who asks the kubelet
// may get nodes/pods, and nobody may do anything else. nodes/proxy, by which commands are
// run in pods, is in no role (K15, A30).
func TestRights(t *testing.T) {
	names := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list", "watch"}}}
	neighbours := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"nodes/pods"}, Verbs: []string{"get"}}}
	for _, folder := range folders(t) {
		m := build(t, folder)
		rules := names
		if folder == "overlays/kubelet" {
			rules = neighbours
		}
		want(t, folder+": rules", rules, m.Role.Rules)
		if m.Role.AggregationRule != nil {
			t.Errorf("%s: the role takes in others", folder)
		}
	}
}

// The token is the agent's alone, ends with the hour, and is at the place where the agent
// looks for it.
func TestToken(t *testing.T) {
	for _, folder := range folders(t) {
		m := build(t, folder)
		no, hour := false, int64(3600)
		pod := m.DaemonSet.Spec.Template.Spec
		want(t, "token for all pods of the account", &no, m.Account.AutomountServiceAccountToken)
		want(t, "token that Kubernetes mounts by itself", &no, pod.AutomountServiceAccountToken)
		want(t, "token", &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token", ExpirationSeconds: &hour}},
			{ConfigMap: &corev1.ConfigMapProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: "kube-root-ca.crt"},
				Items:                []corev1.KeyToPath{{Key: "ca.crt", Path: "ca.crt"}},
			}},
		}}, volumes(m)["access"].Projected)
		want(t, "its place", "/var/run/secrets/kubernetes.io/serviceaccount", mounts(t, m)["access"].MountPath)
	}
}

// volumes are those of the pod by their names.
func volumes(m *manifests) map[string]corev1.Volume {
	all := make(map[string]corev1.Volume)
	for _, v := range m.DaemonSet.Spec.Template.Spec.Volumes {
		all[v.Name] = v
	}
	return all
}

// mounts are those of the container by the names of their volumes.
func mounts(t *testing.T, m *manifests) map[string]corev1.VolumeMount {
	t.Helper()
	all := make(map[string]corev1.VolumeMount)
	for _, mount := range container(t, m).VolumeMounts {
		if _, twice := all[mount.Name]; twice {
			t.Errorf("%s is mounted twice", mount.Name)
		}
		all[mount.Name] = mount
	}
	return all
}

// The only thing of the host is its /sys, which cannot be written (A30), and the only thing
// that can be written is the pod's own.
func TestVolumes(t *testing.T) {
	directory := corev1.HostPathDirectory
	for _, folder := range folders(t) {
		m := build(t, folder)
		all, mounted := volumes(m), mounts(t, m)
		want(t, folder+": the host's files", &corev1.HostPathVolumeSource{Path: "/sys", Type: &directory}, all["sys"].HostPath)
		want(t, folder+": configuration", &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: m.Config.Name}}, all["config"].ConfigMap)
		recursive := corev1.RecursiveReadOnlyIfPossible
		if strings.Contains(folder, "energy-root") || strings.Contains(folder, "energy-perf") {
			recursive = corev1.RecursiveReadOnlyEnabled // root owns what is mounted below
		}
		expected := map[string]corev1.VolumeMount{
			"sys":    {Name: "sys", MountPath: "/host/sys", ReadOnly: true, RecursiveReadOnly: &recursive},
			"config": {Name: "config", MountPath: "/etc/podjoule", ReadOnly: true},
			"access": {Name: "access", MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true},
		}
		if folder == "overlays/otlp" {
			expected["queue"] = corev1.VolumeMount{Name: "queue", MountPath: "/var/lib/podjoule"}
			if all["queue"].EmptyDir == nil || all["queue"].EmptyDir.SizeLimit.Value() != 64<<20 {
				t.Errorf("%s: the queue's volume is %+v", folder, all["queue"])
			}
		}
		want(t, folder+": mounts", expected, mounted)
		if len(all) != len(mounted) {
			t.Errorf("%s: %d volumes and %d mounts", folder, len(all), len(mounted))
		}
	}
}

// An upgrade that changes nothing starts nothing anew, and a changed configuration starts
// every agent anew (A30).
func TestOnlyChangesRestart(t *testing.T) {
	same := build(t, composed(t, read(t, "base/config.toml")))
	want(t, "objects that are built twice", build(t, "base"), same)
	other := build(t, composed(t, read(t, "base/config.toml")+"# changed\n"))
	if other.Config.Name == same.Config.Name {
		t.Error("another configuration has the same name: no pod would notice")
	}
	want(t, "what the pods mount", other.Config.Name, volumes(other)["config"].ConfigMap.Name)
	pod, before := other.DaemonSet.Spec.Template, same.DaemonSet.Spec.Template
	for i, v := range pod.Spec.Volumes {
		if v.Name == "config" {
			pod.Spec.Volumes[i] = before.Spec.Volumes[i]
		}
	}
	want(t, "the rest of the pod", before, pod)
}

func TestEveryNode(t *testing.T) {
	for _, folder := range folders(t) {
		m := build(t, folder)
		pod := m.DaemonSet.Spec.Template.Spec
		want(t, "tolerations", []corev1.Toleration{{Operator: corev1.TolerationOpExists}}, pod.Tolerations)
		want(t, "node selector", map[string]string{"kubernetes.io/os": "linux"}, pod.NodeSelector)
		want(t, "priority", "system-node-critical", pod.PriorityClassName)
		grace, tenth := int64(15), intstr.FromString("10%")
		want(t, "grace period", &grace, pod.TerminationGracePeriodSeconds)
		want(t, "update strategy", appsv1.DaemonSetUpdateStrategy{
			Type:          appsv1.RollingUpdateDaemonSetStrategyType,
			RollingUpdate: &appsv1.RollingUpdateDaemonSet{MaxUnavailable: &tenth},
		}, m.DaemonSet.Spec.UpdateStrategy)
	}
}

func TestContainer(t *testing.T) {
	field := func(path string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: path}}
	}
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromString("metrics")}}}
	}
	for _, folder := range folders(t) {
		m := build(t, folder)
		c := container(t, m)
		environment := map[string]*corev1.EnvVarSource{"NODE_NAME": field("spec.nodeName")}
		if folder == "overlays/kubelet" {
			environment["NODE_IP"] = field("status.hostIP")
		}
		got := make(map[string]*corev1.EnvVarSource)
		for _, v := range c.Env {
			got[v.Name] = v.ValueFrom
		}
		want(t, folder+": environment", environment, got)
		want(t, "variables of services", false, *m.DaemonSet.Spec.Template.Spec.EnableServiceLinks)
		want(t, "command", []string(nil), c.Command) // the image's entry point
		want(t, "arguments", []string{"run", "--config", "/etc/podjoule/config.toml"}, c.Args)
		want(t, "ports", []corev1.ContainerPort{{Name: "metrics", ContainerPort: 9464}}, c.Ports) // none of the host's
		want(t, "liveness", probe("/healthz"), c.LivenessProbe)
		want(t, "readiness", probe("/readyz"), c.ReadinessProbe)
		pull := corev1.PullPolicy("")
		if folder == "overlays/minikube" {
			pull = corev1.PullNever
		}
		want(t, folder+": where images come from", pull, c.ImagePullPolicy)
	}
}

// The image runs as the user that the pod names, and holds nothing but the agent,
// certificates and licenses.
func TestDockerfile(t *testing.T) {
	content := read(t, "../Dockerfile")
	stages := regexp.MustCompile(`(?m)^FROM `).Split(content, -1)
	last := "FROM " + stages[len(stages)-1]
	for _, line := range []string{"FROM scratch", "USER 65534:65534", `ENTRYPOINT ["/podjoule"]`, "EXPOSE 9464"} {
		if !strings.Contains("\n"+last, "\n"+line+"\n") {
			t.Errorf("the last stage has no line %q:\n%s", line, last)
		}
	}
	if copies := strings.Count("\n"+last, "\nCOPY "); copies != 3 || strings.Contains(last, "\nADD ") {
		t.Errorf("the last stage has %d copies, want the program, the certificates and the licenses:\n%s", copies, last)
	}
	if !strings.Contains(content, "CGO_ENABLED=0") {
		t.Error("the binary is not built static: no CGO_ENABLED=0")
	}
}
