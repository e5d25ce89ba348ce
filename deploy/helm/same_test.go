package helm

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// kustomizations is the folder of what kustomize makes.
const kustomizations = "../kubernetes"

// The chart makes what kustomize makes: by itself the base, and with each of its examples
// the overlay of that name. What Helm adds are labels and the digest of the configuration.
func TestSameAsKustomize(t *testing.T) {
	c := load(t)
	overlays := files(t, filepath.Join(kustomizations, "overlays"))
	var examples []string
	for _, name := range files(t, filepath.Join(folder, "examples")) {
		examples = append(examples, strings.TrimSuffix(name, ".yaml"))
	}
	want(t, "an example for each overlay", overlays, examples)
	for _, name := range append([]string{""}, examples...) {
		t.Run("base "+name, func(t *testing.T) {
			v, made := map[string]any{}, kustomizations
			if name != "" {
				v, made = values(t, read(t, folder, "examples", name+".yaml")), filepath.Join(kustomizations, "overlays", name)
			}
			kustomized := kustomize(t, made)
			rendered := release(t, c, v)
			want(t, "configuration", configOf(t, kustomized), configOf(t, rendered))
			want(t, "objects", plain(t, kustomized), plain(t, rendered))
		})
	}
}

// kustomize builds a folder. Its namespace is left out: Helm makes none, as who installs
// says which one it is.
func kustomize(t *testing.T, folder string) *objects {
	t.Helper()
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatalf("build %s: %v", folder, err)
	}
	var all []Object
	var policies []Object
	for _, r := range built.Resources() {
		m, err := r.Map()
		if err != nil {
			t.Fatal(err)
		}
		switch r.GetKind() {
		case "Namespace":
		case "NetworkPolicy":
			policies = append(policies, m)
		default:
			all = append(all, m)
		}
	}
	o, err := typed(all)
	if err != nil {
		t.Fatalf("%s: %v", folder, err)
	}
	for _, policy := range policies {
		var p *networkingv1.NetworkPolicy
		if err := one(policy, &p); err != nil {
			t.Fatal(err)
		}
		o.Policy = together(o.Policy, p)
	}
	return o
}

// together is what two policies for the same pods permit.
func together(a, b *networkingv1.NetworkPolicy) *networkingv1.NetworkPolicy {
	if a == nil {
		return b
	}
	if len(b.Spec.PolicyTypes) > len(a.Spec.PolicyTypes) {
		a, b = b, a
	}
	both := a.DeepCopy()
	both.Spec.Ingress = append(both.Spec.Ingress, b.Spec.Ingress...)
	both.Spec.Egress = append(both.Spec.Egress, b.Spec.Egress...)
	return both
}

func configOf(t *testing.T, o *objects) map[string]any {
	t.Helper()
	if len(o.Config.Data) != 1 {
		t.Fatalf("want config.toml alone, have %v", o.Config.Data)
	}
	var config map[string]any
	if _, err := toml.Decode(o.Config.Data["config.toml"], &config); err != nil {
		t.Fatalf("config.toml: %v\n%s", err, o.Config.Data["config.toml"])
	}
	return config
}

// plain takes away what Helm and kustomize add to objects, each in its own way.
func plain(t *testing.T, o *objects) *objects {
	t.Helper()
	added := []string{"app.kubernetes.io/instance", "app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart"}
	bare := *o
	bare.Config = nil // compared by what it says; kustomize's name has a digest
	clean := func(meta *metav1.ObjectMeta) { meta.Labels = without(meta.Labels, added...) }
	clean(&bare.Account.ObjectMeta)
	clean(&bare.Role.ObjectMeta)
	clean(&bare.Binding.ObjectMeta)
	d := bare.DaemonSet
	clean(&d.ObjectMeta)
	clean(&d.Spec.Template.ObjectMeta)
	d.Spec.Selector.MatchLabels = without(d.Spec.Selector.MatchLabels, added...)
	d.Spec.Template.Annotations = without(d.Spec.Template.Annotations, "checksum/config")
	pod := &d.Spec.Template.Spec
	at := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.ConfigMap != nil })
	if at < 0 || pod.Volumes[at].ConfigMap.Name != o.Config.Name {
		t.Fatalf("the configuration %s is not mounted: %v", o.Config.Name, pod.Volumes)
	}
	pod.Volumes[at].ConfigMap.Name = "podjoule"
	slices.SortFunc(pod.Volumes, func(a, b corev1.Volume) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(pod.Containers[0].Env, func(a, b corev1.EnvVar) int { return strings.Compare(a.Name, b.Name) })
	mounts := pod.Containers[0].VolumeMounts
	slices.SortFunc(mounts, func(a, b corev1.VolumeMount) int { return strings.Compare(a.MountPath, b.MountPath) })
	if p := bare.Policy; p != nil {
		clean(&p.ObjectMeta)
		p.Spec.PodSelector.MatchLabels = without(p.Spec.PodSelector.MatchLabels, added...)
	}
	if s := bare.Service; s != nil {
		clean(&s.ObjectMeta)
		s.Spec.Selector = without(s.Spec.Selector, added...)
	}
	for _, monitor := range []Object{bare.PodMonitor, bare.ServiceMonitor} {
		if monitor == nil {
			continue
		}
		drop(monitor["metadata"].(map[string]any)["labels"], added)
		selector := monitor["spec"].(map[string]any)["selector"].(map[string]any)
		drop(selector["matchLabels"], added)
	}
	return &bare
}

func drop(labels any, keys []string) {
	for _, key := range keys {
		delete(labels.(map[string]any), key)
	}
}
