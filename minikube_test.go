package main

import (
	"encoding/pem"
	"fmt"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// laptop is a reader on a machine with a minikube: kubectl is a script that
// notes what it is asked, and the API server is a simulated one.
func laptop(t *testing.T, n *simulatedNode) *reader {
	t.Helper()
	secure(t, n)
	server := httptest.NewTLSServer(n.api)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	folder := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(filepath.Join(folder, "ca"), ca, 0o600); err != nil {
		t.Fatal(err)
	}
	open := simnode.NewAPI() // what kubectl proxy shows wants no token
	for _, p := range n.pods {
		open.Put(p)
	}
	proxied, err := open.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := open.Close(); err != nil {
			t.Error(err)
		}
	})
	kubectl := fmt.Sprintf(`echo "$*" >>%[1]s/asked
case "$*" in
proxy*) exec sleep 600 ;;
create\ token*) printf a-secret ;;
*certificate-authority-data*) base64 <%[1]s/ca ;;
*cluster.server*) printf '%%s' %[2]s ;;
esac
`, folder, server.URL)
	port := freePort(t)
	r := newReader(t, map[string]string{"kubectl": kubectl, "go": `[ "$*" = "build -o podjoule ." ] && ln -s "$(command -v podjoule)" podjoule` + "\n"},
		"[plugins.k8s]", fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:%s\"\n[plugins.k8s]\ncgroup_root = %q", port, n.tree.Root()),
		"http://127.0.0.1:8080", proxied, ":9464", ":"+port, `"5s"`, `"100ms"`)
	t.Cleanup(func() {
		if t.Failed() {
			asked, _ := os.ReadFile(filepath.Join(folder, "asked"))
			t.Logf("kubectl was asked:\n%s", asked)
		}
	})
	return r
}

// Whoever reads docs/minikube.md from top to bottom and types what it says has the CPU
// time of the pods, first through the proxy and then with a token. That kubectl does what
// it is asked here is seen on a real cluster: e2e.TestReferenceWalkthrough.
func TestMinikubeDocument(t *testing.T) {
	n := newNode(t, "minikube", simnode.V2)
	r := laptop(t, n)
	blocks := make(map[string][]block)
	for _, b := range blocksOf(t, "docs/minikube.md", "sh") {
		blocks[b.heading] = append(blocks[b.heading], b)
	}
	typed := 0
	types := func(heading string) (shown string) {
		t.Helper()
		if len(blocks[heading]) == 0 {
			t.Fatalf("docs/minikube.md has no commands under %q", heading)
		}
		b := blocks[heading][0]
		blocks[heading] = blocks[heading][1:]
		typed++
		return r.types(b)
	}
	types("An account")
	types("The API on this machine")
	if shown, want := types("A configuration"), "source     k8s, every 100ms\noutput     csv\n"; shown != want {
		t.Errorf("the configuration is told as %q, want %q", shown, want)
	}
	types("Run it")
	eventually(t, "all names", func() bool { return strings.Contains(r.file("numbers.csv"), ",etcd-minikube,") })
	if shown := types("Is all well?"); !strings.Contains(shown, `"status": "ok"`) {
		t.Errorf("not all is well: %s", shown)
	}
	n.spend(1500 * time.Millisecond)
	eventually(t, "CPU time", func() bool { return strings.Count(r.file("numbers.csv"), ",1500000000,") >= len(n.pods) })
	sums := types("Read the numbers")
	for _, pod := range []string{"web", "db", "etcd-minikube"} {
		if !strings.Contains(sums, "1.5 shop "+pod+"\n") {
			t.Errorf("pod %s is not among the sums with 1.5 s: %s", pod, sums)
		}
	}
	types("Read the numbers")
	types("As the account, with a token")
	eventually(t, "all names, by the token", func() bool { return strings.Contains(r.file("with-token.csv"), ",etcd-minikube,") })
	types("Stop")
	types("Undo")
	if left, err := os.ReadDir(r.folder); err != nil || len(left) != 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
	if all := len(blocksOf(t, "docs/minikube.md", "sh")); typed != all {
		t.Errorf("%d of %d blocks of commands were typed", typed, all)
	}
}

// The commands of the README for minikube do what they say.
func TestReadmeMinikube(t *testing.T) {
	n := newNode(t, "minikube", simnode.V2)
	r := laptop(t, n)
	for _, b := range blocksOf(t, "README.md", "sh") {
		if strings.HasPrefix(b.text, "kubectl proxy") {
			b.text = strings.TrimSuffix(b.text, "./podjoule run\n") + "./podjoule run >rows &\n" // for it does not end
			r.types(b)
		}
	}
	eventually(t, "all names", func() bool { return strings.Contains(r.file("rows"), ",etcd-minikube,") })
}

// The README shows what podjoule power says on a virtual machine, to where it breaks off.
func TestReadmePower(t *testing.T) {
	for _, b := range blocksOf(t, "README.md", "") {
		shown, typed := strings.CutPrefix(b.text, "$ podjoule power\n")
		if !typed {
			continue
		}
		plain := func(text string) string { // wherever lines end, the test's files are, and whatever was consumed
			text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), " sys/", " /sys/")
			return regexp.MustCompile(`\d+\.\d+`).ReplaceAllString(text, "0")
		}
		shown = plain(strings.TrimSuffix(shown, "…\n"))
		if said := plain(readDocument(t, "testdata/power/virtual-machine.txt")); !strings.HasPrefix(said, shown) {
			t.Errorf("README.md:%d: it shows\n%s\nand podjoule says\n%s", b.line, shown, said)
		}
		return
	}
	t.Error("README.md does not show podjoule power")
}
