//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The agent runs as deploy/kubernetes has it: from an image, as nobody, seeing the
// node through read-only mounts. Its page has every pod under the API's names, itself
// among them, with the numbers of the kernel, and its log has nothing to complain of.
func TestDaemonSet(t *testing.T) {
	t.Parallel()
	rights(t)
	apply(t, "scraped.yaml")
	self := base.deploy(t, ".")
	burner := awaitReady(t, "scraped")[0]
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
	if emulated() { // where kubectl is slow, and has built the folder before the node came up
		applyAll(t, describedIn(t, stateFile(t, "daemonset.yaml")))
	} else {
		folder := i.folder(t, of)
		t.Cleanup(func() { kubectl(t, "delete", "--ignore-not-found", "--timeout=120s", "-k", folder) })
		kubectl(t, "apply", "--server-side", "-k", folder)
	}
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, args := range [][]string{{"get", "events"}, {"logs", "-l", "app.kubernetes.io/name=podjoule", "--tail=-1"}} {
			out, _ := exec.Command("kubectl", append(args, "-n", i.namespace)...).CombinedOutput()
			t.Logf("kubectl %v:\n%s", args, out)
		}
	})
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

// folder is one of the manifests' folders on a node without DNS, and where the installation
// is, if not in its usual place.
func (i installation) folder(t *testing.T, of string) string {
	t.Helper()
	if i == base {
		return "testdata/daemonset"
	}
	folder := t.TempDir()
	relative := func(to string) string {
		absolute, err := filepath.Abs(to)
		if err != nil {
			t.Fatal(err)
		}
		if to, err = filepath.Rel(folder, absolute); err != nil {
			t.Fatal(err)
		}
		return to
	}
	write(t, filepath.Join(folder, "kustomization.yaml"), fmt.Sprintf("namespace: %s\nnameSuffix: %s\nresources: [%s]\ncomponents: [%s]\n",
		i.namespace, strings.TrimPrefix(i.name, base.name), relative(filepath.Join("../deploy/kubernetes", of)), relative("testdata/hosts")))
	return folder
}

// service is the address of the Service kubernetes, and serverIP that of the machine with the
// control plane, where the tests' receiver is.
const (
	service  = "10.96.0.1"
	serverIP = "10.250.0.1"
)
