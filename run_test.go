package main

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

// simulatedNode is a node with pods for a program that runs.
type simulatedNode struct {
	t    *testing.T
	api  *simnode.API
	url  string
	tree *simnode.Tree
	pods []*corev1.Pod
}

func newNode(t *testing.T, nodeName string, version simnode.Version) *simulatedNode {
	t.Helper()
	n := &simulatedNode{t: t, api: simnode.NewAPI()}
	var err error
	if n.url, err = n.api.Listen(); err != nil {
		t.Fatal(err)
	}
	if n.tree, err = simnode.NewTree(t.TempDir(), simnode.Layout{Version: version, Driver: simnode.Systemd}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.api.Close(); err != nil {
			t.Error(err)
		}
		if err := n.tree.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, name := range []string{"web", "db", "etcd"} {
		p := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: name, Node: nodeName, QoS: corev1.PodQOSBurstable, Static: i == 2})
		n.api.Put(p)
		if err := n.tree.AddPod(p); err != nil {
			t.Fatal(err)
		}
		n.pods = append(n.pods, p)
	}
	return n
}

func (n *simulatedNode) spend(d time.Duration) {
	n.t.Helper()
	for _, p := range n.pods {
		if err := n.tree.Spend(string(p.UID), "main", d, 0); err != nil {
			n.t.Fatal(err)
		}
	}
}

func (n *simulatedNode) config(more string) string {
	return configFile(n.t, fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:0\"\n[plugins.k8s]\nk8s_node = \"node-1\"\nk8s_api_url = %q\ncgroup_root = %q\npod_refresh_interval = \"50ms\"\n%s",
		n.url, n.tree.Root(), more))
}

// row is a line of CSV by column.
type row map[string]string

func parseRows(t *testing.T, text string) []row {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	var rows []row
	for _, cells := range all[min(1, len(all)):] {
		r := make(row)
		for i, name := range all[0] {
			r[name] = cells[i]
		}
		rows = append(rows, r)
	}
	return rows
}

// running is a program that was started.
type running struct {
	t      *testing.T
	pid    int
	stdout *output
	lines  chan string // of its log
	before []string    // the lines before it listened
	wait   func() int  // its exit status
}

// output is what a program wrote so far.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// startProgram starts a program; its log is read line by line.
func startProgram(t *testing.T, args ...string) *running {
	t.Helper()
	return startCommand(t, program(t, args...))
}

// startCommand is startProgram for one that was prepared otherwise.
func startCommand(t *testing.T, cmd *exec.Cmd) *running {
	t.Helper()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true // as a shell starts it
	r := &running{t: t, stdout: new(output), lines: make(chan string, 1000)}
	cmd.Stdout = r.stdout
	reader, writer := io.Pipe()
	cmd.Stderr = writer
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.pid = cmd.Process.Pid
	go func() {
		defer close(r.lines)
		for s := bufio.NewScanner(reader); s.Scan(); {
			r.lines <- s.Text()
		}
	}()
	r.wait = func() int {
		err := cmd.Wait()
		_ = writer.Close()
		for line := range r.lines {
			t.Log(line)
		}
		if state := cmd.ProcessState; state != nil {
			return state.ExitCode()
		}
		t.Fatal(err)
		return 0
	}
	return r
}

// listening returns the address that the log tells.
func (r *running) listening() string {
	r.t.Helper()
	address := regexp.MustCompile(`listen=(\S+)`)
	for line := range r.lines {
		if m := address.FindStringSubmatch(line); m != nil {
			return m[1]
		}
		r.before = append(r.before, line)
		r.t.Log(line)
	}
	r.t.Fatal("the program ended without listening")
	return ""
}

func (r *running) signal(s syscall.Signal) {
	r.t.Helper()
	if err := syscall.Kill(r.pid, s); err != nil {
		r.t.Fatal(err)
	}
}

