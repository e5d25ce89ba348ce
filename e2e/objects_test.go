//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"
)

// object is something in the API, and the text that describes it.
type object struct {
	APIVersion, Kind string
	Metadata         struct{ Name, Namespace string }
	manifest         string
}

// resources are the kinds of objects in testdata, as paths name them.
var resources = map[string]string{
	"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "ConfigMap": "configmaps",
	"CustomResourceDefinition": "customresourcedefinitions", "DaemonSet": "daemonsets", "Deployment": "deployments", "Job": "jobs", "Namespace": "namespaces", "Pod": "pods", "Secret": "secrets",
	"ServiceAccount": "serviceaccounts", "StatefulSet": "statefulsets",
}

// path is where the API has the object.
func (o object) path(t *testing.T) string {
	t.Helper()
	path, resource := "/apis/"+o.APIVersion, resources[o.Kind]
	if resource == "" {
		t.Fatalf("%s is of the kind %q, for which there is no resource in the tests", o.Metadata.Name, o.Kind)
	}
	if o.APIVersion == "v1" {
		path = "/api/v1"
	}
	if o.Metadata.Namespace != "" {
		path += "/namespaces/" + o.Metadata.Namespace
	}
	return path + "/" + resource + "/" + o.Metadata.Name
}

var separator = regexp.MustCompile(`(?m)^---\n`)

// describedIn returns the objects that a file describes.
func describedIn(t *testing.T, file string) []object {
	t.Helper()
	var all []object
	for _, manifest := range separator.Split(text(t, file), -1) {
		o := object{manifest: manifest}
		if err := yaml.Unmarshal([]byte(manifest), &o); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, o)
	}
	return all
}

// make makes the object, or has the one that is there be as described.
func (o object) make(t *testing.T) {
	t.Helper()
	demand(t, http.MethodPatch, o.path(t)+"?fieldManager=e2e&force=true", "application/apply-patch+yaml", o.manifest, nil)
}

// remove has the object go, after all that it owns.
func (o object) remove(t *testing.T) {
	t.Helper()
	remove(t, o.path(t))
}

// remove has what is at a path go, if it is there, after all that it owns.
func remove(t *testing.T, path string) {
	t.Helper()
	if status, answer := ask(t, http.MethodDelete, path, "application/json", `{"propagationPolicy": "Foreground"}`); status >= 300 && status != http.StatusNotFound {
		t.Fatalf("DELETE %s: %s", path, answer)
	}
}

// apply makes what a file in testdata describes, until the test ends.
func apply(t *testing.T, file string) {
	t.Helper()
	applyAll(t, describedIn(t, filepath.Join("testdata", file)))
}

// applyAll makes objects, until the test ends.
func applyAll(t *testing.T, all []object) {
	t.Helper()
	t.Cleanup(func() {
		for _, o := range slices.Backward(all) {
			o.remove(t)
		}
		for _, o := range all {
			awaitEnd(t, o.path(t))
		}
	})
	for _, o := range all {
		o.make(t)
	}
}

// awaitEnd waits until nothing is at a path.
func awaitEnd(t *testing.T, path string) {
	t.Helper()
	seldom(t, path+" is gone", func() bool {
		status, _ := ask(t, http.MethodGet, path, "", "")
		return status == http.StatusNotFound
	})
}

// change changes an object in the tests' namespace by a merge patch.
func change(t *testing.T, path, patch string) {
	t.Helper()
	demand(t, http.MethodPatch, path, "application/merge-patch+json", patch, nil)
}

// scale sets how many pods a Deployment wants.
func scale(t *testing.T, deployment string, n int) {
	t.Helper()
	change(t, "/apis/apps/v1/namespaces/"+namespace+"/deployments/"+deployment, fmt.Sprintf(`{"spec": {"replicas": %d}}`, n))
}

// tokenOf gets a token for an account in the tests' namespace.
func tokenOf(t *testing.T, account string) string {
	t.Helper()
	var answer struct{ Status struct{ Token string } }
	demand(t, http.MethodPost, "/api/v1/namespaces/"+namespace+"/serviceaccounts/"+account+"/token", "application/json", "{}", &answer)
	return answer.Status.Token
}

// awaitReady waits until all pods that are named in the tests' namespace run, and
// returns them.
func awaitReady(t *testing.T, names ...string) []pod {
	t.Helper()
	var found []pod
	seldom(t, strings.Join(names, ", ")+" run", func() bool {
		found = slices.DeleteFunc(podsAt(t, "namespaces/"+namespace+"/pods"), func(p pod) bool {
			return !p.ready() || !slices.Contains(names, p.Metadata.Name)
		})
		return len(found) == len(names)
	})
	return found
}

// pace is how often the tests look at what costs something to look at.
func pace() time.Duration {
	if emulated() {
		return time.Second
	}
	return 200 * time.Millisecond
}
