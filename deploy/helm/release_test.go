package helm

import (
	"regexp"
	"strings"
	"testing"
)

// The agents start anew when what they are or what they read changes, and not because the
// chart has another version (A30).
func TestUpgradeRestartsForAReason(t *testing.T) {
	old, next := load(t), load(t)
	next.chart.Metadata.Version = "9.9.9"
	before := release(t, old, nil).DaemonSet
	after := release(t, next, nil).DaemonSet
	want(t, "what makes the pods, after an upgrade", before.Spec, after.Spec)
	if before.Labels["helm.sh/chart"] == after.Labels["helm.sh/chart"] {
		t.Error("the upgrade cannot be told from what was before")
	}
	for _, changed := range []string{
		"config: {plugins: {k8s: {poll_interval: 1s}}}",
		"image: {tag: v2}",
		"energy: {access: udev}",
	} {
		if other := release(t, old, values(t, changed)).DaemonSet; same(before.Spec.Template, other.Spec.Template) {
			t.Errorf("with %s the agents go on as before", changed)
		}
	}
	labelled := release(t, old, values(t, "podMonitor: {enabled: true, labels: {release: prometheus}}")).DaemonSet
	want(t, "what makes the pods, with a monitor", before.Spec, labelled.Spec)
}

func same(a, b any) bool { return diff(a, b) == "" }

// Two releases in one cluster have nothing in common.
func TestTwoReleases(t *testing.T) {
	c := load(t)
	v := values(t, "serviceMonitor: {enabled: true}\nnetworkPolicy: {enabled: true}")
	first := render(t, c, v)
	second, err := c.Render(Release{Name: "other", Namespace: "elsewhere"}, v)
	if err != nil {
		t.Fatal(err)
	}
	if len(first.Objects) != len(second.Objects) || len(first.Objects) < 7 {
		t.Fatalf("%d objects and %d", len(first.Objects), len(second.Objects))
	}
	for i, object := range second.Objects {
		if object.Name() != "other-podjoule" || object.Name() == first.Objects[i].Name() {
			t.Errorf("%s is called %s and %s", object.Kind(), first.Objects[i].Name(), object.Name())
		}
		metadata := object["metadata"].(map[string]any)
		if namespace, has := metadata["namespace"]; has && namespace != "elsewhere" {
			t.Errorf("%s is in %v", object.Kind(), namespace)
		}
	}
	o, err := typed(second.Objects)
	if err != nil {
		t.Fatal(err)
	}
	mine := map[string]string{"app.kubernetes.io/name": "podjoule", "app.kubernetes.io/instance": "other"}
	want(t, "its pods", mine, o.DaemonSet.Spec.Template.Labels)
	want(t, "whom it selects", mine, o.DaemonSet.Spec.Selector.MatchLabels)
	want(t, "whom the policy is for", mine, o.Policy.Spec.PodSelector.MatchLabels)
	want(t, "whom the Service is for", mine, o.Service.Spec.Selector)
	want(t, "who has the rights", "other-podjoule elsewhere", o.Binding.Subjects[0].Name+" "+o.Binding.Subjects[0].Namespace)
}

// The notes lead to numbers: every command names what was installed.
func TestNotes(t *testing.T) {
	c := load(t)
	tests := []struct {
		values string
		has    []string
		hasNot string
	}{
		{"", []string{"port-forward daemonset/here-podjoule 9464", "curl -s http://localhost:9464/metrics | grep podjoule_cpu_time", "energy.access says who may"}, "/readyz"},
		{"config: {plugins: {prometheus: {path: /m}}}\nweb: {secret: tls, scheme: https}", []string{"curl -sk https://localhost:9464/m |"}, "/metrics"},
		{"config: {plugins: {prometheus: null, otlp: {}}}", []string{"curl -s http://localhost:9464/readyz", "logs daemonset/here-podjoule"}, "grep"},
		{"energy: {access: udev}", []string{"Energy is read by udev", "/podjoule power --config /etc/podjoule/config.toml"}, "says who may"},
	}
	for _, tt := range tests {
		r, err := c.Render(Release{Name: "here", Namespace: "there"}, values(t, tt.values))
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range tt.has {
			if !strings.Contains(r.Notes, part) {
				t.Errorf("with %q the notes lack %q:\n%s", tt.values, part, r.Notes)
			}
		}
		if strings.Contains(r.Notes, tt.hasNot) {
			t.Errorf("with %q the notes have %q:\n%s", tt.values, tt.hasNot, r.Notes)
		}
		for _, command := range regexp.MustCompile(`(?m)^ +kubectl .*$`).FindAllString(r.Notes, -1) {
			if !strings.Contains(command, " there") {
				t.Errorf("a command is for another namespace: %s", command)
			}
		}
	}
}

// The right to ask a kubelet for its pods alone is there from Kubernetes 1.33 on.
func TestOldKubernetes(t *testing.T) {
	c := load(t)
	v := values(t, "discovery: kubelet")
	for version, taken := range map[string]bool{"v1.32.9": false, "v1.33.0": true, "v1.33.1-gke.100": true, "": true} {
		_, err := c.Render(Release{Name: "podjoule", Namespace: "podjoule", Kubernetes: version}, v)
		if (err == nil) != taken || !taken && !strings.Contains(err.Error(), "needs Kubernetes 1.33") {
			t.Errorf("on %q: %v", version, err)
		}
	}
}
