//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// tree is an object of the API as it is in JSON.
type tree = map[string]any

// rightIsMissing has agents that lack one thing each of what deploy/kubernetes gives them.
// What its README.md says of that is what happens.
func rightIsMissing(t *testing.T, known pod) {
	apply(t, "lister.yaml")
	whole := "the service account needs the verbs list and watch on the resource pods"
	const token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
	for _, missing := range []struct {
		name   string
		take   func(spec, container tree)
		says   []string // in its log, if it ends, else at /readyz
		status int      // with which it ends, if it does
		named  bool     // pods have their names all the same
	}{
		{"sys", func(spec, container tree) { unmount(spec, container, "sys") }, []string{"sysfs_root"}, 1, false},
		{"config", func(spec, container tree) { unmount(spec, container, "config") }, []string{"/etc/podjoule/config.toml"}, 2, false},
		{"node-name", func(_, container tree) { container["env"] = []any{} }, []string{"NODE_NAME"}, 2, false},
		{"token", func(spec, container tree) { unmount(spec, container, "access") }, []string{token}, 0, false},
		{"list", func(spec, _ tree) { spec["serviceAccountName"] = "default" }, []string{"403", whole}, 0, false},
		{"watch", func(spec, _ tree) { spec["serviceAccountName"] = "lister" }, []string{"watch the pods", "403", whole}, 0, true},
	} {
		t.Run(missing.name, func(t *testing.T) {
			t.Parallel()
			name := "without-" + missing.name
			base.lone(t, name, missing.take)
			if missing.status != 0 {
				base.awaitEnded(t, name, missing.status, missing.says)
				return
			}
			address := base.awaitReadyz(t, name, missing.says)
			seldom(t, name+" measures the pod, under its name if it can", func() bool {
				for _, l := range scrape(t, address) {
					if l.metric == "podjoule_cpu_percent" && l.labels["uid"] == known.Metadata.UID {
						return (l.labels["name"] == known.Metadata.Name) == missing.named
					}
				}
				return false
			})
		})
	}
}

// lone makes a pod as the DaemonSet has it, changed, that is not the DaemonSet's.
func (i installation) lone(t *testing.T, name string, change func(spec, container tree)) {
	t.Helper()
	var set struct {
		Spec struct{ Template struct{ Spec tree } }
	}
	demand(t, http.MethodGet, "/apis/apps/v1/namespaces/"+i.namespace+"/daemonsets/"+i.name, "", "", &set)
	spec := set.Spec.Template.Spec
	spec["nodeName"] = nodeName
	change(spec, spec["containers"].([]any)[0].(tree))
	text, err := json.Marshal(tree{"apiVersion": "v1", "kind": "Pod", "metadata": tree{"name": name, "namespace": i.namespace}, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	all := "/api/v1/namespaces/" + i.namespace + "/pods"
	demand(t, http.MethodPost, all, "application/json", string(text), nil)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("kubectl", "describe", "pod", name, "-n", i.namespace).CombinedOutput()
			t.Logf("%s", out)
		}
		remove(t, all+"/"+name)
		awaitEnd(t, all+"/"+name)
	})
}

// unmount takes a volume from a pod.
func unmount(spec, container tree, volume string) {
	without := func(list any) []any {
		return slices.DeleteFunc(list.([]any), func(entry any) bool { return entry.(tree)["name"] == volume })
	}
	spec["volumes"], container["volumeMounts"] = without(spec["volumes"]), without(container["volumeMounts"])
}

// awaitEnded waits until a pod has ended with a status and some words, and sees that it was
// never ready.
func (i installation) awaitEnded(t *testing.T, name string, status int, words []string) {
	t.Helper()
	seldom(t, name+" says why it ends", func() bool {
		out, err := exec.Command("kubectl", "logs", "-n", i.namespace, name).Output()
		return err == nil && hasAll(string(out), words)
	})
	type state struct{ Terminated *struct{ ExitCode int } }
	seldom(t, name+" has ended", func() bool {
		var p struct {
			Status struct {
				ContainerStatuses []struct {
					Ready            bool
					State, LastState state
				}
			}
		}
		read(t, "namespaces/"+i.namespace+"/pods/"+name, &p)
		for _, c := range p.Status.ContainerStatuses {
			if c.Ready {
				t.Errorf("%s is ready", name)
			}
			for _, s := range []state{c.State, c.LastState} {
				if s.Terminated == nil {
					continue
				}
				if s.Terminated.ExitCode != status {
					t.Errorf("%s ended with status %d, want %d", name, s.Terminated.ExitCode, status)
				}
				return true
			}
		}
		return false
	})
}

// awaitReadyz waits until /readyz of a pod says some words, and returns its address.
func (i installation) awaitReadyz(t *testing.T, name string, words []string) string {
	t.Helper()
	var address, said string
	seldom(t, name+" is ready", func() bool {
		var p pod
		read(t, "namespaces/"+i.namespace+"/pods/"+name, &p)
		address = "http://" + p.Status.PodIP + ":9464"
		return p.ready()
	})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s said: %s", name, said)
		}
	})
	seldom(t, name+" says what is missing", func() bool {
		said = strings.ReplaceAll(get(t, address+"/readyz"), `\"`, `"`)
		return hasAll(said, words)
	})
	if !strings.Contains(said, `"status": "degraded"`) {
		t.Errorf("%s says that all is well: %s", name, said)
	}
	return address
}

func hasAll(text string, words []string) bool {
	return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(text, word) })
}
