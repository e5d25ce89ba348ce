package simnode

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// realRoots are the places where this machine may have cgroups: its own tree,
// and the v2 hierarchy of a machine with both versions.
var realRoots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}

// realCgroups runs a test with each kind of real cgroup that this machine has.
func realCgroups(t *testing.T, f func(t *testing.T, root string)) {
	for _, root := range realRoots {
		t.Run(filepath.Base(root), func(t *testing.T) {
			c, err := NewCgroups(root, burnerCommand(t))
			if err != nil {
				t.Skipf("no real cgroups at %s: %v", root, err)
			}
			must(t, c.Close())
			f(t, root)
			for _, dir := range leftovers(t, root) {
				t.Errorf("%s is left", dir)
			}
		})
	}
}

// leftovers returns the directories of runs of this process at a root.
func leftovers(t testing.TB, root string) []string {
	t.Helper()
	name, err := runName(os.Getpid())
	must(t, err)
	_, hierarchies, err := findHierarchies(root)
	must(t, err)
	var left []string
	for _, h := range hierarchies {
		if _, err := os.Stat(filepath.Join(h, demoDir, name)); !errors.Is(err, fs.ErrNotExist) {
			left = append(left, filepath.Join(h, demoDir, name))
		}
	}
	return left
}

// cgroupCPU reads what the kernel has counted for a cgroup.
func cgroupCPU(t testing.TB, c *Cgroups, dir string) time.Duration {
	t.Helper()
	if c.Version() == V2 {
		return time.Duration(values(t, c.Root(), dir, "cpu.stat")["usage_usec"]) * time.Microsecond
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(read(t, c.Root(), "cpuacct", dir, "cpuacct.usage")), 10, 64)
	must(t, err)
	return time.Duration(ns)
}

// within tells whether two times agree up to a share and a rest.
func within(a, b time.Duration, share float64, rest time.Duration) bool {
	return float64((a - b).Abs()) <= share*float64(b)+float64(rest)
}

func TestBurnerFollowsItsLoadInItsCgroup(t *testing.T) {
	realCgroups(t, func(t *testing.T, root string) {
		c, err := NewCgroups(root, burnerCommand(t))
		must(t, err)
		defer func() { must(t, c.Close()) }()
		pod := NewPod(PodTemplate{Namespace: "a", Name: "b", QoS: corev1.PodQOSBurstable, Containers: []string{"busy", "idle"}})
		uid := string(pod.UID)
		load := Load{Phases: []Phase{{For: 2 * time.Second, Cores: 0.3, System: 0.5}}}
		must(t, c.AddPod(pod, map[string]Load{"busy": load}))
		dir, _ := c.PodDir(uid)
		if want := c.Run() + "/kubepods/burstable/pod" + uid; dir != want {
			t.Errorf("got %s, want %s", dir, want)
		}
		id, _ := ContainerID(pod, "busy")
		var procs []string
		for _, d := range c.dirs(dir + "/" + id) {
			procs = append(procs, strings.Fields(read(t, d, "cgroup.procs"))...)
		}
		if len(procs) != len(c.hierarchies) {
			t.Errorf("got processes %v in the container's cgroups, want one in each of %d hierarchies", procs, len(c.hierarchies))
		}

		// What is scripted is over after two seconds, and stays as it is. A
		// machine without CPU time to spare may need longer.
		busy := c.pods[uid].containers["busy"].process
		idle := c.pods[uid].containers["idle"].process
		before := idle.cpu()
		begin := before // what a process uses to start up, where that counts
		want := 600 * time.Millisecond
		deadline := time.Now().Add(patience)
		for busy.cpu()-begin < want*96/100 && time.Now().Before(deadline) {
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // for the rest, and for more than it should
		if got := busy.cpu() - begin; !within(got, want, 0.05, 20*time.Millisecond) {
			t.Errorf("got %v, want the scripted %v", got, want)
		}
		truth, ok := c.CPU(uid)
		if counted := cgroupCPU(t, c, dir); !ok || !within(truth, counted, 0.01, 2*time.Millisecond) {
			t.Errorf("got %v by the processes' clocks, %v by the cgroup, want the same", truth, counted)
		}
		if got := idle.cpu() - before; got > 20*time.Millisecond {
			t.Errorf("an idle process used %v", got)
		}
		user, system := splitOf(t, busy.cmd.Process.Pid)
		if total := user + system; !raceDetector && (system < total*3/10 || system > total*7/10) {
			t.Errorf("got %v user and %v system, want about half of each", user, system)
		}

		must(t, c.RemoveContainer(uid, "busy"))
		if ended, _ := c.CPU(uid); !within(ended, truth, 0.05, 20*time.Millisecond) || ended < truth {
			t.Errorf("got %v after the process has ended, want the %v of before and its last moment", ended, truth)
		}
		must(t, c.RemovePod(uid))
		if _, ok := c.CPU(uid); !ok {
			t.Error("the truth of the pod is gone with it")
		}
		for _, d := range c.dirs(dir) {
			if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v for %s, want that it is gone", err, d)
			}
		}
	})
}