// interrupt does what Ctrl-C on a terminal does: it signals the whole group.
func (r *running) interrupt() {
	r.t.Helper()
	if err := syscall.Kill(-r.pid, syscall.SIGINT); err != nil {
		r.t.Fatal(err)
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// A24: SIGTERM and SIGINT end with one last tick that reaches the output: what
// is spent right before the signal is in it, since the next tick is 2 s away.
func TestSignalDeliversTheLastTick(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		n := newNode(t, "node-1", simnode.V1)
		r := startProgram(t, "run", "--config", n.config("poll_interval = \"2s\"\n[plugins.csv]\n"))
		r.listening()
		eventually(t, "a tick that knows all names", func() bool { return strings.Contains(r.stdout.String(), "etcd-node-1") })
		n.spend(1234567 * time.Nanosecond)
		r.signal(sig)
		if status := r.wait(); status != 0 {
			t.Errorf("%v: exit status %d", sig, status)
		}
		got := make(map[string]int)
		for _, x := range parseRows(t, r.stdout.String()) {
			if x["metric"] == "cpu_time_delta" && x["kind"] == "total" {
				value, err := strconv.Atoi(x["value"])
				if err != nil {
					t.Fatal(err)
				}
				got[x["name"]] += value
			}
		}
		want := map[string]int{"web": 1234567, "db": 1234567, "etcd-node-1": 1234567}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%v: -spent +delivered\n%s", sig, diff)
		}
	}
}

// A second signal ends the agent at once, whatever it waits for: here, a
// reader of its output who has gone to sleep.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	n := newNode(t, "node-1", simnode.V2)
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(pipe, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	r := startProgram(t, "run", "--config", n.config(fmt.Sprintf("poll_interval = \"1ms\"\n[plugins.csv]\npath = %q\n", pipe)))
	r.listening()
	eventually(t, "a full pipe", func() bool {
		room, err := unix.Poll([]unix.PollFd{{Fd: int32(reader.Fd()), Events: unix.POLLOUT}}, 0)
		return err == nil && room == 0
	})
	r.signal(syscall.SIGTERM)
	eventually(t, "the log of the first signal", func() bool {
		select {
		case line := <-r.lines:
			return strings.Contains(line, "stopping")
		default:
			return false
		}
	})
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status == 0 {
		t.Error("exit status 0, though it was killed")
	}
}

// The same numbers are in every output, and reading changes none of them.
func TestOutputsAgree(t *testing.T) {
	n := newNode(t, "node-1", simnode.V2)
	file := filepath.Join(t.TempDir(), "out.csv")
	r := startProgram(t, "run", "--config", n.config(fmt.Sprintf("poll_interval = \"20ms\"\n[plugins.csv]\npath = %q\n[plugins.prometheus]\n", file)))
	address := r.listening()
	eventually(t, "the first tick", func() bool { status, _ := get(t, "http://"+address+"/readyz"); return status == http.StatusOK })
	for range 20 {
		n.spend(3 * time.Millisecond)
		get(t, "http://"+address+"/metrics")
	}
	spent := 60 * time.Millisecond
	page := regexp.MustCompile(`podjoule_cpu_time_seconds_total\{kind="total",name="web",[^}]*\} (\S+)`)
	eventually(t, "all that was spent, on the page", func() bool {
		_, body := get(t, "http://"+address+"/metrics")
		m := page.FindStringSubmatch(body)
		if m == nil {
			return false
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		if v > spent.Seconds() {
			t.Fatalf("%v s on the page, more than was ever spent", v)
		}
		return v == spent.Seconds()
	})
	for path, want := range map[string]string{"/": "podjoule", "/healthz": "ok", "/readyz": `"status"`, "/metrics": "podjoule_agent_ticks_total"} {
		if status, body := get(t, "http://"+address+path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: status %d, %q, want %q in it", path, status, body, want)
		}
	}
	r.signal(syscall.SIGTERM)
	if status := r.wait(); status != 0 {
		t.Errorf("exit status %d", status)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var sum time.Duration
	for _, x := range parseRows(t, string(text)) {
		if x["metric"] == "cpu_time_delta" && x["kind"] == "total" && x["name"] == "web" {
			v, err := strconv.Atoi(x["value"])
			if err != nil {
				t.Fatal(err)
			}
			sum += time.Duration(v)
		}
	}
	if sum != spent {
		t.Errorf("%v in the file, %v was spent", sum, spent)
	}
}
