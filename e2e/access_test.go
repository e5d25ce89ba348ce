//go:build e2e

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// place is the namespace of these tests, so that they disturb no others.
const place = "e2e-access"

// Every way to a token names the pods, and goes on doing so when the token is
// replaced, ends or gets its rights later. A refusal says what is missing; a
// server that cannot be verified never sees the token. Without names the pods are
// measured all the same.
func TestAccess(t *testing.T) {
	onThisMachine(t, "kube-apiserver")
	t.Parallel()
	rights(t)
	apply(t, "access.yaml")
	known := kubectl(t, "wait", "--for=condition=Ready", "--timeout=120s", "pod/known", "-n", place, "-o", "jsonpath={.metadata.uid}")
	ways := []struct {
		name string
		test func(*testing.T, string)
	}{
		{"remade account", remadeAccount}, // the longest first
		{"expired token", expiredToken},
		{"rotated file", rotatedFile},
		{"right granted", rightGranted},
		{"projected file", projectedFile},
		{"kubelet", nodesKubelet},
		{"kubectl", kubectlToken},
		{"proxy", behindProxy},
		{"wrong authority", wrongAuthority},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			t.Parallel()
			way.test(t, known)
		})
	}
}

func kubectlToken(t *testing.T, known string) {
	a := start(t, kubectlAccess(t, "reader"))
	a.names(t, known, "known")
	a.close(t)
}

// The node's kubelet gives the names, to an account with the right to ask it and no
// other; one without is told what it lacks.
func nodesKubelet(t *testing.T, known string) {
	asks := func(account string) (a *agent, token string) {
		token = kubectl(t, "create", "token", account, "-n", place)
		return start(t, fmt.Sprintf("pod_discovery = \"kubelet\"\nkubelet_url = %q\n", kubeletURL)+
			fileAccess(t, tokenFile(t, token), stateFile(t, "pki", "ca.crt"))), token
	}
	a, token := asks("neighbour")
	a.names(t, known, "known")
	a.close(t, token)
	if said := a.said(t); strings.Contains(said, "level=WARN") {
		t.Errorf("the log complains: %s", said)
	}
	a, token = asks("newcomer")
	a.names(t, known, "")
	a.says(t, "403", kubeletURL, "nodes/pods")
	a.close(t, token)
}

func behindProxy(t *testing.T, known string) {
	a := start(t, fmt.Sprintf("k8s_api_url = %q\n", "http://"+proxy(t, "--port=0")))
	a.names(t, known, "known")
	a.close(t)
}

func wrongAuthority(t *testing.T, known string) {
	token := kubectl(t, "create", "token", "reader", "-n", place)
	a := start(t, fileAccess(t, tokenFile(t, token), otherAuthority(t)))
	a.names(t, known, "")
	a.says(t, "certificate signed by unknown authority", apiServer)
	a.close(t, token)
}

// fileAccess is a configuration with a token in a file.
func fileAccess(t *testing.T, file, authority string) string {
	t.Helper()
	return fmt.Sprintf("k8s_api_url = %q\ntoken_retrieval.file = %q\nca_file = %q\n", apiServer, file, authority)
}

// kubectlAccess is a configuration with tokens of an account from kubectl.
func kubectlAccess(t *testing.T, account string) string {
	t.Helper()
	return fmt.Sprintf("k8s_api_url = %q\ntoken_retrieval.kubectl = { service_account = %q, namespace = %q }\nca_file = %q\n",
		apiServer, account, place, stateFile(t, "pki", "ca.crt"))
}

// tokenFile is a file with a token.
func tokenFile(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, token)
	return file
}

func write(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// names waits until the agent measures a pod under a name, or under none.
func (a *agent) names(t *testing.T, uid, name string) {
	t.Helper()
	eventually(t, fmt.Sprintf("pod %s is measured under the name %q", uid, name), func() bool {
		seen := a.deltas(uid)
		return len(seen) > 0 && seen[len(seen)-1].column("name") == name
	})
}

// says waits until all words are in the agent's log.
func (a *agent) says(t *testing.T, words ...string) {
	t.Helper()
	for _, word := range words {
		eventually(t, "the log says "+word, func() bool { return strings.Contains(strings.ReplaceAll(a.said(t), `\"`, `"`), word) })
	}
}

// close ends the agent, and checks what holds for every way: a pod that has its
// name keeps it, and no token is in the log.
func (a *agent) close(t *testing.T, tokens ...string) {
	t.Helper()
	a.finish(t)
	name := make(map[string]string) // by UID and metric
	for _, s := range a.all(func(s sample) bool { return s.column("kind") == "" || s.column("kind") == "total" }) {
		key := s.column("uid") + " " + s.column("metric")
		if had := name[key]; had != "" && s.column("name") != had {
			t.Errorf("%s was of pod %s and is of %q now", key, had, s.column("name"))
		}
		name[key] = s.column("name")
	}
	said := a.said(t)
	if strings.Contains(said, "eyJ") { // how header and payload of every one begin
		t.Error("there is a token in the log")
	}
	for _, token := range tokens {
		signature := token[strings.LastIndex(token, ".")+1:]
		if strings.Contains(said, signature[:16]) {
			t.Error("there is the signature of a token in the log")
		}
	}
}

// proxy runs kubectl proxy and returns its address.
func proxy(t *testing.T, port string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proxy")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("kubectl", "proxy", port)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = out, out, 10*time.Second
	if err := cmd.Start(); err != nil {
		t.Fatalf("start kubectl proxy: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var address string
	eventually(t, "kubectl proxy tells its address", func() bool {
		address = regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(text(t, file))
		return address != ""
	})
	return address
}

// otherAuthority is a certificate that signed nothing here.
func otherAuthority(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	cmd := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
		"-subj", "/CN=other", "-keyout", filepath.Join(folder, "key"), "-out", filepath.Join(folder, "ca.crt"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make a certificate: %v: %s", err, out)
	}
	return filepath.Join(folder, "ca.crt")
}
