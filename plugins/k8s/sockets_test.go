package k8s

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
	"github.com/podjoule/podjoule/simnode"
)

// socketNode is a simulated node whose CPUs belong to packages.
type socketNode struct {
	*metronome
	tree  *simnode.Tree
	sysfs string
}

func newSocketNode(t *testing.T, version simnode.Version, packages ...int) *socketNode {
	t.Helper()
	n := &socketNode{tree: newTree(t, simnode.Layout{Version: version}), sysfs: t.TempDir()}
	n.setPackages(t, packages...)
	n.metronome = newMetronome(t, openSocketNode(t, n.tree.Root(), n.sysfs))
	return n
}

// openSocketNode opens the plugin without a Run, with CPU time by package.
func openSocketNode(t testing.TB, root, sysfs string) *source {
	t.Helper()
	c := defaults()
	c.Node, c.CgroupRoot, c.MetricGroups = node, root, []string{groupCPU, groupSockets}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	host := plugintest.NewHost(t)
	host.SysfsRoot = sysfs
	opened, err := c.Open(t.Context(), host.Host)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*source)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (n *socketNode) setPackages(t testing.TB, packages ...int) {
	t.Helper()
	if err := simnode.WriteTopology(n.sysfs, packages...); err != nil {
		t.Fatal(err)
	}
}

func (n *socketNode) add(name string) *corev1.Pod {
	n.t.Helper()
	p := simnode.NewPod(template("shop", name))
	if err := n.tree.AddPod(p); err != nil {
		n.t.Fatal(err)
	}
	return p
}

func (n *socketNode) spend(p *corev1.Pod, cpu int, d time.Duration) {
	n.t.Helper()
	if err := n.tree.SpendOn(cpu, string(p.UID), "main", d, 0); err != nil {
		n.t.Fatal(err)
	}
}

// times are the CPU times by package that the next window tells: by the name of the pod,
// or "ended", and the package. The total is that of CPU time.
func (n *socketNode) times() map[string]time.Duration {
	n.t.Helper()
	n.tick()
	return timesOf(n.t, n.last)
}

func timesOf(t testing.TB, b *measure.Batch) map[string]time.Duration {
	t.Helper()
	all := make(map[string]time.Duration)
	for i := range b.Samples {
		s := &b.Samples[i]
		who := attributeOf(s.Series, keyName)
		if s.Series.Consumer.Kind == measure.TerminatedPods {
			who = "ended"
		}
		v, _ := s.Uint()
		switch {
		case s.Series.Metric.Name == "cpu_package_time_delta":
			if s.Series.Resource.Kind != resourcePackage || attributeOf(s.Series, keyKind) != "" {
				t.Errorf("%+v", s.Series)
			}
			all[who+" "+s.Series.Resource.ID] = time.Duration(v)
		case s.Series.Metric == podMetrics.cpuTime && attributeOf(s.Series, keyKind) == "total":
			all[who] = time.Duration(v)
		}
	}
	return all
}

