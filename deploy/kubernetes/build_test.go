// Package kubernetes_test checks what the manifests in this folder ask for: that
// they are valid, belong together, and claim no more rights than they promise.
package kubernetes_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// manifests are all objects that a folder makes. What a field holds one of is there once.
type manifests struct {
	Namespace       corev1.Namespace
	Account         corev1.ServiceAccount
	Role            rbacv1.ClusterRole
	Binding         rbacv1.ClusterRoleBinding
	Config          corev1.ConfigMap
	DaemonSet       appsv1.DaemonSet
	Policies        []networkingv1.NetworkPolicy
	Services        []corev1.Service
	PodMonitors     []podMonitor
	ServiceMonitors []serviceMonitor
}

// build makes the objects of a folder as kubectl does, and reads them strictly: a field
// that is unknown or there twice is an error.
func build(t *testing.T, folder string) *manifests {
	t.Helper()
	var m manifests
	objects := map[string]any{
		"v1 Namespace":      &m.Namespace,
		"v1 ServiceAccount": &m.Account,
		"rbac.authorization.k8s.io/v1 ClusterRole":        &m.Role,
		"rbac.authorization.k8s.io/v1 ClusterRoleBinding": &m.Binding,
		"v1 ConfigMap":      &m.Config,
		"apps/v1 DaemonSet": &m.DaemonSet,
	}
	lists := map[string]func(text []byte) error{
		"networking.k8s.io/v1 NetworkPolicy":      into(&m.Policies),
		"v1 Service":                              into(&m.Services),
		"monitoring.coreos.com/v1 PodMonitor":     into(&m.PodMonitors),
		"monitoring.coreos.com/v1 ServiceMonitor": into(&m.ServiceMonitors),
	}
	for _, r := range resources(t, folder).Resources() {
		kind := r.GetApiVersion() + " " + r.GetKind()
		text, err := r.MarshalJSON()
		if err != nil {
			t.Fatalf("%s: %s %s: %v", folder, kind, r.GetName(), err)
		}
		add, ok := lists[kind]
		if object, one := objects[kind]; one {
			delete(objects, kind)
			add, ok = func(text []byte) error { return strictly(text, object) }, true
		}
		if !ok {
			t.Fatalf("%s: %s %s is of no kind that is left to check", folder, kind, r.GetName())
		}
		if err := add(text); err != nil {
			t.Fatalf("%s: %s %s: %v", folder, kind, r.GetName(), err)
		}
	}
	for kind := range objects {
		t.Errorf("%s has no %s", folder, kind)
	}
	return &m
}

// into reads one more object of a list.
func into[T any](list *[]T) func([]byte) error {
	return func(text []byte) error {
		var one T
		err := strictly(text, &one)
		*list = append(*list, one)
		return err
	}
}

// strictly reads an object as the API server does: names of fields are to the letter.
func strictly(text []byte, object any) error {
	faults, err := json.UnmarshalStrict(text, object)
	return errors.Join(append(faults, err)...)
}

// resources has kustomize build a folder.
func resources(t *testing.T, folder string) resmap.ResMap {
	t.Helper()
	all, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatalf("build %s: %v", folder, err)
	}
	return all
}

// folders are those that can be applied: this one, the base, and every overlay.
func folders(t *testing.T) []string {
	t.Helper()
	return append([]string{".", "base"}, overlays(t)...)
}

// overlays are the folders of the overlays.
func overlays(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("overlays/*")
	if err != nil || len(found) == 0 {
		t.Fatalf("there are no overlays: %v", err)
	}
	return found
}

// composed is a folder with the base, some components, and a configuration, if it has one.
func composed(t *testing.T, config string, components ...string) string {
	t.Helper()
	folder := t.TempDir()
	here, err := os.Getwd()
	if err == nil {
		here, err = filepath.Rel(folder, here)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [" + here + "/base]\ncomponents:\n"
	for _, c := range components {
		text += "- " + here + "/components/" + c + "\n"
	}
	if config != "" {
		write(t, filepath.Join(folder, "config.toml"), config)
		text += "configMapGenerator: [{name: podjoule, namespace: podjoule, behavior: replace, files: [config.toml]}]\n"
	}
	write(t, filepath.Join(folder, "kustomization.yaml"), text)
	return folder
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// container returns the only container; there are no init containers either.
func container(t *testing.T, m *manifests) *corev1.Container {
	t.Helper()
	spec := &m.DaemonSet.Spec.Template.Spec
	if len(spec.Containers) != 1 || len(spec.InitContainers) != 0 || len(spec.EphemeralContainers) != 0 {
		t.Fatal("want one container and no others")
	}
	return &spec.Containers[0]
}

func want(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// Every file that describes an object is built into some folder, and every component is
// part of an overlay or of what README.md says of it.
func TestEveryFileIsUsed(t *testing.T) {
	var used []string
	for _, pattern := range []string{"kustomization.yaml", "*/kustomization.yaml", "*/*/kustomization.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range found {
			used = append(used, file)
			for _, name := range listed(t, file) {
				used = append(used, filepath.Join(filepath.Dir(file), name))
			}
		}
	}
	readme := read(t, "README.md")
	err := filepath.WalkDir(".", func(path string, entry os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if parent := filepath.Base(filepath.Dir(path)); parent == "components" && !strings.Contains(readme, "`"+entry.Name()+"`") {
				t.Errorf("README.md says nothing of %s", path)
			}
		case !slices.Contains([]string{".go", ".md", ".rules"}, filepath.Ext(path)) && !slices.Contains(used, path):
			t.Errorf("no kustomization.yaml uses %s", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// listed are the files that a kustomization.yaml names.
func listed(t *testing.T, file string) []string {
	t.Helper()
	var k struct {
		Resources          []string `json:"resources"`
		ConfigMapGenerator []struct {
			Files []string `json:"files"`
		} `json:"configMapGenerator"`
	}
	if err := yaml.Unmarshal([]byte(read(t, file)), &k); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, g := range k.ConfigMapGenerator {
		k.Resources = append(k.Resources, g.Files...)
	}
	return k.Resources
}