// splitOf reads user and system time of a process from /proc.
func splitOf(t testing.TB, pid int) (user, system time.Duration) {
	t.Helper()
	_, rest, _ := strings.Cut(read(t, fmt.Sprintf("/proc/%d/stat", pid)), ") ")
	fields := strings.Fields(rest)
	tick := func(i int) time.Duration {
		n, err := strconv.Atoi(fields[i])
		must(t, err)
		return time.Duration(n) * time.Second / userHZ
	}
	return tick(11), tick(12)
}

func TestMemoryIsHeld(t *testing.T) {
	realCgroups(t, func(t *testing.T, root string) {
		c, err := NewCgroups(root, burnerCommand(t))
		must(t, err)
		defer func() { must(t, c.Close()) }()
		pod := NewPod(PodTemplate{Namespace: "a", Name: "b"})
		const held = 64 << 20
		must(t, c.AddPod(pod, map[string]Load{"main": {Memory: held}}))
		dir, _ := c.PodDir(string(pod.UID))
		file := filepath.Join(root, "memory", dir, "memory.usage_in_bytes")
		if c.Version() == V2 {
			file = filepath.Join(root, dir, "memory.current")
		}
		if _, err := os.Stat(file); err != nil {
			t.Skipf("no memory is counted here: %v", err)
		}
		var got uint64
		for deadline := time.Now().Add(patience); got < held && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
			got, err = strconv.ParseUint(strings.TrimSpace(read(t, file)), 10, 64)
			must(t, err)
		}
		if got < held || got > held+16<<20 {
			t.Errorf("got %d bytes in the cgroup, want the %d that are held and a little", got, held)
		}
	})
}

func TestProcessThatEndsByItselfIsReported(t *testing.T) {
	realCgroups(t, func(t *testing.T, root string) {
		c, err := NewCgroups(root, burnerCommand(t))
		must(t, err)
		defer func() { must(t, c.Close()) }()
		pod := NewPod(PodTemplate{Namespace: "a", Name: "b"})
		must(t, c.AddPod(pod, map[string]Load{"main": Steady(0.05, 0)}))
		must(t, c.Check())
		p := c.pods[string(pod.UID)].containers["main"].process
		must(t, p.cmd.Process.Kill())
		<-p.done
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), "killed") || !strings.Contains(err.Error(), "a/b") {
			t.Errorf("got %v, want that the pod's process was killed", err)
		}
	})
}

