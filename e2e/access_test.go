//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// A token that kubectl makes names the pods; a refusal says what is missing; and
// a server that cannot be verified never sees the token. Without names the pods
// are measured all the same.
func TestAccess(t *testing.T) {
	p := runningPod(t, "burner.yaml", "burner")
	key := "pod" + p.Metadata.UID // in the name of the cgroup, with any rights
	tests := []struct {
		name          string
		configuration string
		named         bool
		said          []string // words of the log
	}{
		{"token", asAgent(t), true, nil},
		{"kubectl", "k8s_api_url = \"" + apiServer + "\"\nca_file = \"" + stateFile(t, "pki", "ca.crt") + "\"\n" +
			"token_retrieval = { kubectl = { service_account = \"agent\", namespace = \"e2e\" } }\n", true, nil},
		{"proxy", "k8s_api_url = \"" + proxy(t) + "\"\n", true, nil},
		{"no rights", access(t, "nobody", stateFile(t, "pki", "ca.crt")), false, []string{"403", "list", "pods"}},
		{"wrong authority", access(t, "agent", otherAuthority(t)), false, []string{"certificate"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := start(t, tt.configuration)
			var seen []sample
			eventually(t, "the pod is measured", func() bool {
				seen = a.all(func(s sample) bool {
					return s.columns["metric"] == "cpu_time_delta" && strings.Contains(strings.ReplaceAll(s.columns["consumer_id"], "_", "-"), key)
				})
				return len(seen) > 0
			})
			a.finish(t)
			name := ""
			if tt.named {
				name = p.Metadata.Name
			}
			if got := seen[0].columns["name"]; got != name {
				t.Errorf("the pod's name is %q, want %q", got, name)
			}
			if got := seen[0].columns["uid"]; got != p.Metadata.UID {
				t.Errorf("the pod's UID is %q, want %q", got, p.Metadata.UID)
			}
			for _, word := range tt.said {
				if !strings.Contains(a.said(t), word) {
					t.Errorf("the log does not say %q:\n%s", word, a.said(t))
				}
			}
			if strings.Contains(a.said(t), "eyJ") {
				t.Error("there is a token in the log")
			}
		})
	}
}

// proxy runs kubectl proxy on a free port and returns its address.
func proxy(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "proxy")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("kubectl", "proxy", "--port=0")
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
	return "http://" + address
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
