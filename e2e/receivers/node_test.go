//go:build receivers

package receivers

import (
	"path/filepath"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/simnode"
)

// node is a simulated node whose truth is known, of cgroup version 1, which counts
// nanoseconds.
type node struct {
	t    *testing.T
	name string
	api  *simnode.API
	url  string
	// sysfs and procfs stand for /sys and /proc.
	sysfs, procfs string
	tick          string // how often an agent measures
	listen        string // where its pages are
	tree          *simnode.Tree
}

func newNode(t *testing.T, name string) *node {
	t.Helper()
	n := &node{t: t, name: name, api: simnode.NewAPI(), sysfs: t.TempDir(), procfs: "/proc", tick: "100ms", listen: ownHost() + ":19464"}
	var err error
	if n.url, err = n.api.Listen(); err != nil {
		t.Fatal(err)
	}
	layout := simnode.Layout{Version: simnode.V1, Driver: simnode.Systemd}
	if n.tree, err = simnode.NewTree(filepath.Join(n.sysfs, "fs/cgroup"), layout); err != nil {
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
	return n
}

// bear starts a pod and returns its UID.
func (n *node) bear(name string) string {
	n.t.Helper()
	pod := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: name, Node: n.name, QoS: corev1.PodQOSBurstable})
	n.api.Put(pod)
	if err := n.tree.AddPod(pod); err != nil {
		n.t.Fatal(err)
	}
	return string(pod.UID)
}

// spend has a pod use CPU time, a quarter of it in the kernel.
func (n *node) spend(uid string, d time.Duration) {
	n.t.Helper()
	if err := n.tree.Spend(uid, "main", d-d/4, d/4); err != nil {
		n.t.Fatal(err)
	}
}

// end ends a pod as a kubelet does: its container, its sandbox and then the rest.
func (n *node) end(name, uid string) {
	n.t.Helper()
	for _, container := range []string{"main", simnode.Sandbox} {
		if err := n.tree.RemoveContainer(uid, container); err != nil {
			n.t.Fatal(err)
		}
	}
	if err := n.tree.RemovePod(uid); err != nil {
		n.t.Fatal(err)
	}
	if err := n.api.Delete("shop", name); err != nil {
		n.t.Fatal(err)
	}
}

// spent is the CPU time of a pod so far, in nanoseconds; it is known when the pod has ended, too.
func (n *node) spent(uid string) int64 {
	n.t.Helper()
	counters, known := n.tree.Counters(uid)
	if !known {
		n.t.Fatalf("the node never had the pod %s", uid)
	}
	return counters.CPU().Nanoseconds()
}

// work has pods use CPU time for a while at an even pace: a tenth of a core, and some
// nanoseconds by which they differ.
func (n *node) work(d time.Duration, uids ...string) {
	n.t.Helper()
	const step = 30 * time.Millisecond
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for range d / step {
		<-ticker.C
		for i, uid := range uids {
			n.spend(uid, step/10+time.Duration(i+1))
		}
	}
}