func (n *socketNode) wantTimes(what string, want map[string]time.Duration) {
	n.t.Helper()
	if diff := cmp.Diff(want, n.times()); diff != "" {
		n.t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

const ms = time.Millisecond

// Version 1: each package has what its CPUs counted, of pods that were there, that are
// born, that end, and that nobody saw.
func TestSocketsOfVersion1(t *testing.T) {
	for _, version := range []simnode.Version{simnode.V1, simnode.Hybrid} {
		n := newSocketNode(t, version, 0, 7, 0, 7)
		web := n.add("web")
		n.spend(web, 0, 9*ms)
		n.know(web)
		n.wantTimes("the first batch", map[string]time.Duration{})
		n.spend(web, 0, 1*ms)
		n.spend(web, 2, 2*ms)
		n.spend(web, 3, 4*ms)
		n.wantTimes("spent on three CPUs", map[string]time.Duration{"web": 7 * ms, "web 0": 3 * ms, "web 7": 4 * ms})
		n.wantTimes("nothing spent", map[string]time.Duration{"web": 0, "web 0": 0, "web 7": 0})

		born := n.add("born")
		n.spend(born, 1, 5*ms)
		n.know(web, born)
		n.wantTimes("a birth", map[string]time.Duration{"web": 0, "web 0": 0, "web 7": 0, "born": 5 * ms, "born 0": 0, "born 7": 5 * ms})

		n.spend(born, 0, 1*ms)
		n.catchUp()
		n.glanceAt(n.discovery.current.Load().find(string(born.UID)))
		n.spend(born, 1, 2*ms) // after the last reading
		unseen := n.add("unseen")
		n.spend(unseen, 3, 8*ms)
		for _, p := range []*corev1.Pod{born, unseen} {
			if err := n.tree.RemovePod(string(p.UID)); err != nil {
				t.Fatal(err)
			}
		}
		n.wantTimes("the end", map[string]time.Duration{
			"web": 0, "web 0": 0, "web 7": 0, "born": 1 * ms, "born 0": 1 * ms, "born 7": 0, "ended": 10 * ms, "ended 7": 10 * ms,
		})
		n.wantTimes("after the end", map[string]time.Duration{"web": 0, "web 0": 0, "web 7": 0, "ended": 0, "ended 7": 0})
	}
}

// The file cannot be read: nothing is told, nothing is lost, and nobody else is charged.
// When it goes backwards, it makes a new baseline, counted once with that of all CPU time.
func TestPerCPUFileCannotBeRead(t *testing.T) {
	n := newSocketNode(t, simnode.V1, 0, 0, 1, 1)
	web := n.add("web")
	n.know(web)
	n.times()
	dir, _ := n.tree.PodDir(string(web.UID), "cpuacct")
	for _, text := range []string{"", "x\n", "1 2 3 \n", "1 2 3 4 5 \n"} {
		n.spend(web, 2, 3*ms)
		writeFile(t, text, dir, "cpuacct.usage_percpu")
		n.end = n.end.Add(interval)
		if _, err := plugintest.Poll(t, n.source, interval, n.end.Add(-interval), n.end); err == nil || !strings.Contains(err.Error(), "/pod"+string(web.UID)) {
			t.Errorf("%q: %v, want an error that names the cgroup", text, err)
		}
	}
	n.spend(web, 0, 1*ms)
	n.wantTimes("when it can be read again", map[string]time.Duration{"web": 1 * ms, "web 0": 1 * ms, "web 1": 12 * ms})
	for i := range n.last.Samples {
		s := &n.last.Samples[i]
		if got := n.last.End.Sub(n.last.StartOf(s)); s.Series.Metric.Name == "cpu_package_time_delta" && got != 5*interval {
			t.Errorf("a delta of %v, want %v", got, 5*interval)
		}
	}
	writeFile(t, "1000000 0 0 0 \n", dir, "cpuacct.usage_percpu")
	n.wantTimes("backwards", map[string]time.Duration{"web": 0})
	writeFile(t, "3000000 0 5 0 \n", dir, "cpuacct.usage_percpu")
	n.wantTimes("after the new baseline", map[string]time.Duration{"web": 0, "web 0": 2 * ms, "web 1": 5})
}

// Version 2: CPU time is a package's where the pod may run there alone; not in the window
// in which that changes, and not where it may run on several.
func TestSocketsOfVersion2(t *testing.T) {
	n := newSocketNode(t, simnode.V2, 0, 0, 1, 1)
	web := n.add("web")
	n.know(web)
	confine := func(cpus string) {
		t.Helper()
		if err := n.tree.SetCPUs(string(web.UID), cpus); err != nil {
			t.Fatal(err)
		}
	}
	n.times()
	step := func(what, cpus string, want ...string) {
		t.Helper()
		if cpus != "" {
			confine(cpus)
		}
		n.spend(web, 0, 3*ms)
		all := map[string]time.Duration{"web": 3 * ms}
		for _, id := range want {
			all["web "+id] = 3 * ms
		}
		n.wantTimes(what, all)
	}
	step("on all CPUs", "")
	step("it is confined", "2-3")
	step("then it is there", "", "1")
	step("and stays", "2", "1") // another CPU of the same
	step("it moves", "0")
	step("then it is there", "", "0")
	confine("")
	step("nowhere", "")
	step("still nowhere", "")
	step("back", "1")
	step("and stays", "", "0")

	// One that is born where it may run counts from zero; where it was before it was
	// first seen is not known.
	early, late := n.add("early"), n.add("late")
	for _, p := range []*corev1.Pod{early, late} {
		if err := n.tree.SetCPUs(string(p.UID), "2-3"); err != nil {
			t.Fatal(err)
		}
	}
	n.spend(late, 0, 1*ms)
	n.catchUp()
	n.spend(early, 2, 2*ms)
	n.know(web, early, late)
	n.wantTimes("births", map[string]time.Duration{"web": 0, "web 0": 0, "early": 2 * ms, "early 1": 2 * ms, "late": 1 * ms})
	for _, p := range []*corev1.Pod{early, late} {
		if err := n.tree.RemovePod(string(p.UID)); err != nil {
			t.Fatal(err)
		}
	}
	n.times()

	// What was counted before the end is where it was.
	n.spend(web, 1, 5*ms)
	n.glanceAt(n.discovery.current.Load().find(string(web.UID)))
	if err := n.tree.RemovePod(string(web.UID)); err != nil {
		t.Fatal(err)
	}
	n.wantTimes("the end", map[string]time.Duration{"web": 5 * ms, "web 0": 5 * ms})
}

// With one package in the machine, it has all of the CPU time, on both versions, and no
// file is opened for it.
func TestOneSocket(t *testing.T) {
	for _, version := range []simnode.Version{simnode.V1, simnode.V2, simnode.Hybrid} {
		n := newSocketNode(t, version, 3, 3, 3, 3)
		web, short := n.add("web"), n.add("short")
		n.know(web, short)
		n.times()
		n.spend(web, 1, 2*ms)
		n.spend(short, 2, 1*ms)
		n.wantTimes(version.String(), map[string]time.Duration{"web": 2 * ms, "web 3": 2 * ms, "short": 1 * ms, "short 3": 1 * ms})
		n.spend(short, 2, 4*ms)
		if err := n.tree.RemovePod(string(short.UID)); err != nil {
			t.Fatal(err)
		}
		n.wantTimes(version.String(), map[string]time.Duration{"web": 0, "web 3": 0, "ended": 4 * ms, "ended 3": 4 * ms})
		want := n.hierarchy.Files(cgroup.Groups{CPU: true})
		if got := readersFiles(t, n.tree.Root(), "pod"+string(web.UID)); got != want {
			t.Errorf("%v: %d files are open of a pod, want the %d of CPU time", version, got, want)
		}
	}
}

// readersFiles is how many files of this process are open in folders of a name.
func readersFiles(t *testing.T, root, name string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		path, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err != nil || !strings.HasPrefix(path, root) || filepath.Base(filepath.Dir(path)) != name {
			continue
		}
		var flags int
		if flags, err = unix.FcntlInt(fdOf(t, entry.Name()), unix.F_GETFL, 0); err == nil && flags&unix.O_ACCMODE == unix.O_RDONLY {
			n++
		}
	}
	return n
}

func fdOf(t *testing.T, name string) uintptr {
	t.Helper()
	var fd uintptr
	if _, err := fmt.Sscan(name, &fd); err != nil {
		t.Fatal(err)
	}
	return fd
}

// CPUs come and go: one that goes offline stays where it was; what is counted on one that
// is seen for the first time waits until it is known where it belongs, and goes there,
// also to a package that was not there before.
func TestCPUsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newSocketNode(t, simnode.V1, 0, 1, -1, -1)
		web := n.add("web")
		n.know(web)
		n.times()
		n.setPackages(t, 0, -1, -1, -1)
		time.Sleep(searchInterval)
		n.spend(web, 1, 1*ms)
		n.wantTimes("offline", map[string]time.Duration{"web": 1 * ms, "web 0": 0, "web 1": 1 * ms})
		n.spend(web, 2, 2*ms)
		n.spend(web, 3, 4*ms)
		n.wantTimes("not known yet", map[string]time.Duration{"web": 6 * ms, "web 0": 0, "web 1": 0})
		n.setPackages(t, 0, 1, 0, 5)
		n.spend(web, 3, 8*ms)
		born := n.add("born")
		n.spend(born, 3, 16*ms)
		n.know(web, born)
		time.Sleep(searchInterval)
		n.wantTimes("known", map[string]time.Duration{
			"web": 8 * ms, "web 0": 2 * ms, "web 1": 0, "web 5": 12 * ms, "born": 16 * ms, "born 0": 0, "born 1": 0, "born 5": 16 * ms,
		})
		n.spend(born, 3, 1*ms)
		for _, p := range []*corev1.Pod{web, born} {
			if err := n.tree.RemovePod(string(p.UID)); err != nil {
				t.Fatal(err)
			}
		}
		want := map[string]time.Duration{"ended": 1 * ms, "ended 5": 1 * ms}
		got := n.times()
		maps.DeleteFunc(got, func(who string, _ time.Duration) bool { return !strings.HasPrefix(who, "ended") })
		if diff := cmp.Diff(want, got); diff != "" || n.ceiling.live != 2 {
			t.Errorf("%d series live; -want +got\n%s", n.ceiling.live, diff)
		}
	})
}

