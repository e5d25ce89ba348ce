//go:build e2e

package e2e

import (
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
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

// What the reference tells its reader to do, with this cluster in minikube's place, whose
// name is the only one replaced: first as docs/minikube.md has it, whose commands are typed
// from top to bottom, then with the reference's configurations and strategies to the
// letter. That the account needs the right to list pods the reference does not say.
func TestReferenceWalkthrough(t *testing.T) {
	onThisMachine(t, "kube-apiserver")
	t.Parallel()
	document := newReader(t, "../docs/minikube.md", `"minikube"`, `"`+nodeName+`"`)
	t.Cleanup(func() {
		if !t.Failed() {
			document.types(t, "Undo")
			return
		}
		for _, what := range []string{"clusterrolebinding/alumet-reader", "clusterrole/alumet-reader", "ns/alumet"} {
			kubectl(t, "delete", "--ignore-not-found", what)
		}
	})
	document.types(t, "An account")
	apply(t, "alumet.yaml")
	uid := kubectl(t, "wait", "--for=condition=Ready", "--timeout=120s", "pod/agent", "-n", "alumet", "-o", "jsonpath={.metadata.uid}")

	t.Run("document", func(t *testing.T) { // before the others, as it takes the same ports
		document.types(t, "The API on this machine")
		document.types(t, "A configuration")
		document.types(t, "Run it")
		document.has(t, "numbers.csv", ",cpu_time_delta,", ",total,agent,alumet,")
		if ready := document.types(t, "Is all well?"); !strings.Contains(ready, `"status": "ok"`) {
			t.Errorf("not all is well: %s", ready)
		}
		if sums := document.types(t, "Read the numbers"); !regexp.MustCompile(`(?m)^[0-9.]+ alumet agent$`).MatchString(sums) {
			t.Errorf("pod alumet/agent is not among the sums: %s", sums)
		}
		document.types(t, "Read the numbers")
		document.types(t, "As the account, with a token")
		document.has(t, "with-token.csv", ",cpu_time_delta,", ",total,agent,alumet,")
		document.types(t, "Stop")
	})
	t.Run("complete", func(t *testing.T) {
		t.Parallel()
		if address := proxy(t, "--port=8080"); address != "127.0.0.1:8080" {
			t.Fatalf("kubectl proxy listens on %s, want 127.0.0.1:8080", address)
		}
		minikube := strings.Replace(referenceMinikube, `"minikube"`, `"`+nodeName+`"`, 1)
		measures(t, uid, func() *agent { return launch(t, 5*time.Second, minikube) })
		measures(t, uid, func() *agent { return launch(t, 5*time.Second, referenceCluster, inPod(t, uid)...) })
	})
	// The strategies, each in a configuration that is as short as the tests' others.
	direct := fmt.Sprintf("k8s_api_url = %q\nca_file = %q\n", apiServer, stateFile(t, "pki", "ca.crt"))
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, kubectl(t, "create", "token", "alumet-reader", "-n", "alumet"))
	for name, strategy := range map[string]string{
		"auto":        `token_retrieval = "auto"`,
		"kubectl":     `token_retrieval = "kubectl"`,
		"custom file": strings.Replace(`token_retrieval.file = "/path/to/token"`, "/path/to/token", token, 1),
		// No TOML allows a table in which the comma is missing, as it is in the reference.
		"custom kubectl": `token_retrieval.kubectl = {
    service_account = "alumet-reader",
    namespace = "alumet"
}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			measures(t, uid, func() *agent { return start(t, direct+strategy+"\n") })
		})
	}
	t.Run("auto in the pod", func(t *testing.T) {
		t.Parallel()
		auto := "[agent]\nlisten = \"\"\n" + strings.Replace(referenceCluster, `"file"`, `"auto"`, 1)
		measures(t, uid, func() *agent { return launch(t, 5*time.Second, auto, inPod(t, uid)...) })
	})
}

// measures runs an agent until it has measured what the pod burns under its name
// and namespace, and compares the CPU time with the cgroup's.
func measures(t *testing.T, uid string, run func() *agent) {
	t.Helper()
	named := func(s sample) bool {
		c := s.column
		return c("namespace") == "alumet" && c("name") == "agent" && c("node") == nodeName
	}
	g := findGroup(t, uid)
	before := g.cpu(t)
	a := run()
	eventually(t, "the agent has measured what pod alumet/agent burns", func() bool {
		return slices.ContainsFunc(a.deltas(uid), func(s sample) bool { return named(s) && s.column("value") != "0" })
	})
	a.close(t)
	if got, counted := total(t, a.deltas(uid)), g.cpu(t)-before; got > counted {
		t.Errorf("the deltas add up to %d ns, more than the %d ns that the cgroup counted", got, counted)
	}
	for _, metric := range []string{"cpu_percent", "memory_usage"} {
		if seen := a.ofPod(uid, func(s sample) bool { return s.is(metric) }); len(seen) == 0 || !named(seen[len(seen)-1]) {
			t.Errorf("%s of pod alumet/agent on %s is missing in %d samples", metric, nodeName, len(seen))
		}
	}
}

// inPod is a command that runs another one with what a pod's process has: its
// environment, the files of its account, and the name of the API server.
func inPod(t *testing.T, uid string) []string {
	t.Helper()
	volumes, err := filepath.Glob(stateFile(t, "kubelet", "pods", uid, "volumes", "kubernetes.io~projected", "kube-api-access-*"))
	if err != nil || len(volumes) != 1 {
		t.Fatalf("the volumes of the pod's account: %v, %v, want one", volumes, err)
	}
	server, err := url.Parse(apiServer)
	if err != nil {
		t.Fatal(err)
	}
	const enter = `set -e
		mount -t tmpfs none "$(readlink -f /var/run)"
		account=/var/run/secrets/kubernetes.io/serviceaccount
		mkdir -p $account
		mount --bind "$1" $account
		echo "$2 kubernetes.default.svc" >/var/run/hosts
		mount --bind /var/run/hosts /etc/hosts
		node=$3
		shift 3
		exec env -i NODE_NAME="$node" "$@"`
	return []string{"unshare", "--mount", "bash", "-c", enter, "bash", volumes[0], server.Hostname(), injected(t, uid)}
}

// injected is the node's name as the pod's process has it in its environment.
func injected(t *testing.T, uid string) string {
	t.Helper()
	for _, id := range findGroup(t, uid).processes(t) {
		for _, variable := range strings.Split(text(t, fmt.Sprintf("/proc/%d/environ", id)), "\x00") {
			if name, value, _ := strings.Cut(variable, "="); name == "NODE_NAME" {
				return value
			}
		}
	}
	t.Fatal("no process of the pod has NODE_NAME")
	return ""
}
