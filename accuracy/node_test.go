package accuracy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

const nodeName = "node-1"

// node is a machine as its kernel shows it: counters of energy, control groups, /proc.
// They are written when somebody is about to read them.
type node struct {
	*silicon
	t      *testing.T
	script *scenario
	pods   []*pod // all that ever are
	system *actor

	sysfs, procfs string
	tree          *simnode.Tree
	powercap      *simnode.Powercap
	zones         [domains][]string // by socket

	alive   []*pod
	written map[*pod]uint64 // µs of CPU time that its control group shows
	shown   [domains][]uint64
}

func newNode(t *testing.T, s *scenario) *node {
	t.Helper()
	n := &node{silicon: newSilicon(s.machine), t: t, script: s, sysfs: t.TempDir(), procfs: t.TempDir(), written: make(map[*pod]uint64)}
	n.pods, n.system = s.actors(&n.silicon.machine)
	var err error
	if n.tree, err = simnode.NewTree(filepath.Join(n.sysfs, "fs/cgroup"), simnode.Layout{Version: simnode.V2}); err != nil {
		t.Fatal(err)
	}
	var zones []simnode.PowercapZone
	for i, z := range simnode.TwoSocketServer()[:domains*len(s.sockets)] {
		z.Start = z.Range - 100_000_000 // so that it goes over its end
		zones = append(zones, z)
		n.zones[i%domains] = append(n.zones[i%domains], z.Folder)
	}
	if n.powercap, err = simnode.NewPowercap(n.sysfs, zones...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.tree.Close(); err != nil {
			t.Error(err)
		}
		if err := n.powercap.Close(); err != nil {
			t.Error(err)
		}
	})
	for d := range n.shown {
		n.shown[d] = make([]uint64, len(s.sockets))
	}
	for cpu := range s.cpus() {
		n.file(n.sysfs, fmt.Sprintf("devices/system/cpu/cpu%d/topology/physical_package_id", cpu), strconv.Itoa(n.socketOf(cpu)))
	}
	for _, name := range []string{"possible", "present", "online"} {
		n.file(n.sysfs, "devices/system/cpu/"+name, fmt.Sprint("0-", s.cpus()-1))
	}
	for _, p := range n.pods {
		if p.born == 0 {
			n.bear(p)
		}
	}
	n.flush()
	return n
}

// file writes a file that is no counter, or counts where few look.
func (n *node) file(root, path, text string) {
	n.t.Helper()
	path = filepath.Join(root, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		n.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text+"\n"), 0o644); err != nil {
		n.t.Fatal(err)
	}
}

// actors are those that may work now.
func (n *node) actors() []*actor {
	all := []*actor{n.system}
	for _, p := range n.alive {
		all = append(all, p.actor)
	}
	return all
}

// bear makes a pod's control group, without those of its containers, which nobody reads.
func (n *node) bear(p *pod) {
	n.t.Helper()
	made := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: p.name, Node: nodeName, UID: p.uid, QoS: corev1.PodQOSBurstable})
	made.Spec.Containers, made.Status.ContainerStatuses = nil, nil
	err := n.tree.AddPod(made)
	if err == nil {
		err = n.tree.SetMemory(p.uid, simnode.Sandbox, simnode.Memory{Anon: p.memory})
	}
	if err != nil {
		n.t.Fatal(err)
	}
	n.alive = append(n.alive, p)
}

// end removes a pod's control group. What it used is in the folder above.
func (n *node) end(p *pod) {
	n.t.Helper()
	if err := n.tree.RemovePod(p.uid); err != nil {
		n.t.Fatal(err)
	}
	n.alive = slices.DeleteFunc(n.alive, func(other *pod) bool { return other == p })
}

// group is the path of a pod's control group below the root.
func (n *node) group(p *pod) string {
	n.t.Helper()
	dir, ok := n.tree.PodDir(p.uid, "")
	if !ok {
		n.t.Fatalf("pod %s has no control group", p.name)
	}
	return strings.TrimPrefix(dir, n.tree.Root())
}

// flush writes what the kernel shows now.
func (n *node) flush() {
	n.t.Helper()
	for _, p := range n.alive {
		used := p.cpuTime()
		if err := n.tree.Spend(p.uid, simnode.Sandbox, time.Duration(used-n.written[p])*time.Microsecond, 0); err != nil {
			n.t.Fatal(err)
		}
		n.written[p] = used
	}
	for d, zones := range n.zones {
		for i, zone := range zones {
			spent := n.joules[d][i] / 1000 // whole µJ
			if err := n.powercap.Spend(zone, spent-n.shown[d][i]); err != nil {
				n.t.Fatal(err)
			}
			n.shown[d][i] = spent
		}
	}
	n.file(n.procfs, "stat", n.stat())
	n.file(n.procfs, "meminfo", n.meminfo())
}

// tickUS is the unit of /proc/stat in µs.
const tickUS = 10_000

// uptime is how long the machine has rested before anybody looks.
const uptime = time.Hour

// passed is how long the machine runs, in µs.
func (n *node) passed() uint64 { return uint64((uptime + n.now) / time.Microsecond) }

// ticks are the node's busy time and all its time, as /proc/stat counts them.
func (n *node) ticks() (busy, all uint64) {
	var worked uint64
	for _, us := range n.busy {
		worked += us
	}
	passed := n.passed() * uint64(len(n.busy))
	busy = worked / tickUS
	return busy, busy + (passed-worked)/tickUS
}

// stat is what /proc/stat shows: first all CPUs together, then each.
func (n *node) stat() string {
	var b strings.Builder
	busy, all := n.ticks()
	fmt.Fprintf(&b, "cpu  %d 0 0 %d 0 0 0 0 0 0\n", busy, all-busy)
	passed := n.passed()
	for cpu, us := range n.busy {
		fmt.Fprintf(&b, "cpu%d %d 0 0 %d 0 0 0 0 0 0\n", cpu, us/tickUS, (passed-us)/tickUS)
	}
	b.WriteString("intr 0\nctxt 0")
	return b.String()
}

// meminfo has the system hold a gibibyte beside what the pods do.
func (n *node) meminfo() string {
	const whole = 64 << 10 * mebi
	used := uint64(1024 * mebi)
	for _, p := range n.alive {
		used += p.memory
	}
	return fmt.Sprintf("MemTotal: %d kB\nMemFree: %[2]d kB\nMemAvailable: %[2]d kB", whole>>10, (whole-used)>>10)
}
