//go:build e2e

package e2e

import (
	"fmt"
	"os"
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
	checkConfined(t, self)
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
}

// deploy applies the manifests and returns the agent's pod on this node.
func deploy(t *testing.T) pod {
	t.Helper()
	importAgent(t)
	folder := overlay(t)
	t.Cleanup(func() { kubectl(t, "delete", "--ignore-not-found", "--timeout=120s", "-k", folder) })
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("kubectl", "get", "events", "-n", "podjoule").CombinedOutput()
			t.Logf("events of the agent's pods:\n%s", out)
		}
	})
	kubectl(t, "apply", "-k", folder)
	var found []pod
	seldom(t, "the agent's pod on this node is ready", func() bool {
		found = podsAt(t, "namespaces/podjoule/pods?fieldSelector=spec.nodeName="+nodeName)
		return len(found) == 1 && found[0].ready()
	})
	return found[0]
}

// importAgent gives the runtime the image that deploy/Dockerfile describes.
func importAgent(t *testing.T) {
	t.Helper()
	const name = "docker.io/library/podjoule:dev" // in full, as the runtime knows podjoule:dev
	folder := t.TempDir()
	program, archive := filepath.Join(folder, "podjoule"), filepath.Join(folder, "image.tar")
	if err := os.Symlink(binary(t), program); err != nil {
		t.Fatal(err)
	}
	command(t, "node/image", "--user", "65534:65534", archive, name, program)
	images := func() []string { return strings.Fields(ctr(t, "images", "ls", "-q")) }
	before := images()
	ctr(t, "images", "import", archive)
	t.Cleanup(func() {
		for _, image := range images() { // under its name and under its digest
			if !slices.Contains(before, image) {
				ctr(t, "images", "rm", image)
			}
		}
	})
}

// overlay is a folder that adds to the manifests what a cluster's DNS would answer,
// as there is none here.
func overlay(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	manifests, err := filepath.Abs("../deploy/kubernetes")
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
    - {op: add, path: /spec/template/spec/hostAliases, value: [{ip: %s, hostnames: [kubernetes.default.svc]}]}
`, manifests, service))
	return folder
}

// service is the address of the Service kubernetes.
const service = "10.96.0.1"

// checkConfined looks at the agent's process from outside: nobody's, without
// capabilities, and with nothing of the node mounted in a way that can be written.
func checkConfined(t *testing.T, self pod) {
	t.Helper()
	_, id, _ := strings.Cut(self.Status.ContainerStatuses[0].ContainerID, "://")
	processes := findGroup(t, id).processes(t)
	if len(processes) != 1 || arguments(t, processes[0])[0] != "/podjoule" {
		t.Fatalf("the agent's container has the processes %v, want /podjoule alone", processes)
	}
	none, nobody := "0000000000000000", "65534 65534 65534 65534"
	want := map[string]string{"Uid": nobody, "Gid": nobody, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
		"NoNewPrivs": "1", "Seccomp": "2"}
	for line := range strings.Lines(text(t, fmt.Sprintf("/proc/%d/status", processes[0]))) {
		key, value, _ := strings.Cut(line, ":")
		if value = strings.Join(strings.Fields(value), " "); want[key] != "" && value != want[key] {
			t.Errorf("the process has %s %s, want %s", key, value, want[key])
		}
	}
	var seen []string
	for line := range strings.Lines(text(t, fmt.Sprintf("/proc/%d/mountinfo", processes[0]))) {
		fields := strings.Fields(line) // proc(5): the fifth is the place, the sixth are its options
		place := fields[4]
		ours := place == "/" || place == "/etc/podjoule" || strings.HasPrefix(place, "/host/") || strings.HasPrefix(place, "/var/run/secrets/")
		if ours && !slices.Contains(strings.Split(fields[5], ","), "ro") {
			t.Errorf("%s can be written: %s", place, line)
		}
		seen = append(seen, place)
	}
	for _, place := range []string{"/", "/etc/podjoule", "/host/sys", "/host/sys/fs/cgroup"} {
		if !slices.Contains(seen, place) {
			t.Errorf("nothing is mounted at %s, but at %v", place, seen)
		}
	}
}
