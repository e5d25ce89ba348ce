//go:build e2e

package e2e

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The agent runs as deploy/kubernetes has it: from an image, as nobody, seeing the
// node through read-only mounts. Its page has every pod under the API's names, itself
// among them, with the numbers of the kernel, and its log has nothing to complain of.
func TestDaemonSet(t *testing.T) {
	t.Parallel()
	burner := runningPod(t, "scraped.yaml", "scraped")
	findGroup(t, burner.cgroup()).stop(t) // from the agent's first window on
	self := deploy(t)
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
	t.Run("a right is missing", func(t *testing.T) { rightIsMissing(t, burner) })
	t.Run("overlays", func(t *testing.T) { everyOverlay(t, self) })
}

// deploy applies the manifests and returns the agent's pod on this node.
func deploy(t *testing.T) pod {
	t.Helper()
	importAgent(t)
	folder := overlay(t, ".")
	t.Cleanup(func() { kubectl(t, "delete", "--ignore-not-found", "--timeout=120s", "-k", folder) })
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("kubectl", "get", "events", "-n", "podjoule").CombinedOutput()
			t.Logf("events of the agent's pods:\n%s", out)
		}
	})
	kubectl(t, "apply", "-k", folder)
	return awaitAgent(t, "")
}

// awaitAgent waits until one agent of the DaemonSet runs on this node, and is not the one
// that has a UID.
func awaitAgent(t *testing.T, old string) pod {
	t.Helper()
	var found []pod
	seldom(t, "the agent's pod on this node is ready", func() bool {
		found = podsAt(t, "namespaces/podjoule/pods?labelSelector=app.kubernetes.io/name=podjoule&fieldSelector=spec.nodeName="+nodeName)
		return len(found) == 1 && found[0].ready() && found[0].Metadata.UID != old
	})
	return found[0]
}

// importAgent gives the runtime the agent's image.
func importAgent(t *testing.T) {
	t.Helper()
	images := func() []string { return strings.Fields(ctr(t, "images", "ls", "-q")) }
	before := images()
	ctr(t, "images", "import", stateFile(t, "podjoule.tar"))
	t.Cleanup(func() {
		for _, image := range images() { // under its name and under its digest
			if !slices.Contains(before, image) {
				ctr(t, "images", "rm", image)
			}
		}
	})
}

// overlay is a folder that adds to one of the manifests' folders what a cluster's DNS would
// answer, as there is none here.
func overlay(t *testing.T, of string) string {
	t.Helper()
	folder := t.TempDir()
	manifests, err := filepath.Abs(filepath.Join("../deploy/kubernetes", of))
	if err == nil {
		manifests, err = filepath.Rel(folder, manifests)
	}
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "kustomization.yaml"), fmt.Sprintf(`resources: [%s]
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
