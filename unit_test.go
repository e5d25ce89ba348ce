package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// The configuration that comes with the unit is right as it stands, and so is each line of it
// that waits to be turned on.
func TestUnitsConfiguration(t *testing.T) {
	text := readDocument(t, "deploy/systemd/config.toml")
	waiting := regexp.MustCompile(`(?m)^#(\[|[a-z0-9_]+ = )`)
	if got := len(waiting.FindAllString(text, -1)); got < 8 {
		t.Errorf("%d lines wait to be turned on: are they marked by # alone?", got)
	}
	full := waiting.ReplaceAllString(text, "$1")
	for _, tt := range []struct{ name, text, want string }{
		{"as it is", text, "source     k8s, every 5s\noutput     prometheus\n"},
		{"with all", strings.Replace(full, "\nk8s_api_url", "\n#k8s_api_url", 1), "source     k8s, every 5s\nsource     rapl, every 5s\nsource     estimate, every 5s\n" +
			"transform  attribution\noutput     prometheus\noutput     otlp\n"},
	} {
		check := program(t, "config", "check", "--config", configFile(t, tt.text))
		check.Env = append(check.Env, "CREDENTIALS_DIRECTORY="+loadedCredentials(t))
		status, stdout, stderr := finish(t, check)
		if diff := cmp.Diff(tt.want, stdout); status != 0 || stderr != "" || diff != "" {
			t.Errorf("%s: status %d, %q, -want +got\n%s", tt.name, status, stderr, diff)
		}
	}
}

// loadedCredentials is a folder with a kubeconfig, as the unit makes one.
func loadedCredentials(t *testing.T) (folder string) {
	t.Helper()
	folder = t.TempDir()
	const kubeconfig = `apiVersion: v1
kind: Config
current-context: node
contexts: [{name: node, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443"}}]
users: [{name: u, user: {token: t}}]
`
	if err := os.WriteFile(filepath.Join(folder, "kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// What the agent asks of the kernel passes the unit's filter: with every plugin, from its start
// to its end.
func TestUnitsSystemCalls(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze to say what is in the filter")
	}
	if err := exec.CommandContext(t.Context(), "strace", "-qq", "-o", os.DevNull, "true").Run(); err != nil {
		t.Skipf("no strace can run: %v", err)
	}
	passes := systemCallFilter(t)
	for _, name := range []string{"mount", "ptrace", "bpf", "init_module", "setuid", "reboot"} {
		if passes[name] {
			t.Errorf("the filter lets %s pass", name)
		}
	}
	queue, trace := t.TempDir(), filepath.Join(t.TempDir(), "trace")
	config := newNode(t, "node-1", simnode.V2).config(fmt.Sprintf(`poll_interval = "50ms"
[plugins.rapl]
[plugins.hwmon]
[plugins.estimate]
[plugins.attribution]
[plugins.csv]
[plugins.prometheus]
[plugins.remotewrite]
url = "http://127.0.0.1:1"
[plugins.otlp]
endpoint = "http://127.0.0.1:1"
queue_dir = %q
`, queue))
	cmd := program(t, "run", "--config", config)
	strace := exec.CommandContext(t.Context(), "strace", append([]string{"-f", "-qq", "-o", trace}, cmd.Args...)...)
	strace.Env, strace.Dir, strace.WaitDelay = cmd.Env, cmd.Dir, cmd.WaitDelay
	r := startCommand(t, strace)
	_, page := get(t, "http://"+r.listening()+"/metrics")
	if !strings.Contains(page, "podjoule_") {
		t.Errorf("the page is %q", page)
	}
	eventually(t, "some ticks", func() bool { return strings.Count(r.stdout.String(), "memory_usage") > 5 })
	r.interrupt()
	if status := r.wait(); status != exitFailed {
		t.Errorf("status %d, want %d: nobody took what it had to send", status, exitFailed)
	}
	text := readDocument(t, trace)
	asked := regexp.MustCompile(`(?m)^\d+ +([a-z0-9_]+)\(`).FindAllStringSubmatch(text, -1)
	seen := make(map[string]bool)
	for _, found := range asked {
		seen[found[1]] = true
	}
	for _, expected := range []string{"openat", "pread64", "inotify_add_watch", "flock", "connect", "accept4", "execve"} {
		if !seen[expected] {
			t.Errorf("%s was not seen: does the trace show the agent?", expected)
		}
	}
	for name := range seen {
		// Energy by perf needs a drop-in of its own, and is told as missing without.
		if !passes[name] && name != "perf_event_open" {
			t.Errorf("the agent calls %s, which the filter of deploy/systemd/podjoule.service refuses", name)
		}
	}
	// MemoryDenyWriteExecute and RestrictAddressFamilies look at what is asked for.
	for _, refused := range regexp.MustCompile(`mmap\(.*PROT_WRITE\|PROT_EXEC.*|mprotect\(.*PROT_EXEC.*|shmat\(.*SHM_EXEC.*`).FindAllString(text, -1) {
		t.Errorf("the agent wants memory that it may write and run: %s", refused)
	}
	families := regexp.MustCompile(`socket\((AF_[A-Z0-9_]+)`).FindAllStringSubmatch(text, -1)
	for _, family := range families {
		if !slices.Contains([]string{"AF_INET", "AF_INET6", "AF_UNIX"}, family[1]) {
			t.Errorf("the agent opens a socket of %s", family[1])
		}
	}
	if len(families) == 0 {
		t.Error("no socket was seen: does the trace show the agent?")
	}
}

// systemCallFilter returns what passes the unit's filter, as this machine's systemd knows the
// sets.
func systemCallFilter(t *testing.T) map[string]bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "--no-pager", "syscall-filter").Output()
	if err != nil {
		t.Fatal(err)
	}
	sets := make(map[string][]string)
	set := ""
	for line := range strings.Lines(string(out)) {
		switch name := strings.TrimSpace(line); {
		case strings.HasPrefix(line, "@"):
			set = name
		case name != "" && !strings.HasPrefix(name, "#"):
			sets[set] = append(sets[set], name)
		}
	}
	passes := make(map[string]bool)
	var put func(name string, pass bool)
	put = func(name string, pass bool) {
		if !strings.HasPrefix(name, "@") {
			passes[name] = pass
			return
		}
		if len(sets[name]) == 0 {
			t.Fatalf("systemd knows no set %s", name)
		}
		for _, member := range sets[name] {
			put(member, pass)
		}
	}
	lines := regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.+)$`).FindAllStringSubmatch(readDocument(t, "deploy/systemd/podjoule.service"), -1)
	if len(lines) == 0 || lines[0][1] != "" {
		t.Fatal("the unit's filter does not begin with what passes")
	}
	put("@default", true) // systemd adds it to a list of what passes
	for _, line := range lines {
		for name := range strings.FieldsSeq(line[2]) {
			put(name, line[1] == "")
		}
	}
	return passes
}
