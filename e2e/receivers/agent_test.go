//go:build receivers

package receivers

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// agent is podjoule, running on a simulated node.
type agent struct {
	*process
	address string // of its pages
	file    string // the CSV that it writes besides: what it has measured
}

// startAgent runs podjoule on a node; more is the rest of its
// configuration, which begins in the table of the plugin k8s.
func startAgent(t *testing.T, n *node, more ...string) *agent {
	t.Helper()
	return runAgent(t, exec.Command(agentBinary(t)), n, more...)
}

// startAgentOn runs podjoule on a host of another name.
func startAgentOn(t *testing.T, host string, n *node, more ...string) *agent {
	t.Helper()
	if text, err := onHost(t, host, "/bin/true").CombinedOutput(); err != nil {
		t.Skipf("a host of another name needs root, or namespaces of users: %v: %s", err, text)
	}
	return runAgent(t, onHost(t, host, agentBinary(t)), n, more...)
}

// onHost is a program on a host of another name: this test, which becomes the program.
func onHost(t *testing.T, host, program string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, program)
	cmd.Env = append(os.Environ(), hostVariable+"="+host)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
	}
	return cmd
}

func runAgent(t *testing.T, cmd *exec.Cmd, n *node, more ...string) *agent {
	t.Helper()
	a := &agent{file: filepath.Join(t.TempDir(), "out.csv")}
	config := fmt.Sprintf("[agent]\nlisten = %q\nsysfs_root = %q\nprocfs_root = %q\n[plugins.csv]\npath = %q\n"+
		"[plugins.k8s]\nk8s_node = %q\nk8s_api_url = %q\npoll_interval = %q\npod_refresh_interval = \"50ms\"\n",
		n.listen, n.sysfs, n.procfs, a.file, n.name, n.url, n.tick)
	cmd.Args = append(cmd.Args, "run", "--config", write(t, "config.toml", config+strings.Join(more, "\n")))
	a.process = launch(t, "podjoule", cmd)
	a.address = a.tells(t, `listen=(\S+)`)
	return a
}

func agentBinary(t *testing.T) string {
	t.Helper()
	file := os.Getenv("PODJOULE_E2E_AGENT")
	if file == "" {
		t.Fatal("PODJOULE_E2E_AGENT is not set: run these tests with e2e/receivers/run")
	}
	return file
}

// sees waits until the agent has measured a pod and knows its name. What a pod uses from then
// on counts, also when it was there before the agent, which takes what it finds as a baseline.
func (a *agent) sees(t *testing.T, uids ...string) {
	t.Helper()
	eventually(t, "the agent measures pods and knows their names", func() bool {
		seen := make(map[string]bool)
		for _, row := range rows(t, a.file) {
			seen[row["uid"]] = seen[row["uid"]] || row["metric"] == "cpu_time_delta" && row["name"] != ""
		}
		return !slices.ContainsFunc(uids, func(uid string) bool { return !seen[uid] })
	})
}

// measured is the CPU time of a pod that the agent has told so far, in nanoseconds.
func (a *agent) measured(t *testing.T, uid string) (sum int64) {
	t.Helper()
	for _, row := range rows(t, a.file) {
		if row["metric"] == "cpu_time_delta" && row["kind"] == "total" && row["uid"] == uid {
			sum += integer(t, row["value"])
		}
	}
	return sum
}

// knows waits until the agent has told all that a pod has used.
func (a *agent) knows(t *testing.T, n *node, uid string) {
	t.Helper()
	a.knowsBut(t, n, uid, 0)
}

// knowsBut is knows of an agent that was not there when the pod used the first of it.
func (a *agent) knowsBut(t *testing.T, n *node, uid string, before int64) {
	t.Helper()
	eventually(t, "the agent's samples have all that a pod used", func() bool { return a.measured(t, uid) == n.spent(uid)-before })
}

// get is what an address answers.
func get(t *testing.T, url string) string {
	t.Helper()
	c := &http.Client{Timeout: 10 * time.Second}
	answer, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: %s", url, answer.Status, err, body)
	}
	return string(body)
}

// rows are the lines of the agent's CSV by column. A line that is being written is left out.
func rows(t *testing.T, file string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	whole := string(text[:strings.LastIndexByte(string(text), '\n')+1])
	lines, err := csv.NewReader(strings.NewReader(whole)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]string
	for _, line := range lines[min(1, len(lines)):] {
		row := make(map[string]string, len(line))
		for i, name := range lines[0] {
			row[name] = line[i]
		}
		all = append(all, row)
	}
	return all
}
