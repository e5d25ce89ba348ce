package main

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/simnode"
)

// K20: whatever plugins run, the agent listens where it is told, and nowhere else.
func TestListensWhereItIsTold(t *testing.T) {
	t.Parallel()
	const outputs = "[plugins.rapl]\n[plugins.hwmon]\n[plugins.estimate]\n[plugins.attribution]\n[plugins.csv]\n" +
		"[plugins.remotewrite]\nurl = \"http://127.0.0.1:1\"\n[plugins.otlp]\nendpoint = \"http://127.0.0.1:1\"\n"
	for _, discovery := range []string{"watch", "poll", "kubelet"} {
		for _, tt := range []struct{ name, listen, more string }{
			{"on the loopback", "127.0.0.1:0", "[plugins.prometheus]\n"},
			{"on another address of it", "[::1]:0", "[plugins.prometheus]\n"},
			{"nowhere", "", ""},
		} {
			t.Run(discovery+", "+tt.name, func(t *testing.T) {
				t.Parallel()
				n := newNode(t, "node-1", simnode.V2)
				r := startProgram(t, "run", "--config", configFile(t, fmt.Sprintf(`[agent]
listen = %q
[plugins.k8s]
k8s_node = "node-1"
k8s_api_url = %q
kubelet_url = %q
pod_discovery = %q
cgroup_root = %q
poll_interval = "50ms"
%s`, tt.listen, n.url, n.url, discovery, n.tree.Root(), outputs+tt.more)))
				want := []string{}
				if tt.listen != "" {
					want = append(want, "tcp "+r.listening())
				}
				eventually(t, "some ticks", func() bool { return strings.Count(r.stdout.String(), "memory_usage") > 5 })
				if diff := cmp.Diff(want, listeners(t, r.pid)); diff != "" {
					t.Errorf("-told +listens\n%s", diff)
				}
				r.signal(syscall.SIGTERM)
				r.wait()
			})
		}
	}
}

// The way to see what a process listens on sees what this one does.
func TestListenersAreSeen(t *testing.T) {
	n := newNode(t, "node-1", simnode.V2)
	if want := "tcp " + strings.TrimPrefix(n.url, "http://"); !slices.Contains(listeners(t, os.Getpid()), want) {
		t.Errorf("sees %v, want %s among them", listeners(t, os.Getpid()), want)
	}
}

// listeners are the addresses at which a process takes connections or datagrams, as the
// kernel tells them.
func listeners(t *testing.T, pid int) []string {
	t.Helper()
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	files, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	own := make(map[string]bool) // inodes of sockets
	for _, f := range files {
		to, err := os.Readlink(filepath.Join(proc, "fd", f.Name()))
		if inode, ok := strings.CutPrefix(to, "socket:["); err == nil && ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	all := []string{}
	for _, table := range []struct{ name, protocol, state string }{
		{"tcp", "tcp", "0A"}, {"tcp6", "tcp", "0A"}, {"udp", "udp", "07"}, {"udp6", "udp", "07"},
	} {
		text, err := os.ReadFile(filepath.Join(proc, "net", table.name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			// sl, local_address, rem_address, st, queues, tr, retrnsmt, uid, timeout, inode
			if cells := strings.Fields(line); len(cells) > 9 && cells[3] == table.state && own[cells[9]] {
				all = append(all, table.protocol+" "+address(t, cells[1]))
			}
		}
	}
	slices.Sort(all)
	return all
}

// address reads an address as these tables have it: words of 32 bits in the order of the
// machine's bytes, which is little-endian, and a port.
func address(t *testing.T, text string) string {
	t.Helper()
	ip, port, _ := strings.Cut(text, ":")
	bytes, err := hex.DecodeString(ip)
	if err != nil {
		t.Fatal(err)
	}
	for word := range slices.Chunk(bytes, 4) {
		slices.Reverse(word)
	}
	number, err := strconv.ParseUint(port, 16, 16)
	if err != nil {
		t.Fatal(err)
	}
	from, ok := netip.AddrFromSlice(bytes)
	if !ok {
		t.Fatalf("the kernel tells the address %q", text)
	}
	return netip.AddrPortFrom(from.Unmap(), uint16(number)).String()
}