// A second package comes: from the next window on, each has its own.
func TestSecondSocketComes(t *testing.T) {
	for _, version := range []simnode.Version{simnode.V1, simnode.V2} {
		synctest.Test(t, func(t *testing.T) {
			n := newSocketNode(t, version, 0, 0, -1, -1)
			web := n.add("web")
			n.know(web)
			n.times()
			n.spend(web, 0, 1*ms)
			n.wantTimes("one", map[string]time.Duration{"web": 1 * ms, "web 0": 1 * ms})
			n.setPackages(t, 0, 0, 1, 1)
			time.Sleep(searchInterval)
			n.spend(web, 2, 2*ms)
			n.wantTimes("it comes", map[string]time.Duration{"web": 2 * ms})
			n.spend(web, 2, 4*ms)
			want := map[string]time.Duration{"web": 4 * ms}
			if version == simnode.V1 {
				want["web 0"], want["web 1"] = 0, 4*ms
			}
			n.wantTimes("it is there", want)
		})
	}
}

// Without a topology nothing is told of packages, all else is, and Ready says what helps.
func TestTopologyIsMissing(t *testing.T) {
	for what, spoil := range map[string]func(sysfs string) error{
		"no folder":   os.RemoveAll,
		"no possible": func(sysfs string) error { return os.Remove(filepath.Join(sysfs, "devices/system/cpu/possible")) },
		"a bad list": func(sysfs string) error {
			return os.WriteFile(filepath.Join(sysfs, "devices/system/cpu/possible"), []byte("0-x\n"), 0o644)
		},
		"a bad number": func(sysfs string) error {
			return os.WriteFile(filepath.Join(sysfs, "devices/system/cpu/cpu1/topology/physical_package_id"), []byte("one\n"), 0o644)
		},
		"no numbers": func(sysfs string) error { return simnode.WriteTopology(sysfs, -1, -1, -1, -1) },
	} {
		synctest.Test(t, func(t *testing.T) {
			n := newSocketNode(t, simnode.V1, 0, 0, 1, 1)
			if err := spoil(n.sysfs); err != nil {
				t.Fatal(err)
			}
			web := n.add("web")
			n.metronome = newMetronome(t, openSocketNode(t, n.tree.Root(), n.sysfs))
			n.know(web)
			n.times()
			n.spend(web, 0, 1*ms)
			n.wantTimes(what, map[string]time.Duration{"web": 1 * ms})
			if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "sysfs_root") {
				t.Errorf("%s: Ready says %v, want the remedy", what, err)
			}
			n.setPackages(t, 0, 0, 1, 1)
			time.Sleep(searchInterval)
			n.times()
			n.spend(web, 2, 2*ms)
			n.wantTimes(what+", until it is there", map[string]time.Duration{"web": 2 * ms, "web 0": 0, "web 1": 2 * ms})
			if err := n.Ready(); err != nil {
				t.Errorf("%s: Ready says %v when it is there", what, err)
			}
		})
	}
}

