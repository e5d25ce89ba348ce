package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// set writes a setting of a cgroup, where its controller is.
func set(t *testing.T, c controller, path, v1, v2, value string) {
	t.Helper()
	name := v1
	if c.v2 {
		name = v2
	}
	if err := os.WriteFile(filepath.Join(c.dir, path, name), []byte(value), 0); err != nil {
		t.Fatal(err)
	}
}

// inCgroup runs a shell command in a cgroup, to its end or until it is killed.
func inCgroup(t *testing.T, m *cgrouptest.Machine, path, command string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "read go; "+command)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range m.Dirs {
		if err := os.WriteFile(filepath.Join(dir, path, "cgroup.procs"), []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
			t.Error(err)
		}
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
	}
}

// What this machine's kernel tells of limits that are set, and of what they do.
func TestEveryGroupOnThisMachine(t *testing.T) {
	machine := cgrouptest.New(t, "cpu", "pids", "blkio")
	h := open(t, cgrouptest.Root)
	if h.throttling.dir == "" || h.pids.dir == "" || h.memory.dir == "" {
		t.Skip("this machine lacks a controller")
	}
	pod := machine.Top + "/pod"
	child := pod + "/main"
	machine.Make(pod)
	machine.Make(child)
	var buf Buffer
	read := func(path string) (e everything) {
		t.Helper()
		r := h.Reader(path)
		defer r.Close()
		if err := readEverything(r, &buf, &e); err != nil {
			t.Error(err)
		}
		return e
	}

	free := read(pod)
	if free.Detail.Max.Known || free.Detail.SwapMax.Known || free.PIDs.Max.Known {
		t.Errorf("without limits: %+v, %+v; want none known", free.Detail, free.PIDs)
	}
	if !free.PIDs.Current.Known || !free.Throttling.Periods.Known || !free.Detail.WorkingSet.Known || !free.Detail.PageFaults.Known {
		t.Errorf("new: %+v", free)
	}

	set(t, h.pids, pod, "pids.max", "pids.max", "5")
	set(t, h.memory, child, "memory.limit_in_bytes", "memory.max", "16777216")
	if h.throttling.v2 {
		set(t, h.throttling, pod, "", "cpu.max", "10000 100000")
	} else {
		set(t, h.throttling, pod, "cpu.cfs_quota_us", "", "10000")
	}
	inCgroup(t, machine, child, "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; : $(head -c 100000000 /dev/zero | tail -c 100000000)")
	inPod, inChild := read(pod), read(child)
	if inPod.PIDs.Max != val(5) || inChild.PIDs.Max.Known {
		t.Errorf("limit of processes: pod %v, child %v; want 5 and none", inPod.PIDs.Max, inChild.PIDs.Max)
	}
	if inChild.Detail.Max != val(16777216) || inPod.Detail.Max.Known {
		t.Errorf("memory limit: pod %v, child %v; want none and 16 MiB", inPod.Detail.Max, inChild.Detail.Max)
	}
	th := inPod.Throttling
	if th.Periods.N == 0 || th.Throttled.N == 0 || th.Throttled.N > th.Periods.N || time.Duration(th.Time.N) < 10*time.Millisecond {
		t.Errorf("throttling: %+v, want some", th)
	}
	if inPod.Detail.PageFaults.N < 100 || inPod.Detail.MajorPageFaults.N > inPod.Detail.PageFaults.N {
		t.Errorf("page faults: %+v", inPod.Detail)
	}
	// tail has grown beyond the limit. Version 1 tells it to the child alone.
	if h.CountsOOMKills() {
		if inPod.Detail.OOMKills.N == 0 || inPod.Detail.OwnOOMKills.Known {
			t.Errorf("OOM kills: %+v, want some", inPod.Detail)
		}
	} else if inChild.Detail.OwnOOMKills.N == 0 || inPod.Detail.OwnOOMKills.N != 0 || inPod.Detail.OOMKills.Known {
		t.Errorf("OOM kills: pod %+v, child %+v; want them in the child alone", inPod.Detail, inChild.Detail)
	}
}
