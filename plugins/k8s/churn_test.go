package k8s

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
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
	root     string // of a tree that holds nothing else
	tree     *cgroup.Hierarchy
}

func newNursery(t testing.TB, api *simnode.API) *nursery {
	m := cgrouptest.New(t)
	n := &nursery{machine: m, kubepods: m.Top + "/kubepods", api: api, root: m.Own()}
	m.Make(n.kubepods)
	var err error
	if n.tree, err = cgroup.Open(n.root); err != nil {
		t.Fatal(err)
	}
	return n
}

// read returns what a cgroup has counted.
func (n *nursery) read(path string) (uint64, error) {
	r := n.tree.Reader(strings.TrimPrefix(path, n.machine.Top))
	defer r.Close()
	var cpu cgroup.CPU
	err := r.CPU(new(cgroup.Buffer), &cpu)
	return cpu.Total.N, err
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
	total, err := n.read(pod)
	if err != nil {
		return 0, err
	}
	n.machine.Remove(pod)
	return total, n.api.Delete(p.Namespace, p.Name)
}

// patience is how long a machine may keep the agent from running.
const patience = 50 * time.Millisecond

// stalls are the times in which the machine let this process, or the thread that
// holds the source, wait for longer than that: others were busy, and the agent could
// see nothing then.
type stalls struct {
	mu  sync.Mutex
	all []span
}

type span struct{ from, to time.Time }

// watch notes them until the context ends.
func (s *stalls) watch(ctx context.Context, source *source) {
	const nap = 5 * time.Millisecond
	for ctx.Err() == nil {
		began := time.Now()
		time.Sleep(nap)
		source.mu.Lock()
		source.mu.Unlock() //nolint:staticcheck // only the wait counts
		if time.Since(began) > nap+patience {
			s.mu.Lock()
			s.all = append(s.all, span{began, time.Now()})
			s.mu.Unlock()
		}
	}
}

