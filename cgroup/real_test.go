package cgroup

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/cgroup/cgrouptest"
)

// spend runs a process in a cgroup that uses some CPU time, and returns how
// much, as the kernel counted it for the process itself.
func spend(t testing.TB, m *cgrouptest.Machine, path string) time.Duration {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "read go; i=0; while [ $i -lt 600000 ]; do i=$((i+1)); done")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, dir := range m.Dirs {
		procs := filepath.Join(dir, path, "cgroup.procs")
		if err := os.WriteFile(procs, []byte(strconv.Itoa(cmd.Process.Pid)), 0); err != nil {
			_ = cmd.Process.Kill()
			t.Fatal(err)
		}
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}

func TestModeAgreesWithContainerd(t *testing.T) {
	h, err := Open(cgrouptest.Root)
	if err != nil {
		t.Skip(err)
	}
	want := map[cgroups.CGMode]Mode{cgroups.Legacy: V1, cgroups.Hybrid: Hybrid, cgroups.Unified: V2}[cgroups.Mode()]
	if got := h.Mode(); want != 0 && got != want {
		t.Errorf("mode %v, containerd says %v", got, want)
	}
}

// A known burn on this machine's own cgroups: read in the right unit, the same
// as containerd's library reads, and kept by the parent when the child goes.
func TestKnownBurnOnThisMachine(t *testing.T) {
	machine := cgrouptest.New(t)
	h := open(t, cgrouptest.Root)
	path := machine.Top + "/kubepods"
	machine.Make(path)
	path += "/pod" + uid
	machine.Make(path)

	f := h.Finder(false)
	defer f.Close()
	var mine *Found
	for _, found := range scan(t, f, true).Appeared {
		if found.Path == path {
			mine = found
		}
	}
	if mine == nil || mine.UID != uid {
		t.Fatalf("%s is not found", path)
	}

	r := h.Reader(path)
	defer r.Close()
	var buf Buffer
	var before, after CPU
	if err := r.CPU(&buf, &before); err != nil {
		t.Fatal(err)
	}
	used := spend(t, machine, path)
	if err := r.CPU(&buf, &after); err != nil {
		t.Fatal(err)
	}
	got := time.Duration(after.Total.N - before.Total.N)
	if diff := (got - used).Abs(); diff > used/50+5*time.Millisecond {
		t.Errorf("read %v of CPU time, the process used %v", got, used)
	}
	// The split is sampled at the kernel's ticks, so that it only comes near.
	sum := time.Duration(after.User.N + after.System.N)
	if diff := (sum - time.Duration(after.Total.N)).Abs(); diff > used/4+50*time.Millisecond {
		t.Errorf("user %v + system %v, total %v", after.User, after.System, after.Total)
	}
	if want, ok := containerdCPU(t, h, path); ok {
		if diff := cmp.Diff(want, after.Total.N); diff != "" {
			t.Errorf("-containerd +read\n%s", diff)
		}
	}

	// Removed: the files say so, the finder says so, the parent keeps the time.
	parent := h.Reader(filepath.Dir(path))
	defer parent.Close()
	var m Memory
	if err := r.Memory(&buf, &m); err != nil {
		t.Fatal(err)
	}
	machine.Remove(path)
	var gone CPU
	if err := r.CPU(&buf, &gone); !errors.Is(err, ErrGone) || gone.Total.Known {
		t.Errorf("CPU of a removed cgroup: %+v, %v; want ErrGone", gone, err)
	}
	if err := r.Memory(&buf, &m); h.HasMemory() && (!errors.Is(err, ErrGone) || m.Usage.Known) {
		t.Errorf("memory of a removed cgroup: %+v, %v; want ErrGone", m, err)
	}
	if gone := below(machine, scan(t, f, false).Gone); len(gone) != 1 || gone[0] != mine {
		t.Errorf("gone: %v, want %s", paths(gone), path)
	}
	var kept CPU
	if err := parent.CPU(&buf, &kept); err != nil || kept.Total.N < after.Total.N {
		t.Errorf("the parent has %v, %v; want at least %v", kept.Total, err, after.Total)
	}

	// Made again under the same name, it is another one, and starts from zero.
	machine.Make(path)
	appeared := below(machine, scan(t, f, false).Appeared)
	if len(appeared) != 1 || !appeared[0].Born {
		t.Fatalf("made again: %v, want it born", paths(appeared))
	}
	if err := r.CPU(&buf, &gone); err != nil || gone.Total.N >= after.Total.N {
		t.Errorf("made again: %+v, %v; want it near 0", gone, err)
	}
	machine.Remove(path)
	machine.Make(path)
	c := scan(t, f, false)
	if gone, appeared := below(machine, c.Gone), below(machine, c.Appeared); len(gone) != 1 || len(appeared) != 1 {
		t.Errorf("replaced between two scans: %d gone, %d appeared; want 1 and 1", len(gone), len(appeared))
	}

	// The folder of all pods goes, too.
	for _, p := range []string{path, filepath.Dir(path)} {
		machine.Remove(p)
	}
	if scan(t, f, false); !f.Lost() {
		t.Error("kubepods was removed, and Lost does not say so")
	}
	machine.Make(filepath.Dir(path))
	machine.Make(path)
	if appeared := below(machine, scan(t, f, true).Appeared); len(appeared) != 1 {
		t.Errorf("kubepods was made again: %v, want the pod", paths(appeared))
	}
}

// below leaves out what other programs make on the same machine meanwhile.
func below(machine *cgrouptest.Machine, found []*Found) []*Found {
	var mine []*Found
	for _, f := range found {
		if strings.HasPrefix(f.Path, machine.Top+"/") {
			mine = append(mine, f)
		}
	}
	return mine
}

func containerdCPU(t testing.TB, h *Hierarchy, path string) (uint64, bool) {
	if h.cpu.v2 {
		m, err := cgroup2.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.StatFiltered(cgroup2.StatCPU)
		if err != nil {
			t.Fatal(err)
		}
		return s.GetCPU().GetUsageUsec() * 1000, true
	}
	c, err := cgroup1.Load(cgroup1.StaticPath(path))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Stat(cgroup1.IgnoreNotExist)
	if err != nil {
		t.Fatal(err)
	}
	return s.GetCPU().GetUsage().GetTotal(), true
}
