package kubernetes_test

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// Nothing of the host's but its /sys is in the pod: no privileged container, no namespace
// of the host, no capability but the one that is named, nothing that could be gained (A30,
// K15).
func TestPodIsConfined(t *testing.T) {
	for _, folder := range folders(t) {
		m := build(t, folder)
		pod := m.DaemonSet.Spec.Template.Spec
		if pod.HostPID || pod.HostNetwork || pod.HostIPC || pod.HostUsers != nil || pod.ShareProcessNamespace != nil {
			t.Errorf("%s: host namespaces: PID %v, network %v, IPC %v, users %v; %v", folder, pod.HostPID, pod.HostNetwork, pod.HostIPC, pod.HostUsers, pod.ShareProcessNamespace)
		}
		no, yes, user := false, true, int64(65534)
		whole := &corev1.PodSecurityContext{
			RunAsNonRoot: &yes, RunAsUser: &user, RunAsGroup: &user,
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		}
		only := &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no, ReadOnlyRootFilesystem: &yes,
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
		switch folder {
		case "overlays/energy-perf":
			only.Capabilities.Add = []corev1.Capability{"PERFMON"}
			fallthrough
		case "overlays/energy-root":
			user, whole.RunAsNonRoot = 0, &no
		case "overlays/energy-udev":
			whole.SupplementalGroups = []int64{9464}
		}
		want(t, folder+": pod's security context", whole, pod.SecurityContext)
		want(t, folder+": container's security context", only, container(t, m).SecurityContext)
	}
}

// Kubernetes' own check finds, at its level "baseline", nothing but the host path; at
// "restricted" besides that the host's root is root, where energy is read by him.
func TestPodSecurity(t *testing.T) {
	checks, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	breaks := func(m *manifests, level api.Level) []string {
		pod := m.DaemonSet.Spec.Template
		var all []string
		for _, result := range checks.EvaluatePod(api.LevelVersion{Level: level, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				all = append(all, result.ForbiddenReason)
			}
		}
		slices.Sort(all)
		return all
	}
	const hostPath, ofRestricted = "hostPath volumes", "restricted volume types"
	for _, folder := range folders(t) {
		baseline, restricted := []string{hostPath}, []string{ofRestricted}
		switch folder {
		case "overlays/energy-root":
			restricted = append(restricted, "runAsNonRoot != true", "runAsUser=0")
		case "overlays/energy-perf":
			baseline = append(baseline, "non-default capabilities")
			restricted = append(restricted, "runAsNonRoot != true", "runAsUser=0", "unrestricted capabilities")
		}
		m := build(t, folder)
		slices.Sort(baseline)
		want(t, folder+" against baseline", baseline, breaks(m, api.LevelBaseline))
		want(t, folder+" against restricted", restricted, breaks(m, api.LevelRestricted))
		want(t, folder+": label of the namespace", "privileged", m.Namespace.Labels["pod-security.kubernetes.io/enforce"])

		// Without the host path nothing is left that baseline forbids, but the capability.
		pod := &m.DaemonSet.Spec.Template.Spec
		pod.Volumes = slices.DeleteFunc(pod.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil })
		want(t, folder+" against baseline without the host path", len(baseline)-1, len(breaks(m, api.LevelBaseline)))
	}
}

// What is requested is between what the dearest measurement of the whole agent took and
// three times as much; it asks for CPU and memory alone (A30), and never for a limit of CPU.
func TestRequestsAreMeasured(t *testing.T) {
	text := read(t, "../../docs/performance.md")
	_, text, _ = strings.Cut(text, "<!-- begin agent -->")
	text, _, found := strings.Cut(text, "<!-- end agent -->")
	lines := regexp.MustCompile("(?m)^\\| `.*\\| ([0-9.]+) % \\| [0-9.]+ \\| ([0-9.]+) MiB \\|$").FindAllStringSubmatch(text, -1)
	if !found || len(lines) < 6 {
		t.Fatalf("docs/performance.md has %d measurements of the whole agent", len(lines))
	}
	number := func(text string) float64 {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	var percent, mebibytes float64
	for _, line := range lines {
		percent, mebibytes = max(percent, number(line[1])), max(mebibytes, number(line[2]))
	}
	for _, folder := range folders(t) {
		has := container(t, build(t, folder)).Resources
		if len(has.Requests) != 2 || len(has.Limits) != 1 || len(has.Claims) != 0 {
			t.Errorf("%s: requests %v, limits %v, claims %v, want CPU and memory, and a limit of memory", folder, has.Requests, has.Limits, has.Claims)
		}
		if got, took := float64(has.Requests.Cpu().MilliValue()), percent*10; got < took || got > 3*took {
			t.Errorf("%s: %v thousandths of a core are requested, %v were measured", folder, got, took)
		}
		if got := float64(has.Requests.Memory().Value()) / (1 << 20); got < mebibytes || got > 3*mebibytes {
			t.Errorf("%s: %v MiB are requested, %v were measured", folder, got, mebibytes)
		}
		if limit := has.Limits[corev1.ResourceMemory]; limit.Cmp(resource.MustParse("128Mi")) != 0 {
			t.Errorf("%s: memory is limited to %s", folder, limit.String())
		}
	}
}
