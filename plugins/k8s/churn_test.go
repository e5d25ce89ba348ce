package k8s

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
	"github.com/podjoule/podjoule/simnode"
)

// nursery runs short pods in real cgroups, as a kubelet with the cgroupfs driver
// does, and tells the API server of them.
type nursery struct {
	machine  *cgrouptest.Machine
	kubepods string // the cgroup's path
	api      *simnode.API
	tree     *cgroup.Hierarchy
}

func newNursery(t testing.TB, api *simnode.API) *nursery {
	m := cgrouptest.New(t)
	tree, err := cgroup.Open(cgrouptest.Root)
	if err != nil {
		t.Fatal(err)
	}
	n := &nursery{m, m.Top + "/kubepods", api, tree}
	m.Make(n.kubepods)
	return n
}

// live runs one pod for a while, and returns what its cgroup counted. A container
// works at the beginning. The pod's cgroup goes some time after the container's.
func (n *nursery) live(p *corev1.Pod, life, after time.Duration) (uint64, error) {
	pod := n.kubepods + "/pod" + string(p.UID)
	container := pod + "/" + strings.Repeat("c", 64)
	n.api.Put(p)
	n.machine.Make(pod)
	n.machine.Make(container)
	work := exec.Command("/bin/sh", "-c", "read go; i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; read end")
	stdin, err := work.StdinPipe()
	if err != nil {
		return 0, err
	}
	if err := work.Start(); err != nil {
		return 0, err
	}
	for _, dir := range n.machine.Dirs {
		if err := os.WriteFile(filepath.Join(dir, container, "cgroup.procs"), []byte(strconv.Itoa(work.Process.Pid)), 0); err != nil {
			return 0, err
		}
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		return 0, err
	}
	time.Sleep(life)
	if err := stdin.Close(); err != nil {
		return 0, err
	}
	_ = work.Wait() // the shell's read meets the end of its input
	n.machine.Remove(container)
	time.Sleep(after)
	r := n.tree.Reader(pod)
	defer r.Close()
	var cpu cgroup.CPU
	if err := r.CPU(new(cgroup.Buffer), &cpu); err != nil {
		return 0, err
	}
	n.machine.Remove(pod)
	return cpu.Total.N, n.api.Delete(p.Namespace, p.Name)
}

// seen is what was emitted of one pod.
type seen struct {
	total   uint64
	samples int
	name    string
}

// clock ticks a source in real time, and books what comes of it.
type clock struct {
	t    *testing.T
	s    *source
	end  time.Time
	pods map[string]*seen // by UID
	live map[*measure.Series]bool
}

func (c *clock) tick() {
	start := c.end
	if c.end = time.Now(); start.IsZero() {
		start = c.end
	}
	b, err := plugintest.Poll(c.t, c.s, time.Second, start, c.end)
	if err != nil {
		c.t.Errorf("Poll: %v", err)
	}
	for i := range b.Samples {
		x := &b.Samples[i]
		c.live[x.Series] = true
		if x.Series.Metric != podMetrics.cpuTime || attributeOf(x.Series, keyKind) != cpuKinds[total] {
			continue
		}
		uid := attributeOf(x.Series, keyUID)
		if c.pods[uid] == nil {
			c.pods[uid] = new(seen)
		}
		n, _ := x.Uint()
		c.pods[uid].total += n
		c.pods[uid].samples++
		c.pods[uid].name = attributeOf(x.Series, keyName)
	}
	for _, x := range b.Ended {
		delete(c.live, x)
	}
}

// run ticks until the context ends.
func (c *clock) run(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			c.tick()
		}
	}
}

// holdings is what a process holds.
type holdings struct{ watches, files, goroutines, targets, series int }

func (c *clock) holdings() holdings {
	h := holdings{goroutines: runtime.NumGoroutine(), targets: len(c.s.targets), series: len(c.live)}
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	if err != nil {
		c.t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil { // else the one that listed them
			h.files++
			h.watches += strings.Count(string(text), "inotify wd:")
		}
	}
	return h
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first one ends what has finalizers
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// A14, A17, A18, K1: a thousand pods come and go in real cgroups within a minute.
// Each one that lives 200 ms or longer is measured under its name, with nothing that
// its cgroup did not count; all of it where the pod's cgroup outlives its last
// container for a moment, as it does under a kubelet. Afterwards nothing is left.
func TestAThousandShortPods(t *testing.T) {
	api, url := newAPI(t)
	n := newNursery(t, api)
	s, _ := start(t, func(c *Config) { c.APIURL = url })
	c := &clock{t: t, s: s, pods: make(map[string]*seen), live: make(map[*measure.Series]bool)}
	ctx, cancel := context.WithCancel(t.Context())
	var ticking sync.WaitGroup
	c.tick()

	var mu sync.Mutex
	counted := make(map[*corev1.Pod]uint64)
	lasting := make(map[*corev1.Pod]bool)
	generation := func(name string, many int) {
		var pods errgroup.Group
		pods.SetLimit(40)
		for i := range many {
			p := simnode.NewPod(template("churn", fmt.Sprint(name, i)))
			life := 200*time.Millisecond + rand.N(600*time.Millisecond)
			after := time.Duration(i%2) * 200 * time.Millisecond
			pods.Go(func() error {
				total, err := n.live(p, life, after)
				mu.Lock()
				defer mu.Unlock()
				counted[p], lasting[p] = total, after > 0
				return err
			})
		}
		if err := pods.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	ticking.Go(func() { c.run(ctx) })
	generation("first-", 40) // makes room for what is kept
	cancel()
	ticking.Wait()
	c.tick()
	c.tick()
	api.Compact()
	before, heapBefore := c.holdings(), heap()

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	ticking.Go(func() { c.run(ctx) })
	began := time.Now()
	const many = 1000
	generation("pod-", many)
	took := time.Since(began)
	cancel()
	ticking.Wait()
	c.tick()
	c.tick()

	var reported, all uint64
	exact := 0
	for p, total := range counted {
		got := c.pods[string(p.UID)]
		switch {
		case got == nil:
			t.Errorf("%s was not measured", p.Name)
			continue
		case got.name != p.Name:
			t.Errorf("%s is shown as %q", p.Name, got.name)
		case got.total > total:
			t.Errorf("%s: %d ns reported, %d counted", p.Name, got.total, total)
		case lasting[p] && got.total != total:
			t.Errorf("%s: %d ns reported, %d counted", p.Name, got.total, total)
		}
		if got.total == total {
			exact++
		}
		reported, all = reported+got.total, all+total
	}
	t.Logf("%d pods in %v; %d of them exact; %.2f %% of all CPU time", many, took, exact, 100*float64(reported)/float64(all))
	if took > time.Minute {
		t.Logf("it took longer than a minute: the machine is busy")
	}
	s.discovery.tidy(time.Now().Add(goneFor + time.Second))
	if after := c.holdings(); after != before {
		t.Errorf("held: %+v, before: %+v", after, before)
	}
	clear(counted)
	clear(lasting)
	clear(c.pods)
	api.Compact()
	if after := heap(); after > heapBefore+1<<20 {
		t.Errorf("%d bytes of memory are held, %d before", after, heapBefore)
	}
}
