package main

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/podjoule/podjoule/simnode"
)

// refused runs the agent with a configuration that it does not take, or cannot begin with.
func refused(config string) provocation {
	return func(t *testing.T, heard hears) {
		cmd := program(t, "run", "--config", configFile(t, config))
		cmd.Env = slices.DeleteFunc(cmd.Env, func(variable string) bool { return strings.HasPrefix(variable, "NODE_NAME=") })
		status, _, stderr := finish(t, cmd)
		if heard(stderr); status != 1 && status != 2 {
			t.Errorf("exit status %d", status)
		}
	}
}

func portIsTaken(t *testing.T, heard hears) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	refused(fmt.Sprintf("[agent]\nlisten = %q\n[plugins.rapl]\n", l.Addr()))(t, heard)
}

// badReload spoils the file of a running agent and has it read again.
func badReload(t *testing.T, heard hears) {
	n := newNode(t, "node-1", simnode.V2)
	file := configFile(t, configOf(n, "node-1", ""))
	r := startProgram(t, "run", "--config", file)
	r.listening()
	if err := os.WriteFile(file, []byte("[plugins.k8s]\nk8s_nod = \"x\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.signal(syscall.SIGHUP)
	eventually(t, "the message", func() bool {
		select {
		case line := <-r.lines:
			return heard(line)
		default:
			return false
		}
	})
	r.signal(syscall.SIGKILL)
	r.wait()
}

// configOf measures a simulated node under a name; more are keys of k8s and other tables.
func configOf(n *simulatedNode, name, more string) string {
	return fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:0\"\n[plugins.k8s]\nk8s_node = %q\nk8s_api_url = %q\ncgroup_root = %q\n"+
		"poll_interval = \"20ms\"\npod_refresh_interval = \"50ms\"\n%s", name, n.url, n.tree.Root(), more)
}

// onANode runs the agent on a node that was spoilt; what spoils it returns keys of k8s and
// other tables.
func onANode(spoil func(t *testing.T, n *simulatedNode) string) provocation {
	return func(t *testing.T, heard hears) {
		n := newNode(t, "node-1", simnode.V2)
		more := spoil(t, n)
		listens(t, configOf(n, "node-1", more), heard)
	}
}

// listens runs the agent and has heard what is wrong with its plugins.
func listens(t *testing.T, config string, heard hears) {
	t.Helper()
	listensTo(t, program(t, "run", "--config", configFile(t, config)), heard)
}

func listensTo(t *testing.T, cmd *exec.Cmd, heard hears) {
	t.Helper()
	r := startCommand(t, cmd)
	address := r.listening()
	eventually(t, "the message", func() bool {
		_, body := get(t, "http://"+address+"/readyz")
		var answer struct{ Plugins []struct{ Error string } }
		if err := json.Unmarshal([]byte(body), &answer); err != nil {
			t.Fatal(err)
		}
		var said []string
		for _, p := range answer.Plugins {
			said = append(said, p.Error)
		}
		return heard(strings.Join(said, "\n"))
	})
	r.signal(syscall.SIGKILL)
	r.wait()
}

// tokenIn is a file with a token.
func tokenIn(t *testing.T, token string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("token_retrieval.file = %q\n", file)
}

// overTLS has the API server of a node want tokens, and be reached over TLS; what it
// returns has the agent verify it.
func overTLS(t *testing.T, n *simulatedNode) string {
	t.Helper()
	secure(t, n)
	server := httptest.NewTLSServer(n.api)
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	n.url = server.URL
	ca := filepath.Join(t.TempDir(), "ca.crt")
	writeFile(t, ca, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return fmt.Sprintf("ca_file = %q\n", ca)
}

// noMoreWatches runs the agent where the kernel has inotify watches for hardly any cgroup.
func noMoreWatches(t *testing.T, heard hears) {
	n := newNode(t, "node-1", simnode.V2)
	cmd := program(t, "run", "--config", configFile(t, configOf(n, "node-1", "")))
	cmd.Args = append([]string{"sh", "-c", `echo 3 >/proc/sys/user/max_inotify_watches && exec "$0" "$@"`}, cmd.Args...)
	cmd.Path = "/bin/sh"
	namespace(t, cmd, 0)
	listensTo(t, cmd, heard)
}

// namespace has a command run in a user namespace of its own, as another user there.
func namespace(t *testing.T, cmd *exec.Cmd, user int) {
	t.Helper()
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: user, HostID: os.Getgid(), Size: 1}},
	}
	try := exec.CommandContext(t.Context(), "true")
	try.SysProcAttr = cmd.SysProcAttr
	if err := try.Run(); err != nil {
		t.Skipf("no user namespace to be had: %v", err)
	}
}

// metered runs the agent on a machine with the zones of a powercap tree, which may be
// spoilt; more are tables besides rapl.
func metered(zones []simnode.PowercapZone, spoil func(t *testing.T, sysfs string), more string) provocation {
	return func(t *testing.T, heard hears) {
		listens(t, metersOf(t, zones, spoil)+more, heard)
	}
}

func metersOf(t *testing.T, zones []simnode.PowercapZone, spoil func(t *testing.T, sysfs string)) (config string) {
	t.Helper()
	sysfs := t.TempDir()
	if zones != nil {
		tree, err := simnode.NewPowercap(sysfs, zones...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := tree.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if spoil != nil {
		spoil(t, sysfs)
	}
	return fmt.Sprintf("[agent]\nlisten = \"127.0.0.1:0\"\nsysfs_root = %q\n[plugins.rapl]\nsource = \"powercap\"\npoll_interval = \"20ms\"\n", sysfs)
}

// withoutPermission runs the agent as somebody who is not root.
func withoutPermission(t *testing.T, heard hears) {
	config := metersOf(t, simnode.TwoSocketServer(), func(t *testing.T, sysfs string) {
		files, err := filepath.Glob(filepath.Join(sysfs, "devices/virtual/powercap/intel-rapl/intel-rapl:*/energy_uj"))
		if err != nil || len(files) == 0 {
			t.Fatalf("there is no counter: %v", err)
		}
		for _, file := range files {
			if err := os.Chmod(file, 0); err != nil {
				t.Fatal(err)
			}
		}
	})
	cmd := program(t, "run", "--config", configFile(t, config))
	if os.Geteuid() == 0 {
		namespace(t, cmd, 1000)
	}
	listensTo(t, cmd, heard)
}

// answering is a receiver that refuses all that it gets.
func answering(t *testing.T, status int, text string) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, strings.TrimSuffix(text, "\n"), status)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func otlpAnswers(status int, text string) provocation {
	return onANode(func(t *testing.T, _ *simulatedNode) string {
		return fmt.Sprintf("[plugins.otlp]\nprotocol = \"http/protobuf\"\nendpoint = %q\n", answering(t, status, text))
	})
}

func remoteWriteAnswers(status int, text string) provocation {
	return onANode(func(t *testing.T, _ *simulatedNode) string {
		return fmt.Sprintf("[plugins.remotewrite]\nurl = %q\n", answering(t, status, text)+"/api/v1/write")
	})
}
