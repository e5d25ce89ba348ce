package helm

import (
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write what is generated anew: definitions in values.schema.json, the table in README.md")

const folder = "podjoule"

// as is a release under the names that deploy/kubernetes has.
func as() Release { return Release{Name: "podjoule", Namespace: "podjoule"} }

func load(t *testing.T) *Chart {
	t.Helper()
	c, err := Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// values reads a text of YAML as a values file.
func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v, err := loader.LoadValues(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// diff is how two values differ.
func diff(a, b any) string { return cmp.Diff(a, b) }

func want(t *testing.T, what string, want, got any) {
	t.Helper()
	if d := diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// files are the names of the files in a folder, each with its ending.
func files(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// render makes the objects of values that are right.
func render(t *testing.T, c *Chart, v map[string]any) *Rendered {
	t.Helper()
	r, err := c.Render(as(), v)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// objects are those of a release, each of which is there at most once.
type objects struct {
	Account        *corev1.ServiceAccount
	Role           *rbacv1.ClusterRole
	Binding        *rbacv1.ClusterRoleBinding
	Config         *corev1.ConfigMap
	DaemonSet      *appsv1.DaemonSet
	Policy         *networkingv1.NetworkPolicy
	Service        *corev1.Service
	PodMonitor     Object // its types are the operator's
	ServiceMonitor Object
}

// typed reads objects as the API server does: what is unknown is an error.
func typed(all []Object) (*objects, error) {
	var o objects
	for _, object := range all {
		var err error
		switch kind := object.Kind(); kind {
		case "ServiceAccount":
			err = one(object, &o.Account)
		case "ClusterRole":
			err = one(object, &o.Role)
		case "ClusterRoleBinding":
			err = one(object, &o.Binding)
		case "ConfigMap":
			err = one(object, &o.Config)
		case "DaemonSet":
			err = one(object, &o.DaemonSet)
		case "NetworkPolicy":
			err = one(object, &o.Policy)
		case "Service":
			err = one(object, &o.Service)
		case "PodMonitor":
			o.PodMonitor = object
		case "ServiceMonitor":
			o.ServiceMonitor = object
		default:
			err = errors.New("nobody knows the kind " + kind)
		}
		if err != nil {
			return nil, err
		}
	}
	if o.DaemonSet == nil || o.Config == nil {
		return nil, errors.New("there is no DaemonSet or no ConfigMap")
	}
	return &o, nil
}

func one[T any](object Object, into **T) error {
	if *into != nil {
		return errors.New(object.Kind() + " is there twice")
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		return err
	}
	if text, err = yaml.YAMLToJSON(text); err != nil {
		return err
	}
	*into = new(T)
	faults, err := json.UnmarshalStrict(text, *into)
	return errors.Join(append(faults, err)...)
}

// release renders values and reads what they make.
func release(t *testing.T, c *Chart, v map[string]any) *objects {
	t.Helper()
	o, err := typed(render(t, c, v).Objects)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// without are labels or annotations but for some keys; nil if none is left.
func without(all map[string]string, keys ...string) map[string]string {
	rest := maps.Clone(all)
	for _, key := range keys {
		delete(rest, key)
	}
	if len(rest) == 0 {
		return nil
	}
	return rest
}
