package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asProgram makes the test binary be podjoule.
const asProgram = "PODJOULE_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// program is podjoule with its arguments, not started yet.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	// A simulated pod runs the same program: it inherits the variable. A program with
	// the race detector is spared its pause at the end.
	cmd.Env = append(os.Environ(), asProgram+"=1", configVariable+"=", "GORACE=atexit_sleep_ms=0")
	cmd.Dir = t.TempDir()
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// finish runs a program to its end and returns its status and what it wrote.
func finish(t *testing.T, cmd *exec.Cmd) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %v: %v", cmd.Args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// configFile writes a configuration for a program.
func configFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// Bad usage and bad configuration end with status 2 and an error that names
// the thing; what fails while running ends with 1.
func TestExitStatus(t *testing.T) {
	f := func(wantStatus int, wantErr string, args ...string) {
		t.Helper()
		status, _, stderr := finish(t, program(t, args...))
		if status != wantStatus || !strings.Contains(stderr, wantErr) || strings.Contains(stderr, "goroutine") {
			t.Errorf("%v: status %d, want %d; standard error %q, want %q in it", args, status, wantStatus, stderr, wantErr)
		}
	}
	bad := func(wantErr, text string, env ...string) {
		t.Helper()
		file := configFile(t, text)
		for _, command := range [][]string{{"run"}, {"config", "check"}} {
			f(2, file+wantErr, append(command, "--config", file)...)
		}
	}
	f(2, "--nope", "run", "--nope")
	f(2, `"nope"`, "nope")
	f(2, `"extra"`, "version", "extra")
	f(2, `"ksh"`, "completion", "ksh")
	f(2, "bash, fish, zsh", "completion")
	f(2, `unknown plugin "nope"; known are k8s, rapl`, "plugins", "rapl", "nope")
	f(2, "config default", "run", "--config", filepath.Join(t.TempDir(), "absent.toml"))
	f(2, "config.toml", "run")
	f(2, "--for", "demo", "--for", "-1s")
	f(2, "contradict", "demo", "--real", "--simulated")

	bad(`:2: plugins.k8s.k8s_nod: unknown key; did you mean "k8s_node"?`, "[plugins.k8s]\nk8s_nod = \"x\"\n")
	bad(`:1: plugins.k8ss: unknown plugin; did you mean "k8s"?`, "[plugins.k8ss]\n")
	bad(":3: plugins.k8s.k8s_node: the environment variable PODJOULE_UNSET is not set", "\n[plugins.k8s]\nk8s_node = \"${PODJOULE_UNSET}\"\n")
	bad(":2: plugins.k8s.poll_interval: want a duration in quotes", "[plugins.k8s]\npoll_interval = 5\n")
	bad(":2: plugins.k8s.poll_interval: want at least", "[plugins.k8s]\npoll_interval = \"-5s\"\n")
	bad(":2: plugins.k8s.containers: want true or false", "[plugins.k8s]\ncontainers = \"yes\"\n")
	bad(":2: plugins.k8s.k8s_api_url: ", "[plugins.k8s]\nk8s_api_url = \"http://10.0.0.1:8080\"\n")
	bad(":3: plugins.otlp.protocol: ", "[plugins.k8s]\n[plugins.otlp]\nprotocol = \"smoke signals\"\n")
	bad(`:2: plugins.rapl.source: unknown source "msr"; known are auto, powercap, perf`, "[plugins.rapl]\nsource = \"msr\"\n")
	bad(": no source is enabled", "")
	// The reference's example that no version of TOML allows.
	bad(`:4: plugins.k8s.token_retrieval.kubectl: the keys of an inline table are separated by commas; write: token_retrieval.kubectl = { service_account = "alumet-reader", namespace = "alumet" }`,
		"[plugins.k8s]\ntoken_retrieval.kubectl = {\n    service_account = \"alumet-reader\"\n    namespace = \"alumet\"\n}\n")

	empty := t.TempDir()
	f(1, "cgroup_root", "run", "--config", configFile(t, "[agent]\nlisten = \"\"\n[plugins.k8s]\ncgroup_root = \""+empty+"\"\n"))
}

func TestVersionAndPlugins(t *testing.T) {
	status, stdout, stderr := finish(t, program(t, "version"))
	if status != 0 || !strings.HasPrefix(stdout, "podjoule ") || stderr != "" {
		t.Errorf("version: status %d, %q, %q", status, stdout, stderr)
	}
	status, stdout, _ = finish(t, program(t, "plugins"))
	for _, p := range builtin() {
		if !strings.Contains(stdout, p.Name+" ") || !strings.Contains(stdout, p.Doc) {
			t.Errorf("plugins: status %d, %q is missing", status, p.Name)
		}
	}
	if _, some, _ := finish(t, program(t, "plugins", "csv", "k8s")); !strings.HasPrefix(some, "k8s ") || !strings.Contains(some, "\ncsv ") || strings.Contains(some, "\nrapl ") {
		t.Errorf("plugins csv k8s: %q", some)
	}
}

// A plugin list has each name once, and sources before transforms before
// outputs.
func TestBuiltinIsInPipelineOrder(t *testing.T) {
	seen := make(map[string]bool)
	last := builtin()[0].Role
	for _, p := range builtin() {
		if seen[p.Name] {
			t.Errorf("%s is listed twice", p.Name)
		}
		seen[p.Name] = true
		if p.Role < last {
			t.Errorf("%s, a %s, comes after a %s", p.Name, p.Role, last)
		}
		last = p.Role
		if p.Doc == "" || p.Config == nil {
			t.Errorf("%s lacks a line about it or a configuration", p.Name)
		}
	}
	if !seen[defaultOutput] {
		t.Errorf("the default output %q is not listed", defaultOutput)
	}
}
