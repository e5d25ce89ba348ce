package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/podjoule/podjoule/simnode"
)

// A token that was put where its file belongs, or beside it, is told to nobody.
func TestConfigCheckTellsNoToken(t *testing.T) {
	const secret = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJyZWFkZXIifQ.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg"
	for _, value := range []string{
		`token_retrieval = "%s"`, `token_retrieval.file = "%s"`, `token_retrieval = ["%s"]`, `token_retrieval.kubectl = "%s"`,
		`token_retrieval.kubectl = { namespace = "%s" }`, `token_retrieval = "%s`, `token_retrieval = %s`, `token_retrieval.file = "%s" x`,
	} {
		file := configFile(t, "[plugins.k8s]\n"+fmt.Sprintf(value, secret)+"\n")
		status, stdout, stderr := finish(t, program(t, "config", "check", "--config", file))
		if status != 2 || !strings.Contains(stderr, file+":2: ") {
			t.Errorf("%s: status %d and %q, want 2 and line 2", value, status, stderr)
		}
		for _, part := range strings.Split(secret, ".") {
			if strings.Contains(stdout+stderr, part) {
				t.Errorf("%s: the token is told: %s%s", value, stdout, stderr)
			}
		}
	}
}

// A8: while the server refuses its token, and after it takes it, nothing that the agent writes
// or serves has the token in it.
func TestNothingTellsTheToken(t *testing.T) {
	n := newNode(t, "node-1", simnode.V2)
	user := simnode.ServiceAccountUser("podjoule", "podjoule")
	n.api.RequireTokens()
	n.api.Allow(user, simnode.ListPods, simnode.WatchPods)
	const secret = "refused-0123456789-token"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	config := n.config(fmt.Sprintf("poll_interval = \"20ms\"\ntoken_retrieval.file = %q\n[plugins.csv]\n[plugins.prometheus]\n", file))
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "[agent]\n", "[agent]\nlog_level = \"debug\"\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	r := startProgram(t, "run", "--config", config)
	address := r.listening()
	var said strings.Builder
	refused := func() bool {
		body := ""
		for _, page := range []string{"/", "/metrics", "/healthz", "/readyz"} {
			_, body = get(t, "http://"+address+page)
			said.WriteString(body)
		}
		return strings.Contains(body, "status 401")
	}
	eventually(t, "a refusal that /readyz tells", refused)
	n.api.AddToken(secret, user)
	eventually(t, "recovery", func() bool { return !refused() })
	eventually(t, "a pod's name", func() bool { return strings.Contains(r.stdout.String(), "etcd-node-1") })
	r.signal(syscall.SIGTERM)
	for line := range r.lines {
		said.WriteString(line)
		if strings.Contains(line, "agent is stopping") {
			break
		}
	}
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	if all := said.String() + r.stdout.String(); strings.Contains(all, secret[:12]) || !strings.Contains(all, "plugin is failing") {
		t.Errorf("the token, or no warning, is in %d bytes of output", len(all))
	}
}
