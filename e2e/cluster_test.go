//go:build e2e

// Package e2e tests podjoule on a real Kubernetes node: a real API server,
// kubelet, containerd and pods. The script run brings the node up and runs the
// tests in its network namespace.
package e2e

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The node as the script run has set it up.
const (
	nodeName  = "node-1"
	apiServer = "https://10.250.0.1:443"
	namespace = "e2e"
	// Of the node on this machine.
	kubeletURL = "https://10.250.0.1:10250"
)

// stateFile is a file in the folder that the script run keeps the node in.
func stateFile(t *testing.T, parts ...string) string {
	t.Helper()
	state := os.Getenv("PODJOULE_E2E_STATE")
	if state == "" {
		t.Fatal("there is no node: run the tests with e2e/run")
	}
	return filepath.Join(append([]string{state}, parts...)...)
}

// kubectl runs it as the administrator and returns its standard output.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command("kubectl", args...) // not ended with the test, whose cleanup needs it too
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("kubectl %s: %v: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// rights makes the namespace and the accounts once, which stay for all tests.
func rights(t *testing.T) {
	t.Helper()
	oneRights.do(t, "the accounts and their rights", func() {
		for _, o := range describedIn(t, "testdata/rights.yaml") {
			o.make(t)
		}
		seldom(t, "the namespace's default account", func() bool {
			status, _ := ask(t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/serviceaccounts/default", "", "")
			return status == http.StatusOK
		})
	})
}

var oneRights setUp

// pod is what the tests need of a pod in the API.
type pod struct {
	Metadata struct {
		UID, Namespace, Name string
		Annotations          map[string]string
	}
	Status struct {
		Phase, PodIP      string
		Conditions        []struct{ Type, Status string }
		ContainerStatuses []struct{ Name, ContainerID string }
		// Of the containers that come before them.
		InitContainerStatuses []struct{ Name, ContainerID string }
	}
}

// id tells pods apart in failures.
func (p pod) id() string { return p.Metadata.UID + " " + p.Metadata.Namespace + "/" + p.Metadata.Name }

// ready tells whether all its containers run.
func (p pod) ready() bool {
	for _, c := range p.Status.Conditions {
		if c.Type == "Ready" {
			return c.Status == "True"
		}
	}
	return false
}

// cgroup is the id in its cgroup's name: a static pod has one of its own there,
// which its mirror in the API carries along.
func (p pod) cgroup() string {
	if id := p.Metadata.Annotations["kubernetes.io/config.hash"]; id != "" {
		return id
	}
	return p.Metadata.UID
}

// runningPod makes a pod of a file that describes just this one, and waits until
// it runs.
func runningPod(t *testing.T, file, name string) pod {
	t.Helper()
	rights(t)
	apply(t, file)
	return awaitReady(t, name)[0]
}

// long skips a test that takes minutes on an emulated node and has no more to do with
// its version of control groups than the others.
func long(t *testing.T) {
	t.Helper()
	if emulated() {
		t.Skip("takes too long on an emulated node; PODJOULE_E2E_ACCELERATION=kvm makes it fast where /dev/kvm works")
	}
}

// optional skips a test on an emulated node with -short, where others see how pods are found
// and how their series end.
func optional(t *testing.T) {
	t.Helper()
	if testing.Short() && emulated() {
		t.Skip("left out on an emulated node with -test.short")
	}
}

// emulated tells whether the node's processors are not real ones.
func emulated() bool { return os.Getenv("PODJOULE_E2E_SLOW") != "" }

// limit is how long the tests wait for what must come.
const limit = 5 * time.Minute

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !holds(); time.Sleep(pace() / 4) {
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not: %s", limit, what)
		}
	}
}

// seldom is eventually for what costs something to look at.
func seldom(t *testing.T, what string, holds func() bool) {
	t.Helper()
	pace := time.NewTicker(pace())
	defer pace.Stop()
	eventually(t, what, func() bool {
		<-pace.C
		return holds()
	})
}

// agree waits until two readings of the same thing are equal.
func agree(t *testing.T, what string, read func() (got, want string)) {
	t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(pace() / 4) {
		got, want := read()
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v still not equal: %s:\ngot  %s\nwant %s", limit, what, got, want)
		}
	}
}
