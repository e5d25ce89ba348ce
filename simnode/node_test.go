package simnode

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
)

func TestDemoScript(t *testing.T) {
	script := DemoScript()
	for at := time.Duration(0); at < 30*time.Second; at += 100 * time.Millisecond {
		var cores float64
		for _, p := range script {
			if p.Born > at || (p.Ends > 0 && p.Ends <= at) {
				continue
			}
			for _, load := range p.Loads {
				u1, s1 := load.At(at - p.Born)
				u2, s2 := load.At(at - p.Born + 100*time.Millisecond)
				cores += (u2 + s2 - u1 - s1).Seconds() * 10
			}
		}
		if cores > 0.7001 {
			t.Errorf("got %.3f cores at %v, want at most 0.7", cores, at)
		}
	}
	var born, ends, static, double, idle, held int
	spaces := map[string]bool{}
	for _, p := range script {
		spaces[p.Namespace] = true
		pod := NewPod(p.PodTemplate)
		for name, load := range p.Loads {
			if err := load.Validate(); err != nil {
				t.Errorf("%s/%s: %v", p.Namespace, p.Name, err)
			}
			if _, ok := ContainerID(pod, name); !ok {
				t.Errorf("%s/%s has a load for container %q, which it does not have", p.Namespace, p.Name, name)
			}
		}
		for what, n := range map[*int]bool{
			&born: p.Born > 0, &ends: p.Ends > 0, &static: p.Static, &double: len(p.Containers) == 2,
			&idle: len(p.Loads["main"].Phases) == 0 && len(p.Containers) == 0, &held: p.held() == 64<<20,
		} {
			if n {
				*what++
			}
		}
	}
	if born != 1 || ends != 1 || static != 1 || double != 1 || idle != 1 || held != 1 || len(spaces) != 4 {
		t.Errorf("got %d born, %d ended, %d static, %d with two containers, %d idle, %d with memory, %d namespaces", born, ends, static, double, idle, held, len(spaces))
	}
}

// shortScript has a pod that stays, one that comes and one that goes.
func shortScript() []ScriptedPod {
	pod := func(name string, cores float64) ScriptedPod {
		return ScriptedPod{PodTemplate: PodTemplate{Namespace: "a", Name: name, QoS: corev1.PodQOSBurstable}, Loads: map[string]Load{"main": Steady(cores, 0.5)}}
	}
	stays, comes, goes := pod("stays", 0.1), pod("comes", 0.1), pod("goes", 0.1)
	stays.Static = true
	comes.Born = 100 * time.Millisecond
	goes.Ends = 200 * time.Millisecond
	return []ScriptedPod{stays, comes, goes}
}

// play starts a node and runs it until the test ends; stop ends it before.
func play(t *testing.T, o Options) (n *Node, stop func()) {
	t.Helper()
	n, err := Start(t.Context(), o)
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if err := n.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	t.Cleanup(stop)
	return n, stop
}

// watchLives waits until the pod that comes is there and the one that goes is
// gone, and checks what the API tells on the way.
func watchLives(t *testing.T, n *Node) {
	t.Helper()
	w := watchPods(t, newClient(t, n.APIURL(), contentTypes["protobuf"]), metav1.ListOptions{FieldSelector: "spec.nodeName=" + NodeName})
	var comes []watch.EventType
	for {
		e, ok := nextEvent(t, w)
		if !ok {
			t.Fatal("the watch has ended")
		}
		pod := e.Object.(*corev1.Pod)
		if pod.Name == "comes" {
			comes = append(comes, e.Type)
			if id, _ := ContainerID(pod, "main"); (id == "") != (pod.Status.Phase == corev1.PodPending) {
				t.Errorf("got container ID %q in phase %s", id, pod.Status.Phase)
			}
		}
		if e.Type == watch.Deleted {
			if pod.Name != "goes" {
				t.Errorf("got the end of %s, want that of goes", pod.Name)
			}
			break
		}
	}
	if len(comes) == 0 {
		t.Error("the pod that comes did not come")
	}
}

func truthOf(t *testing.T, n *Node, name string) Truth {
	t.Helper()
	for _, tr := range n.Truth() {
		if tr.Name == name {
			return tr
		}
	}
	t.Fatalf("there is no truth about %s", name)
	return Truth{}
}

func TestSimulatedNode(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	n, stop := play(t, Options{Mode: Simulated, Script: shortScript()})
	if n.Real() || !strings.Contains(n.Describe(), n.CgroupRoot()) {
		t.Errorf("got %q, want what says where the simulated tree is", n.Describe())
	}
	watchLives(t, n)
	goes := truthOf(t, n, "goes")
	if goes.Alive || goes.CPU < 15*time.Millisecond || !goes.SplitKnown || goes.User+goes.System != goes.CPU || goes.MemoryKnown {
		t.Errorf("got %+v, want what a pod of 0.1 cores used in 200 ms", goes)
	}
	stays := truthOf(t, n, "stays-"+NodeName)
	if !stays.Alive || !stays.MemoryKnown || stays.Memory == 0 {
		t.Errorf("got %+v, want a pod that is alive and has memory", stays)
	}
	// The files were written before the truth was asked for again.
	dir, ok := n.place.(*simulation).PodDir(stays.UID, "")
	if !ok {
		t.Fatal("the pod that stays has no cgroup")
	}
	counted := time.Duration(values(t, dir, "cpu.stat")["usage_usec"]) * time.Microsecond
	if later := truthOf(t, n, stays.Name); counted < stays.CPU.Truncate(time.Microsecond) || counted > later.CPU {
		t.Errorf("got %v in cpu.stat, want from %v to %v", counted, stays.CPU, later.CPU)
	}
	root := n.CgroupRoot()
	stop()
	if _, err := os.Stat(root); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for %s, want that it is gone", err, root)
	}
}

