package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

// accessExamples are the configurations in docs/access.md, to the letter.
func accessExamples(t *testing.T) (proxy, kubeconfig, inCluster string) {
	t.Helper()
	all := blocksOf(t, "docs/access.md", "toml")
	if len(all) != 3 {
		t.Fatalf("docs/access.md has %d examples, want 3", len(all))
	}
	return all[0].text, all[1].text, all[2].text
}

// runExample runs a configuration until all names of a node are in its rows.
func runExample(t *testing.T, n *simulatedNode, config string) {
	t.Helper()
	config += fmt.Sprintf("cgroup_root = %q\npoll_interval = \"100ms\"\n[agent]\nlisten = \"127.0.0.1:0\"\n", n.tree.Root())
	r := startProgram(t, "run", "--config", configFile(t, config))
	r.listening()
	eventually(t, "all names", func() bool {
		rows := r.stdout.String()
		return !slices.ContainsFunc(n.pods, func(p *corev1.Pod) bool { return !strings.Contains(rows, ","+p.Name+",") })
	})
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
}

// instead puts a test's own address into an example, where it has to stand once.
func instead(t *testing.T, text, old, replacement string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("%q stands %d times in\n%s", old, strings.Count(text, old), text)
	}
	return strings.Replace(text, old, replacement, 1)
}

// The first example of docs/access.md, but for the port.
func TestAccessExampleProxy(t *testing.T) {
	example, _, _ := accessExamples(t)
	n := newNode(t, "minikube", simnode.V2)
	runExample(t, n, instead(t, example, "http://127.0.0.1:8080", n.url))
}

// The second example, with a kubeconfig whose other context leads nowhere.
func TestAccessExampleKubeconfig(t *testing.T) {
	_, example, _ := accessExamples(t)
	n := newNode(t, "minikube", simnode.V2)
	secure(t, n)
	server := httptest.NewTLSServer(n.api)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.Mkdir(filepath.Join(home, ".kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: other
clusters:
- name: minikube
  cluster: {server: %q, certificate-authority-data: %s}
- name: other
  cluster: {server: "https://127.0.0.1:1"}
users:
- name: minikube
  user: {token: a-secret}
contexts:
- name: minikube
  context: {cluster: minikube, user: minikube}
- name: other
  context: {cluster: other, user: minikube}
`, server.URL, base64.StdEncoding.EncodeToString(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	if err := os.WriteFile(filepath.Join(home, ".kube/config"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	runExample(t, n, example)
}

// secure has the API server of a node want the token "a-secret".
func secure(t *testing.T, n *simulatedNode) {
	t.Helper()
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	n.api.RequireTokens()
	n.api.Allow(user, simnode.ListPods, simnode.WatchPods)
	n.api.AddToken("a-secret", user)
}

// The third example, in what a pod sees.
func TestAccessExampleInCluster(t *testing.T) {
	_, _, example := accessExamples(t)
	if os.Getenv(inPod) == "" {
		if os.Geteuid() != 0 {
			t.Skip("namespaces need root")
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAccessExampleInCluster$", "-test.v")
		cmd.Env = append(os.Environ(), inPod+"=1", "NODE_NAME=node-1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	certificate, ca := serverCertificate(t, "kubernetes.default.svc")
	settleInPod(t, ca, "a-secret")
	n := newNode(t, "node-1", simnode.V2)
	secure(t, n)
	listener, err := net.Listen("tcp", "127.0.0.1:443")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: n.api}, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	server.StartTLS()
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	runExample(t, n, example)
}
