//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// ctr runs containerd's client and returns its standard output.
func ctr(t *testing.T, args ...string) string {
	t.Helper()
	return command(t, "ctr", append([]string{"-a", stateFile(t, "containerd.sock"), "-n", "k8s.io"}, args...)...)
}

// command runs a program and returns its standard output.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...) // not ended with the test, whose cleanup needs it too
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// runtimeNumbers are what the runtime reads of a container, under the names that
// podjoule has for them: CPU time since the container's birth, and memory.
func runtimeNumbers(t *testing.T, id string) map[string]uint64 {
	t.Helper()
	var answer map[string]any
	d := json.NewDecoder(strings.NewReader(ctr(t, "tasks", "metrics", "--format", "json", id)))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		t.Fatalf("read ctr's metrics: %v", err)
	}
	if version2() {
		return map[string]uint64{
			"container_cpu_time_delta":             1000 * at(t, answer, "cpu", "usage_usec"),
			"container_memory_usage":               at(t, answer, "memory", "usage"),
			"container_cgroup_memory_anonymous":    at(t, answer, "memory", "anon"),
			"container_cgroup_memory_file":         at(t, answer, "memory", "file"),
			"container_cgroup_memory_kernel_stack": at(t, answer, "memory", "kernel_stack"),
		}
	}
	return map[string]uint64{
		"container_cpu_time_delta":          at(t, answer, "cpu", "usage", "total"),
		"container_memory_usage":            at(t, answer, "memory", "usage", "usage"),
		"container_cgroup_memory_anonymous": at(t, answer, "memory", "total_rss"),
		"container_cgroup_memory_file":      at(t, answer, "memory", "total_cache"),
	}
}

// at is a number deep in what JSON told. The runtime leaves zeros out.
func at(t *testing.T, tree any, keys ...string) uint64 {
	t.Helper()
	for _, key := range keys {
		branch, _ := tree.(map[string]any)
		tree = branch[key]
	}
	n, told := tree.(json.Number)
	if !told {
		return 0
	}
	return number(t, n.String())
}