func TestSimulationFollowsItsLoads(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	s, err := newSimulation()
	must(t, err)
	defer func() { must(t, s.Close()) }()
	pod := NewPod(PodTemplate{Namespace: "a", Name: "b", Containers: []string{"x", "y"}})
	uid := string(pod.UID)
	x, y := Steady(0.25, 0.5), Load{Phases: []Phase{{For: time.Second, Cores: 1}}, Memory: 5 << 20}
	must(t, s.AddPod(pod, map[string]Load{"x": x, "y": y}))
	born := s.pods[uid].born
	for at := time.Duration(0); at <= 3*time.Second; at += 37 * time.Millisecond {
		must(t, s.step(born.Add(at)))
		xu, xs := x.At(at)
		yu, ys := y.At(at)
		if c, _ := s.Counters(uid); c.User != xu+yu || c.System != xs+ys {
			t.Fatalf("got %v user, %v system at %v, want %v, %v", c.User, c.System, at, xu+yu, xs+ys)
		}
	}
	if c, _ := s.ContainerCounters(uid, "y"); c.Memory.Anon < 5<<20 {
		t.Errorf("got %d bytes anonymous, want 5 MiB at least", c.Memory.Anon)
	}
}

func TestRealNode(t *testing.T) {
	realCgroups(t, func(t *testing.T, root string) {
		t.Setenv("TMPDIR", t.TempDir())
		n, stop := play(t, Options{Mode: Real, Root: root, Command: burnerCommand(t), Script: shortScript()})
		if !n.Real() || n.CgroupRoot() != root || !strings.Contains(n.Describe(), "Real processes") {
			t.Errorf("got %q at %s, want real cgroups at %s", n.Describe(), n.CgroupRoot(), root)
		}
		c := n.place.(*Cgroups)
		goesDir, _ := c.PodDir(string(n.pods[2].pod.UID))
		watchLives(t, n)
		if goes := truthOf(t, n, "goes"); goes.Alive || goes.CPU == 0 || goes.SplitKnown || goes.MemoryKnown {
			t.Errorf("got %+v, want the CPU time of a pod that has ended, and nothing else", goes)
		}
		for _, dir := range c.dirs(goesDir) {
			if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v for %s after the API has deleted the pod, want that it is gone", err, dir)
			}
		}
		stays := truthOf(t, n, "stays-"+NodeName)
		dir, _ := c.PodDir(stays.UID)
		if counted := cgroupCPU(t, c, dir); !stays.Alive || !within(stays.CPU, counted, 0.2, 20*time.Millisecond) {
			t.Errorf("got %v by clock and %v by cgroup a moment later", stays.CPU, counted)
		}
		stop()
	})
}

func TestNodeWithoutRealCgroups(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, o := range map[string]Options{
		"no command":     {},
		"no cgroups":     {Command: []string{"/bin/true"}, Root: t.TempDir()},
		"broken command": {Command: []string{"/bin/true"}},
	} {
		t.Run(name, func(t *testing.T) {
			o.Script = shortScript()
			n, err := Start(t.Context(), o)
			must(t, err)
			defer func() { must(t, n.Close()) }()
			if n.Real() || !strings.Contains(n.Describe(), "Real cgroups are not used: ") {
				t.Errorf("got %q, want a simulated tree and the reason", n.Describe())
			}
			if pods := n.Truth(); len(pods) != 2 || !pods[0].Alive {
				t.Errorf("got %+v, want the two pods of the beginning", pods)
			}
		})
		o.Mode = Real
		if n, err := Start(t.Context(), o); err == nil {
			must(t, n.Close())
			t.Errorf("%s: got a node with real cgroups", name)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "*")); len(left) != 0 {
		t.Errorf("%v is left", left)
	}
}

func TestNodeReportsWhatItCannotPlay(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	script := shortScript()
	script[1].Loads["main"] = Steady(7, 0)
	n, err := Start(t.Context(), Options{Mode: Simulated, Script: script})
	must(t, err)
	defer func() { must(t, n.Close()) }()
	if err := n.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "a/comes") || !strings.Contains(err.Error(), "1 core") {
		t.Errorf("got %v, want that a pod asks for too much", err)
	}
	script[0].Loads["main"] = Steady(7, 0)
	if _, err := Start(t.Context(), Options{Mode: Simulated, Script: script}); err == nil {
		t.Error("got no error for a pod of the beginning that asks for too much")
	}
}
