//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// The agent runs as deploy/kubernetes has it: from an image, as nobody, seeing the
// node through read-only mounts. Its page has every pod under the API's names, itself
// among them, with the numbers of the kernel, and its log has nothing to complain of.
func TestDaemonSet(t *testing.T) {
	t.Parallel()
	burner := runningPod(t, "scraped.yaml", "scraped")
	findGroup(t, burner.cgroup()).stop(t) // from the agent's first window on
	self := base.deploy(t, ".")
	address := "http://" + self.Status.PodIP + ":9464"
	checkConfined(t, self, "base")
	checkNames(t, address, self)
	begin := readSelf(t, address, self)
	checkPage(t, address, burner)
	checkSelf(t, begin, readSelf(t, address, self))
	if ready := get(t, address+"/readyz"); !strings.Contains(ready, `"status": "ok"`) {
		t.Errorf("not all is well with its plugins: %s", ready)
	}
	for line := range strings.Lines(kubectl(t, "logs", "-n", "podjoule", self.Metadata.Name)) {
		t.Logf("its log: %s", line)
		if !strings.Contains(line, " level=INFO ") {
			t.Errorf("the log complains: %s", line)
		}
	}
	if emulated() { // where each pod takes ten seconds, and the rest is the API server's
		return
	}
	t.Run("a right is missing", func(t *testing.T) {
		t.Parallel()
		rightIsMissing(t, burner)
	})
	t.Run("overlays", func(t *testing.T) {
		t.Parallel()
		everyOverlay(t)
	})
	t.Run("pictures", func(t *testing.T) {
		t.Parallel()
		pictures(t)
	})
}

// installation is where a DaemonSet is: several can be there at once.
type installation struct{ namespace, name string }

// base is where the manifests have it.
var base = installation{"podjoule", "podjoule"}

// deploy applies a folder of the manifests and returns the agent's pod on this node.
func (i installation) deploy(t *testing.T, of string) pod {
	t.Helper()
	importAgent(t)
	folder := i.folder(t, of)
	t.Cleanup(func() { kubectl(t, "delete", "--ignore-not-found", "--timeout=120s", "-k", folder) })
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, args := range [][]string{{"get", "events"}, {"logs", "-l", "app.kubernetes.io/name=podjoule", "--tail=-1"}} {
			out, _ := exec.Command("kubectl", append(args, "-n", i.namespace)...).CombinedOutput()
			t.Logf("kubectl %v:\n%s", args, out)
		}
	})
	kubectl(t, "apply", "--server-side", "-k", folder)
	return i.awaitAgent(t)
}

// awaitAgent waits until the DaemonSet's agent runs on this node.
func (i installation) awaitAgent(t *testing.T) pod {
	t.Helper()
	var found []pod
	seldom(t, "the agent's pod of "+i.namespace+" on this node is ready", func() bool {
		found = podsAt(t, "namespaces/"+i.namespace+"/pods?labelSelector=app.kubernetes.io/name=podjoule&fieldSelector=spec.nodeName="+nodeName)
		return len(found) == 1 && found[0].ready()
	})
	return found[0]
}

// importAgent gives the runtime the agent's image once, which stays for all tests.
func importAgent(t *testing.T) {
	t.Helper()
	oneImport.Do(func() { ctr(t, "images", "import", stateFile(t, "podjoule.tar")) })
}

var oneImport sync.Once

// folder is one that adds to one of the manifests' folders what a cluster's DNS would
// answer, as there is none here, and where the installation is, if not in its usual place.
func (i installation) folder(t *testing.T, of string) string {
	t.Helper()
	folder := t.TempDir()
	manifests, err := filepath.Abs(filepath.Join("../deploy/kubernetes", of))
	if err == nil {
		manifests, err = filepath.Rel(folder, manifests)
	}
	if err != nil {
		t.Fatal(err)
	}
	var place string
	if i != base {
		place = fmt.Sprintf("namespace: %s\nnameSuffix: %s\n", i.namespace, strings.TrimPrefix(i.name, base.name))
	}
	write(t, filepath.Join(folder, "kustomization.yaml"), place+fmt.Sprintf(`resources: [%s]
patches:
- target: {kind: DaemonSet}
  patch: |
    - op: add
      path: /spec/template/spec/hostAliases
      value:
      - {ip: %s, hostnames: [kubernetes.default.svc]}
      - {ip: %s, hostnames: [otel-collector.observability.svc]}
`, manifests, service, serverIP))
	return folder
}

// service is the address of the Service kubernetes, and serverIP that of the machine with the
// control plane, where the tests' receiver is.
const (
	service  = "10.96.0.1"
	serverIP = "10.250.0.1"
)
