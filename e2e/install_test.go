//go:build e2e

package e2e

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What docs/install.md has an administrator type for a node without a DaemonSet: the kubeconfig
// that comes of it is all that the agent needs.
func TestBareNode(t *testing.T) {
	onThisMachine(t, "kube-apiserver")
	t.Parallel()
	r := newReader(t, "../docs/install.md")
	t.Cleanup(func() {
		for _, what := range []string{"clusterrolebinding/podjoule-node", "clusterrole/podjoule-node", "secret/podjoule", "serviceaccount/podjoule"} {
			kubectl(t, "delete", "-n", "kube-system", "--ignore-not-found", what)
		}
	})
	r.seek(t, "A bare node")
	r.types(t, "A bare node")
	r.types(t, "A bare node")
	p := runningPod(t, "installed.yaml", "installed")
	a := start(t, fmt.Sprintf("kubeconfig = %q\n", filepath.Join(r.folder, "kubeconfig")))
	a.catchUp(t, []pod{p})
	a.finish(t)
	checkTold(t, a, p)
}

// The package on a node with a systemd that runs, as docs/install.md has it, whose commands
// are typed from top to bottom: the service begins by itself, and with a kubeconfig measures
// every pod under its name, confined by its unit and agreeing with the kernel. Removed and
// purged, it leaves nothing.
func TestInstall(t *testing.T) {
	if _, err := os.Stat("/run/systemd/system"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("no systemd runs here")
	}
	t.Parallel()
	rights(t)
	apply(t, "installed.yaml")
	r := newReader(t, "../docs/install.md", "sudo ", "", // nobody else is here
		"apt install ./podjoule_*_amd64.deb", "dpkg --install "+stateFile(t, "podjoule.deb"), // from no repository
		"apt remove", "dpkg --remove", "apt purge", "dpkg --purge")
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := exec.Command("journalctl", "--unit", "podjoule", "--no-pager").CombinedOutput()
			t.Logf("the journal:\n%s", out)
			_ = exec.Command("dpkg", "--purge", "podjoule").Run()
		}
	})

	r.seek(t, "Debian and Ubuntu")
	if said := r.types(t, "Debian and Ubuntu"); !strings.Contains(said, "active (running)") || !strings.Contains(said, `"status": `) {
		t.Errorf("the service is not there: %s", said)
	}
	seldom(t, "the service says that it waits for kubectl proxy", func() bool {
		return strings.Contains(get(t, servicePage+"/readyz"), "connection refused")
	})
	// What an administrator types elsewhere is TestBareNode's.
	r.seek(t, "A bare node")
	r.leave(t, 2)
	write(t, filepath.Join(r.folder, "kubeconfig"), kubeconfigOf(t, tokenOf(t, "agent")))
	// The host has another name than the node.
	sed := exec.Command("sed", "-i", fmt.Sprintf(`s/^#\?k8s_node = .*/k8s_node = "%s"/`, nodeName), "/etc/podjoule/config.toml")
	if out, err := sed.CombinedOutput(); err != nil {
		t.Fatalf("name the node: %v: %s", err, out)
	}
	r.types(t, "A bare node")
	checkService(t, awaitReady(t, "installed")[0])
	r.seek(t, "Is all well?")
	if said := r.types(t, "Is all well?"); !strings.HasPrefix(said, "active\nok\n") || !strings.Contains(said, "agent runs") {
		t.Errorf("not all is well: %s", said)
	}
	if ready := get(t, servicePage+"/readyz"); !strings.Contains(ready, `"status": "ok"`) {
		t.Errorf("not all is well with its plugins: %s", ready)
	}

	process := mainProcess(t)
	r.seek(t, "Remove")
	r.types(t, "Remove")
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", process)); err == nil {
		t.Errorf("the service's process %d is still there", process)
	}
	for _, file := range []string{"config.toml", "kubeconfig"} {
		if _, err := os.Stat(filepath.Join("/etc/podjoule", file)); err != nil {
			t.Errorf("what was set up went with the package: %v", err)
		}
	}
	r.types(t, "Remove")
	for _, left := range []string{"/etc/podjoule", "/var/lib/podjoule", "/var/lib/private/podjoule", "/usr/bin/podjoule", "/usr/lib/systemd/system/podjoule.service"} {
		if _, err := os.Lstat(left); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left: %v", left, err)
		}
	}
}

// servicePage is where the package's service listens.
const servicePage = "http://127.0.0.1:9464"

// kubeconfigOf is a kubeconfig with a token.
func kubeconfigOf(t *testing.T, token string) string {
	t.Helper()
	authority := base64.StdEncoding.EncodeToString([]byte(text(t, stateFile(t, "pki", "ca.crt"))))
	return fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: podjoule
contexts: [{name: podjoule, context: {cluster: cluster, user: podjoule}}]
clusters: [{name: cluster, cluster: {server: %q, certificate-authority-data: %q}}]
users: [{name: podjoule, user: {token: %q}}]
`, apiServer, authority, token)
}

// checkService looks at the service from outside: what it measures, and what it may do.
func checkService(t *testing.T, p pod) {
	t.Helper()
	agree(t, "the name of "+p.id()+" on the service's page", func() (string, string) {
		answer, err := http.Get(servicePage + "/healthz") // it may have just been started anew
		if err != nil {
			return err.Error(), p.Metadata.Name
		}
		answer.Body.Close()
		for _, l := range scrape(t, servicePage) {
			if l.metric == "podjoule_cpu_percent" && l.labels["uid"] == p.Metadata.UID {
				return l.labels["name"], p.Metadata.Name
			}
		}
		return "no series", p.Metadata.Name
	})
	checkPage(t, servicePage, p)
	const none = "0000000000000000"
	want := map[string]string{"CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1", "Seccomp": "2"}
	status := fmt.Sprintf("/proc/%d/status", mainProcess(t))
	for line := range strings.Lines(text(t, status)) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.Join(strings.Fields(value), " ")
		if want[key] != "" && value != want[key] {
			t.Errorf("the service has %s %s, want %s", key, value, want[key])
		}
		if (key == "Uid" || key == "Gid") && strings.Contains(" "+value+" ", " 0 ") {
			t.Errorf("the service is root: %s", line)
		}
	}
}

// mainProcess is the service's.
func mainProcess(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("systemctl", "show", "--property=MainPID", "--value", "podjoule").Output()
	if err != nil {
		t.Fatalf("ask systemd for the service's process: %v: %s", err, stderrOf(err))
	}
	id := int(number(t, strings.TrimSpace(string(out))))
	if id == 0 {
		t.Fatal("the service does not run")
	}
	return id
}