// On this machine's own control groups: what a thread burns on one CPU is the time of
// that CPU's package, and of no other.
func TestSocketsOnThisMachine(t *testing.T) {
	var allowed unix.CPUSet
	if err := unix.SchedGetaffinity(0, &allowed); err != nil {
		t.Fatal(err)
	}
	if allowed.Count() < 2 || !allowed.IsSet(0) || !allowed.IsSet(1) {
		t.Skip("this machine has one CPU for us")
	}
	machine := cgrouptest.New(t)
	p := simnode.NewPod(template("shop", "web"))
	path := machine.Top + "/kubepods/burstable/pod" + string(p.UID)
	for dir := machine.Top; dir != path; {
		rest := strings.TrimPrefix(path, dir+"/")
		first, _, _ := strings.Cut(rest, "/")
		dir += "/" + first
		machine.Make(dir)
	}
	sysfs := t.TempDir()
	possible, err := os.ReadFile("/sys/devices/system/cpu/possible")
	if err != nil {
		t.Fatal(err)
	}
	ranges, err := cgroup.ParseCPUs(possible, nil)
	if err != nil || len(ranges) != 1 || ranges[0].First != 0 {
		t.Skipf("CPUs %s: %v", possible, err)
	}
	packages := make([]int, ranges[0].Last+1)
	for cpu := range packages {
		packages[cpu] = min(cpu, 1) // CPU 0 alone is one, all others are the second
	}
	if err := simnode.WriteTopology(sysfs, packages...); err != nil {
		t.Fatal(err)
	}
	s := openSocketNode(t, machine.Own(), sysfs)
	if !s.hierarchy.TellsPerCPU() {
		t.Skip("version 2 tells no CPU time by CPU")
	}
	s.know(p)
	c := newMetronome(t, s)
	c.tick()
	for cpu := range 2 {
		burnOn(t, machine, path, cpu)
		c.tick()
		got := timesOf(t, c.last)
		mine, other := got[fmt.Sprint("web ", cpu)], got[fmt.Sprint("web ", 1-cpu)]
		if mine < 30*ms || other > 2*ms || (mine+other-got["web"]).Abs() > ms {
			t.Errorf("CPU %d: %v on it, %v on the other, %v in all", cpu, mine, other, got["web"])
		}
	}
}

// burnOn runs a process on one CPU and in one cgroup, to its end.
func burnOn(t *testing.T, machine *cgrouptest.Machine, path string, cpu int) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "read go; i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := startOn(cmd, cpu); err != nil {
		t.Fatal(err)
	}
	for _, dir := range machine.Dirs {
		if err := os.WriteFile(filepath.Join(dir, path, "cgroup.procs"), fmt.Append(nil, cmd.Process.Pid), 0); err != nil {
			t.Error(err)
		}
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// startOn starts a process that may run on one CPU alone, as the thread that starts it.
func startOn(cmd *exec.Cmd, cpu int) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	one.Set(cpu)
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return err
	}
	err := cmd.Start()
	return errors.Join(err, unix.SchedSetaffinity(0, &before))
}