func TestBrokenCommandsLeaveNothing(t *testing.T) {
	realCgroups(t, func(t *testing.T, root string) {
		for name, command := range map[string][]string{
			"no such program":      {"/nowhere/burner"},
			"it ends at once":      {"/bin/true"},
			"it is something else": {"/bin/echo", "hello, world"},
			"it explains itself":   {"/bin/sh", "-c", "echo out of order >&2; exit 3"},
		} {
			c, err := NewCgroups(root, command)
			must(t, err)
			pod := NewPod(PodTemplate{Namespace: "a", Name: "b"})
			err = c.AddPod(pod, nil)
			if err == nil || !strings.Contains(err.Error(), "pod a/b") || !strings.Contains(err.Error(), `"main"`) {
				t.Errorf("%s: got %v, want an error that names pod and container", name, err)
			}
			if name == "it explains itself" && !strings.Contains(err.Error(), "out of order") {
				t.Errorf("got %v, want what the program said", err)
			}
			if _, ok := c.PodDir(string(pod.UID)); ok {
				t.Errorf("%s: the pod is still there", name)
			}
			must(t, c.Close())
		}
	})
}

func TestNoCgroupsHere(t *testing.T) {
	if _, err := NewCgroups(t.TempDir(), []string{"x"}); err == nil || !strings.Contains(err.Error(), "no cgroups with cpuacct") {
		t.Errorf("got %v for an ordinary folder", err)
	}
	if _, err := NewCgroups("/nowhere", []string{"x"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a folder that is not there", err)
	}
	if _, err := NewCgroups("/sys/fs/cgroup", nil); err == nil || !strings.Contains(err.Error(), "command") {
		t.Errorf("got %v without a command", err)
	}
}

// TestClearAfterAKill kills a whole node and finds that its processes end by
// themselves, and that Clear removes what it left, but nothing of this process.
func TestClearAfterAKill(t *testing.T) {
	realCgroups(t, func(t *testing.T, root string) {
		alive, err := NewCgroups(root, burnerCommand(t))
		must(t, err)
		defer func() { must(t, alive.Close()) }()
		must(t, alive.AddPod(NewPod(PodTemplate{Namespace: "a", Name: "b"}), nil))
		temp := t.TempDir()
		t.Setenv("TMPDIR", temp)
		simulated, err := newSimulation()
		must(t, err)
		defer func() { must(t, simulated.Close()) }()

		run := killNode(t, root, temp)
		folder := filepath.Join(temp, demoDir+"-"+filepath.Base(run)+"-123")
		must(t, os.MkdirAll(filepath.Join(folder, "kubepods.slice"), 0o755))
		strange := filepath.Join(temp, demoDir+"-notes")
		must(t, os.WriteFile(strange, nil, 0o644))

		must(t, Clear(root))
		for _, dir := range alive.dirs(run) {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v for %s, want that it is gone", err, dir)
			}
		}
		if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v for %s, want that it is gone", err, folder)
		}
		for _, path := range append(alive.dirs(alive.Run()), simulated.Root(), strange) {
			if _, err := os.Stat(path); err != nil {
				t.Errorf("%s is not ours to clear: %v", path, err)
			}
		}
		if err := alive.Check(); err != nil {
			t.Errorf("a process of a run that is alive: %v", err)
		}
	})
}

// killNode starts a node in another process, adds a process to its cgroup that
// does not end with it, kills the node, and returns the name of its run.
func killNode(t *testing.T, root, temp string) string {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), role+"=node", "SIMNODE_TEST_ROOT="+root, "TMPDIR="+temp)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	defer in.Close()
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	run, err := bufio.NewReader(out).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	run = strings.TrimSpace(run)

	orphan := exec.Command("/bin/sleep", "600")
	must(t, orphan.Start())
	version, hierarchies, err := findHierarchies(root)
	must(t, err)
	for _, h := range hierarchies {
		matches, err := filepath.Glob(filepath.Join(h, run, "kubepods/besteffort/pod*/*/cgroup.procs"))
		if err != nil || len(matches) != 3 {
			t.Fatalf("got containers %v, %v in %s, want two and a sandbox", matches, err, version)
		}
		must(t, os.WriteFile(matches[0], []byte(strconv.Itoa(orphan.Process.Pid)), 0))
	}
	must(t, cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	t.Cleanup(func() {
		if err := orphan.Wait(); err == nil {
			t.Error("the process that was left has not been killed")
		}
	})
	return run
}
