package simnode

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The topology is as the kernel writes it; a CPU that goes offline has none.
func TestWriteTopology(t *testing.T) {
	sysfs := t.TempDir()
	dir := filepath.Join(sysfs, "devices/system/cpu")
	for _, packages := range [][]int{{0, 3, 3}, {0, -1, 3}} {
		if err := WriteTopology(sysfs, packages...); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{
		"possible": "0-2\n", "online": "0,2\n", "cpu0/topology/physical_package_id": "0\n", "cpu2/topology/physical_package_id": "3\n",
	} {
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", name, text, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "cpu1/topology")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a CPU that is offline has a topology: %v", err)
	}
}

// What is spent on a CPU is told there, of the container and all above it; a set of CPUs
// is that of the pod.
func TestTreeTellsCPUs(t *testing.T) {
	for _, version := range []Version{V1, V2} {
		tree, err := NewTree(t.TempDir(), Layout{Version: version})
		if err != nil {
			t.Fatal(err)
		}
		p := NewPod(PodTemplate{Namespace: "shop", Name: "web"})
		uid := string(p.UID)
		if err := errors.Join(
			tree.AddPod(p), tree.SpendOn(2, uid, "main", time.Second, time.Millisecond), tree.Spend(uid, "main", 5, 0), tree.SetCPUs(uid, "2"),
		); err != nil {
			t.Fatal(err)
		}
		if tree.SpendOn(TreeCPUs, uid, "main", 1, 0) == nil || tree.SetCPUs("none", "0") == nil {
			t.Error("a CPU or a pod that is not there is taken")
		}
		name, hierarchy, want := "cpuacct.usage_percpu", "cpuacct", "0000000000000005 0000000000000000 0000001001000000 0000000000000000 \n"
		if version == V2 {
			name, hierarchy, want = "cpuset.cpus.effective", "", "2\n"
		}
		dir, _ := tree.PodDir(uid, hierarchy)
		if text, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(text) != want {
			t.Errorf("%s is %q, %v; want %q", name, text, err, want)
		}
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	}
}
