package main

import (
	"crypto/tls"
	"maps"
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

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

// The reference's two complete configurations, to the letter.
const (
	referenceMinikube = `[plugins.k8s]
k8s_node = "minikube"
k8s_api_url = "http://127.0.0.1:8080"
token_retrieval = "auto"
poll_interval = "5s"
`
	referenceCluster = `[plugins.k8s]
k8s_node = "${NODE_NAME}"
k8s_api_url = "https://kubernetes.default.svc:443"
token_retrieval = "file"
poll_interval = "5s"
`
)

// realPods runs two pods as real processes on this machine, and returns what
// the reference's metrics of them are: name, metric and kind.
func realPods(t *testing.T, api *simnode.API, nodeName string) (want []string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A variable of this process would be one of all tests that run beside this one.
	cgroups, err := simnode.NewCgroups("/sys/fs/cgroup", []string{"env", asProgram + "=1", self, simulatedPod})
	if err != nil {
		t.Skipf("real cgroups are needed: %v", err)
	}
	t.Cleanup(func() {
		if err := cgroups.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, name := range []string{"busy", "idle"} {
		p := simnode.NewPod(simnode.PodTemplate{Namespace: "default", Name: name, Node: nodeName, QoS: corev1.PodQOSBurstable})
		load := simnode.Load{}
		if name == "busy" {
			load = simnode.Steady(0.1, 0)
		}
		if err := cgroups.AddPod(p, map[string]simnode.Load{"main": load}); err != nil {
			t.Fatal(err)
		}
		api.Put(p)
		for _, metric := range []string{"cpu_time_delta", "cpu_percent"} {
			for _, kind := range []string{"total", "system", "user"} {
				want = append(want, name+" "+metric+" "+kind)
			}
		}
		metrics := []string{"memory_usage", "cgroup_memory_anonymous", "cgroup_memory_file"}
		if cgroups.Version() == simnode.V2 { // version 1 does not tell them
			metrics = append(metrics, "cgroup_memory_kernel_stack", "cgroup_memory_pagetables")
		}
		for _, metric := range metrics {
			want = append(want, name+" "+metric+" ")
		}
	}
	slices.Sort(want)
	return want
}

// runReference runs a configuration as a user would and checks the rows.
func runReference(t *testing.T, config, nodeName string, want []string) {
	t.Helper()
	if l, err := net.Listen("tcp", ":9464"); err != nil {
		t.Skipf("the agent's own port is taken: %v", err)
	} else if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := startProgram(t, "run", "--config", configFile(t, config))
	r.listening()
	eventually(t, "the second tick", func() bool { return strings.Contains(r.stdout.String(), "cpu_time_delta") })
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	got := make(map[string]bool)
	for _, x := range parseRows(t, r.stdout.String()) {
		got[x["name"]+" "+x["metric"]+" "+x["kind"]] = true
		if x["node"] != nodeName || x["namespace"] != "default" || x["uid"] == "" || x["resource_kind"] != "local_machine" || x["consumer_kind"] != "cgroup" {
			t.Errorf("row %v", x)
		}
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The first configuration, against an API on port 8080 as kubectl proxy makes
// one.
func TestReferenceMinikubeConfiguration(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Skipf("port 8080 is needed: %v", err)
	}
	api := simnode.NewAPI()
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: api}}
	server.Start()
	defer server.Close()
	runReference(t, referenceMinikube, "minikube", realPods(t, api, "minikube"))
}

// inPod marks the process in which the second half of the next test runs.
const inPod = "PODJOULE_TEST_IN_POD"

// The second configuration, in what a pod sees: a network of its own in which
// kubernetes.default.svc is the API server, which wants a token and shows a
// certificate, and the service account's files at their place.
func TestReferenceClusterConfiguration(t *testing.T) {
	if os.Getenv(inPod) == "" {
		t.Parallel()
		if os.Geteuid() != 0 {
			t.Skip("namespaces need root")
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestReferenceClusterConfiguration$", "-test.v")
		cmd.Env = append(os.Environ(), inPod+"=1", "NODE_NAME=node-1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.Contains(string(out), "--- SKIP") {
			t.Skipf("%s", out)
		}
		return
	}
	certificate, ca := serverCertificate(t, "kubernetes.default.svc")
	settleInPod(t, ca, "a-secret")
	api := simnode.NewAPI()
	user := simnode.ServiceAccountUser("alumet", "alumet-reader")
	api.RequireTokens()
	api.Allow(user, simnode.ListPods)
	api.AddToken("a-secret", user)
	listener, err := net.Listen("tcp", "127.0.0.1:443")
	if err != nil {
		t.Fatal(err)
	}
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: api}, TLS: &tls.Config{Certificates: []tls.Certificate{certificate}}}
	server.StartTLS()
	defer server.Close()
	runReference(t, referenceCluster, "node-1", realPods(t, api, "node-1"))
}

// settleInPod makes this process's own mounts and network look like a pod's.
func settleInPod(t *testing.T, ca []byte, token string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	hosts := filepath.Join(t.TempDir(), "hosts")
	must(os.WriteFile(hosts, []byte("127.0.0.1 localhost kubernetes.default.svc\n"), 0o644))
	must(unix.Mount(hosts, "/etc/hosts", "", unix.MS_BIND, ""))
	run, err := filepath.EvalSymlinks("/var/run")
	must(err)
	must(unix.Mount("tmpfs", run, "tmpfs", 0, ""))
	account := filepath.Join(run, "secrets/kubernetes.io/serviceaccount")
	must(os.MkdirAll(account, 0o755))
	must(os.WriteFile(filepath.Join(account, "token"), []byte(token), 0o600))
	must(os.WriteFile(filepath.Join(account, "ca.crt"), ca, 0o600))
	// The loopback of a new network is down.
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	must(err)
	defer unix.Close(socket)
	lo, err := unix.NewIfreq("lo")
	must(err)
	lo.SetUint16(unix.IFF_UP)
	must(unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo))
}
