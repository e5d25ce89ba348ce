//go:build e2e

package e2e

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// identity is what the kernel says of the agent's process, where a folder of the manifests
// was applied: nobody's, without capabilities, unless it reads energy.
func identity(folder string) map[string]string {
	none, nobody := "0000000000000000", "65534 65534 65534 65534"
	is := map[string]string{"Uid": nobody, "Gid": nobody, "Groups": "65534", "CapInh": none, "CapPrm": none, "CapEff": none, "CapBnd": none, "CapAmb": none,
		"NoNewPrivs": "1", "Seccomp": "2"}
	switch folder {
	case "energy-perf":
		const perfmon = "0000004000000000" // capabilities(7): number 38
		is["CapPrm"], is["CapEff"], is["CapBnd"] = perfmon, perfmon, perfmon
		fallthrough
	case "energy-root":
		is["Uid"], is["Gid"], is["Groups"] = "0 0 0 0", "0 0 0 0", "0"
	case "energy-udev":
		is["Groups"] = "9464 65534"
	}
	return is
}

// checkConfined looks at the agent's process from outside: it is what it should be, sees
// no other process, and has nothing of the node mounted in a way that can be written.
func checkConfined(t *testing.T, self pod, folder string) {
	t.Helper()
	_, id, _ := strings.Cut(self.Status.ContainerStatuses[0].ContainerID, "://")
	processes := findGroup(t, id).processes(t)
	if len(processes) != 1 || arguments(t, processes[0])[0] != "/podjoule" {
		t.Fatalf("the agent's container has the processes %v, want /podjoule alone", processes)
	}
	var others []string // in the container's own /proc, whose environment it could read
	seenBy, err := filepath.Glob(fmt.Sprintf("/proc/%d/root/proc/[0-9]*", processes[0]))
	for _, process := range seenBy {
		others = append(others, filepath.Base(process))
	}
	if err != nil || !slices.Equal(others, []string{"1"}) {
		t.Errorf("the container sees the processes %v (%v), want its own alone", others, err)
	}
	want := identity(folder)
	for line := range strings.Lines(text(t, fmt.Sprintf("/proc/%d/status", processes[0]))) {
		key, value, _ := strings.Cut(line, ":")
		if value = strings.Join(strings.Fields(value), " "); want[key] != "" && value != want[key] {
			t.Errorf("the process has %s %s, want %s", key, value, want[key])
		}
	}
	var seen []string
	for line := range strings.Lines(text(t, fmt.Sprintf("/proc/%d/mountinfo", processes[0]))) {
		fields := strings.Fields(line) // proc(5): the fifth is the place, the sixth are its options
		place := fields[4]
		ours := place == "/" || place == "/etc/podjoule" || strings.HasPrefix(place, "/host/") || strings.HasPrefix(place, "/var/run/secrets/")
		if ours && !slices.Contains(strings.Split(fields[5], ","), "ro") {
			t.Errorf("%s can be written: %s", place, line)
		}
		seen = append(seen, place)
	}
	for _, place := range []string{"/", "/etc/podjoule", "/host/sys", "/host/sys/fs/cgroup"} {
		if !slices.Contains(seen, place) {
			t.Errorf("nothing is mounted at %s, but at %v", place, seen)
		}
	}
}