// within reports whether there was one in some time.
func (s *stalls) within(x span) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.all, func(stall span) bool { return stall.to.After(x.from) && stall.from.Before(x.to) })
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
	left uint64           // of pods that ended, beyond what was emitted of each
	live map[*measure.Series]bool
	sum  uint64 // of pods and of what is left
	most func() (uint64, error)
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
		n, _ := x.Uint()
		c.sum += n
		if x.Series.Consumer.Kind == measure.TerminatedPods {
			c.left += n
			continue
		}
		uid := attributeOf(x.Series, keyUID)
		if c.pods[uid] == nil {
			c.pods[uid] = new(seen)
		}
		c.pods[uid].total += n
		c.pods[uid].samples++
		c.pods[uid].name = attributeOf(x.Series, keyName)
	}
	for _, x := range b.Ended {
		delete(c.live, x)
	}
	if most, err := c.most(); err != nil || c.sum > most {
		c.t.Errorf("%d ns are reported, %d were counted, %v", c.sum, most, err)
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
	c.s.mu.Lock()
	h := holdings{goroutines: runtime.NumGoroutine(), targets: len(c.s.targets), series: len(c.live)}
	c.s.mu.Unlock()
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

// lifetime is how long a pod's container lives after it has worked: one in five less
// than what a pod is sure to be measured with.
func lifetime(i int) time.Duration {
	if i%5 == 0 {
		return 10*time.Millisecond + rand.N(surelySeen-10*time.Millisecond)
	}
	return surelySeen + rand.N(600*time.Millisecond)
}

// surelySeen is how long a pod has to live to be measured for sure.
const surelySeen = 200 * time.Millisecond

// share is what was reported of all that was counted.
type share struct{ reported, counted uint64 }

func (s *share) add(o share) { s.reported, s.counted = s.reported+o.reported, s.counted+o.counted }

func (s share) percent() float64 { return 100 * float64(s.reported) / float64(max(s.counted, 1)) }

// whole reports whether the API server tells all that happens.
func (s *source) whole() bool {
	s.discovery.mu.Lock()
	defer s.discovery.mu.Unlock()
	return !s.discovery.whole.IsZero()
}

// heard reports whether the API server has told of all births and ends: who was not named
// is waited for.
func (s *source) heard(lives map[*corev1.Pod]span) bool {
	s.discovery.mu.Lock()
	defer s.discovery.mu.Unlock()
	for p, life := range lives {
		uid := string(p.UID)
		_, gone := s.discovery.gone[uid]
		if s.discovery.live[uid] != nil || !gone && time.Since(life.to) < goneFor/2 { // later it is forgotten
			return false
		}
	}
	return true
}

// A14, A17, A18: a thousand pods come and go in real cgroups within a minute.
// Each one that lives 200 ms or longer is measured under its name, with nothing that
// its cgroup did not count; all of it where the pod's cgroup outlives its last
// container for a moment, as it does under a kubelet. Pods are excused that lived while the machine kept the agent from running.
// What is not told of them is told of the pods that ended: all together is what their
// folder counted, to the nanosecond, and at no time more. Afterwards nothing is left.
func TestAThousandShortPods(t *testing.T) {
	api, url := newAPI(t)
	n := newNursery(t, api)
	s, _ := start(t, func(c *Config) {
		c.APIURL, c.CgroupRoot = url, n.root
		c.RefreshInterval = plugin.Duration(settling) // names are waited for as long as by default
	})
	s.firstList(t)
	c := &clock{t: t, s: s, pods: make(map[string]*seen), live: make(map[*measure.Series]bool)}
	c.most = func() (uint64, error) { return n.read(n.kubepods) }
	ctx, cancel := context.WithCancel(t.Context())
	var ticking sync.WaitGroup
	c.tick()

	var stalled stalls
	ticking.Go(func() { stalled.watch(ctx, s) })
	var mu sync.Mutex
	counted := make(map[*corev1.Pod]uint64)
	lasting := make(map[*corev1.Pod]bool)
	lives := make(map[*corev1.Pod]span)
	lived := make(map[*corev1.Pod]time.Duration)
	generation := func(name string, many int) {
		var pods errgroup.Group
		pods.SetLimit(60)
		for i := range many {
			p := simnode.NewPod(template("churn", fmt.Sprint(name, i)))
			life := lifetime(i)
			after := time.Duration(i%2) * 200 * time.Millisecond
			pods.Go(func() error {
				began := time.Now()
				total, err := n.live(p, life, after)
				mu.Lock()
				defer mu.Unlock()
				counted[p], lasting[p], lives[p], lived[p] = total, after > 0, span{began, time.Now()}, life
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
	// Who is born and ends before the watch is begun anew is never told of.
	eventually(t, "a new watch", func() bool { return api.Count(simnode.Request.Watch) == 2 && s.whole() })
	before, heapBefore := c.holdings(), heap()

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	ticking.Go(func() { c.run(ctx) })
	ticking.Go(func() { stalled.watch(ctx, s) })
	began := time.Now()
	many := 1000
	if testing.Short() { // on an emulated machine
		many = 100
	}
	generation("pod-", many)
	took := time.Since(began)
	cancel()
	ticking.Wait()
	eventually(t, "the API server's word of the last pods", func() bool { return s.heard(lives) })
	c.tick()
	c.tick()

	var slow, short, long, all share
	exact, held := 0, 0
	for p, total := range counted {
		excused := stalled.within(lives[p])
		if excused {
			held++
		}
		brief := lived[p] < surelySeen
		got := c.pods[string(p.UID)]
		switch {
		case got != nil && got.total > total:
			t.Errorf("%s: %d ns reported, %d counted", p.Name, got.total, total)
		case excused:
		case got == nil && !brief:
			t.Errorf("%s was not measured", p.Name)
		case got == nil:
		case got.name != p.Name:
			t.Errorf("%s is shown as %q", p.Name, got.name)
		case lasting[p] && got.total != total:
			t.Errorf("%s: %d ns reported, %d counted", p.Name, got.total, total)
		}
		of := share{0, total}
		if got != nil {
			of.reported = got.total
		}
		if of.reported == total {
			exact++
		}
		all.add(of)
		switch {
		case lasting[p]:
			slow.add(of)
		case brief:
			short.add(of)
		default:
			long.add(of)
		}
	}
	// A busy machine books a process's last moments long after it is gone.
	eventually(t, fmt.Sprintf("%d ns of pods, and what is left of what their folder counted", c.sum-c.left), func() bool {
		counted, err := c.most()
		if err != nil {
			t.Fatal(err)
		}
		c.tick()
		return c.sum == counted
	})
	t.Logf("%d pods in %v; %d of them exact; %d met a stall of the machine", many, took, exact, held)
	t.Logf("under their names: %.2f %% of all CPU time, %.2f %% where the pod's cgroup outlived its process by 200 ms; else %.2f %% of those shorter than %v, %.2f %% of those longer",
		all.percent(), slow.percent(), short.percent(), surelySeen, long.percent())
	if took > time.Minute {
		t.Logf("it took longer than a minute: the machine is busy")
	}
	s.discovery.tidy(time.Now().Add(goneFor + time.Second))
	after := c.holdings()
	if after.goroutines <= before.goroutines+4 {
		after.goroutines = before.goroutines // a connection's come and go; pods' would be a thousand
	}
	if after != before {
		t.Errorf("held: %+v, before: %+v", after, before)
		for _, left := range s.targets {
			t.Errorf("%s: lives %t, named %t, held %t", left.found.Path, left.lives(), left.pod != nil, left.held)
		}
	}
	clear(counted)
	clear(lasting)
	clear(lives)
	clear(lived)
	clear(c.pods)
	api.Compact()
	if after := heap(); after > heapBefore+1<<20 {
		t.Errorf("%d bytes of memory are held, %d before", after, heapBefore)
	}
}
