package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/podjoule/podjoule/simnode"
)

// leftovers returns what a process has made on this machine, of those of the demo. Others
// may have some under way.
func leftovers(t *testing.T, pid int) []string {
	t.Helper()
	var left []string
	for _, place := range []string{"/sys/fs/cgroup/podjoule-demo/", "/sys/fs/cgroup/*/podjoule-demo/", filepath.Join(os.TempDir(), "podjoule-demo-")} {
		found, err := filepath.Glob(fmt.Sprint(place, pid, "-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				left = append(left, path)
			}
		}
	}
	return left
}

// The demo's numbers agree with its truth, CPU time within 2 %, energy within 3 %, whatever
// it runs on; energy is divided without a rest, and nothing of it stays.
func TestDemoAgreesWithTheTruth(t *testing.T) {
	modes := [][]string{{"--simulated"}}
	if c, err := simnode.NewCgroups("/sys/fs/cgroup", []string{"true"}); err == nil {
		modes = append(modes, []string{"--real"})
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, mode := range modes {
		cmd := program(t, append([]string{"demo", "--for", "5s"}, mode...)...)
		status, stdout, stderr := finish(t, cmd)
		if status != 0 {
			t.Errorf("%v: status %d, %s", mode, status, stderr)
		}
		verdict := regexp.MustCompile(`Measured ([\d.]+) s of CPU time in 8 pods; the truth is ([\d.]+) s: ([\d.]+) % apart`)
		m := verdict.FindStringSubmatch(stdout)
		if m == nil {
			t.Fatalf("%v: no verdict in %q", mode, stdout)
		}
		apart, err := strconv.ParseFloat(m[3], 64)
		if err != nil || apart > 2 {
			t.Errorf("%v: %s", mode, m[0])
		}
		m = regexp.MustCompile(`part of the energy is ([\d.]+) J; the truth is ([\d.]+) J: ([\d.]+) % apart`).FindStringSubmatch(stdout)
		if m == nil {
			t.Fatalf("%v: no verdict about energy in %q", mode, stdout)
		}
		if apart, err := strconv.ParseFloat(m[3], 64); err != nil || apart > 3 {
			t.Errorf("%v: %s", mode, m[0])
		}
		for _, want := range []string{"shop", "cart", "kube-scheduler-podjoule-demo", "truth", "/metrics",
			"The energy meter is simulated", "simulated meter: ", "unattributed 0 %", ": equal to the microjoule."} {
			if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
				t.Errorf("%v: %q is not shown:\n%s", mode, want, stdout)
			}
		}
		if strings.Contains(stdout, "\x1b") {
			t.Errorf("%v: control sequences though it is no terminal", mode)
		}
		if left := leftovers(t, cmd.Process.Pid); left != nil {
			t.Errorf("%v left %v", mode, left)
		}
	}
}

// Interrupted, the demo cleans up; killed, it leaves that to the next run.
func TestDemoLeavesNothingBehind(t *testing.T) {
	begun := func(r *running) {
		eventually(t, "the demo's first words", func() bool { return strings.Contains(r.stdout.String(), "/metrics") })
	}
	r := startProgram(t, "demo", "--for", "1h")
	begun(r)
	r.interrupt()
	if status := r.wait(); status != 0 || !strings.Contains(r.stdout.String(), "the truth is") && !strings.Contains(r.stdout.String(), "no CPU time") {
		t.Errorf("interrupted: exit status %d and %q", status, r.stdout.String())
	}
	if left := leftovers(t, r.pid); left != nil {
		t.Errorf("interrupted, it left %v", left)
	}

	r = startProgram(t, "demo", "--for", "1h")
	begun(r)
	r.signal(syscall.SIGKILL)
	r.wait()
	if leftovers(t, r.pid) == nil {
		t.Error("killed, it left nothing: the test shows nothing")
	}
	next := program(t, "demo", "--for", "300ms")
	if status, _, stderr := finish(t, next); status != 0 {
		t.Errorf("after a kill: status %d, %s", status, stderr)
	}
	if left := append(leftovers(t, r.pid), leftovers(t, next.Process.Pid)...); left != nil {
		t.Errorf("the next run left %v", left)
	}
}
