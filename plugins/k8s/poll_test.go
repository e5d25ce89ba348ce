package k8s

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/simnode"
)

// offline opens the plugin without a Run, on pods that are known.
func offline(t testing.TB, root string, pods ...*corev1.Pod) (*source, *plugintest.Host) {
	t.Helper()
	c := defaults()
	c.Node, c.CgroupRoot = node, root
	host := plugintest.NewHost(t)
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
	var list []corev1.Pod
	for _, p := range pods {
		list = append(list, *p)
	}
	s.discovery.replace(podsOf(node, list), time.Now())
	return s, host
}

// onePod makes a tree with one pod and returns its folder for CPU.
func onePod(t testing.TB, version simnode.Version) (*simnode.Tree, *corev1.Pod, string) {
	t.Helper()
	tree := newTree(t, simnode.Layout{Version: version})
	p := simnode.NewPod(template("shop", "web"))
	if err := tree.AddPod(p); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(tree.Root(), "kubepods/burstable/pod"+string(p.UID))
	if version != simnode.V2 {
		dir = filepath.Join(tree.Root(), "cpuacct/kubepods/burstable/pod"+string(p.UID))
	}
	return tree, p, dir
}

func writeFile(t testing.TB, text string, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// value returns the one value of a metric and kind in a batch.
func value(b *measure.Batch, metric, kind string) (sample, bool) {
	for _, s := range samples(b) {
		if s.metric == metric && s.kind == kind {
			return s, true
		}
	}
	return sample{}, false
}

func pollAt(t testing.TB, s *source, start, end time.Time) *measure.Batch {
	t.Helper()
	b, err := plugintest.Poll(t, s, interval, start, end)
	if err != nil {
		t.Errorf("Poll: %v", err)
	}
	return b
}

// A10: a counter that goes backwards makes a new baseline and is counted; no
// huge number and no negative one comes of it.
func TestCounterThatGoesBackwards(t *testing.T) {
	_, p, dir := onePod(t, simnode.V2)
	root := filepath.Dir(filepath.Dir(filepath.Dir(dir)))
	s, host := offline(t, root, p)
	stat := func(n int) {
		writeFile(t, fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec 0\n", n, n), dir, "cpu.stat")
	}
	t0 := time.Now()
	at := func(i int) time.Time { return t0.Add(time.Duration(i) * interval) }
	stat(1000)
	pollAt(t, s, at(0), at(0))
	stat(400)
	if got, ok := value(pollAt(t, s, at(0), at(1)), "cpu_time_delta", "total"); ok {
		t.Errorf("after a reset: %+v, want nothing", got)
	}
	stat(450)
	if got, ok := value(pollAt(t, s, at(1), at(2)), "cpu_time_delta", "total"); !ok || got.value != 50_000 {
		t.Errorf("after the new baseline: %+v, %v; want 50 µs", got, ok)
	}
	if n := host.Counter(t, "podjoule.k8s.resets"); n != 1 {
		t.Errorf("%d resets counted, want 1", n)
	}
}

// A11: a clock that is set changes no delta, and no pod ends by it.
func TestClockThatGoesBackwards(t *testing.T) {
	tree, p, _ := onePod(t, simnode.V1)
	s, _ := offline(t, tree.Root(), p)
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) // no monotonic reading: as bad as it gets
	last := noon
	for i, end := range []time.Time{noon, noon.Add(interval), noon.Add(-time.Hour), noon.Add(-time.Hour).Add(interval), noon.Add(48 * time.Hour)} {
		if err := tree.Spend(string(p.UID), "main", time.Second, 0); err != nil {
			t.Fatal(err)
		}
		b := pollAt(t, s, last, end)
		last = end
		if i == 0 {
			continue
		}
		got, ok := value(b, "cpu_time_delta", "total")
		if !ok || got.value != 1e9 || len(b.Ended) != 0 {
			t.Errorf("window %d: %+v, %v, %d ended; want 1 s", i, got, ok, len(b.Ended))
		}
		if percent, ok := value(b, "cpu_percent", "total"); !ok || percent.value < 0 || math.IsInf(percent.value, 0) || math.IsNaN(percent.value) {
			t.Errorf("window %d: %v %%", i, percent.value)
		}
	}
}

// 100 % is one core fully used, for the time that really passed.
func TestPercent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tree, p, _ := onePod(t, simnode.V2)
		s, _ := offline(t, tree.Root(), p)
		last := time.Now()
		pollAt(t, s, last, last)
		for _, passed := range []time.Duration{5 * time.Second, 10 * time.Millisecond, time.Minute} {
			if err := tree.Spend(string(p.UID), "main", passed, passed/4); err != nil {
				t.Fatal(err)
			}
			time.Sleep(passed)
			b := pollAt(t, s, last, time.Now())
			last = time.Now()
			for kind, want := range map[string]float64{"total": 125, "user": 100, "system": 25} {
				if got, ok := value(b, "cpu_percent", kind); !ok || math.Abs(got.value-want) > 0.01 {
					t.Errorf("%s over %v: %v %%, %v; want %v", kind, passed, got.value, ok, want)
				}
			}
		}
	})
}

// A file that cannot be read in one tick loses nothing: the next delta covers
// both windows and says so.
func TestFailedReadLosesNothing(t *testing.T) {
	for name, garbled := range map[string]string{"empty": "", "garbled": "usage_usec x\nuser_usec 1\nsystem_usec 1\n"} {
		_, p, dir := onePod(t, simnode.V2)
		s, host := offline(t, filepath.Dir(filepath.Dir(filepath.Dir(dir))), p)
		t0 := time.Now()
		at := func(i int) time.Time { return t0.Add(time.Duration(i) * interval) }
		writeFile(t, "usage_usec 100\nuser_usec 100\nsystem_usec 0\n", dir, "cpu.stat")
		pollAt(t, s, at(0), at(0))
		writeFile(t, garbled, dir, "cpu.stat")
		b, err := plugintest.Poll(t, s, interval, at(0), at(1))
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "cpu.stat")) {
			t.Errorf("%s: error %v, want the file's name", name, err)
		}
		if got, ok := value(b, "cpu_time_delta", "total"); ok {
			t.Errorf("%s: %+v, want no sample", name, got)
		}
		if _, ok := value(b, "memory_usage", ""); !ok {
			t.Errorf("%s: the memory is missing too", name)
		}
		writeFile(t, "usage_usec 175\nuser_usec 175\nsystem_usec 0\n", dir, "cpu.stat")
		got, ok := value(pollAt(t, s, at(1), at(2)), "cpu_time_delta", "total")
		if !ok || got.value != 75_000 || got.span != 2*interval {
			t.Errorf("%s: %+v, %v; want 75 µs over two windows", name, got, ok)
		}
		if n := host.Counter(t, "podjoule.k8s.read_errors"); n != 1 {
			t.Errorf("%s: %d errors counted, want 1", name, n)
		}
	}
}

// A13: a file that was not there at first is picked up when it appears.
func TestFileThatAppearsLater(t *testing.T) {
	_, p, dir := onePod(t, simnode.V2)
	if err := os.Remove(filepath.Join(dir, "memory.current")); err != nil {
		t.Fatal(err)
	}
	s, _ := offline(t, filepath.Dir(filepath.Dir(filepath.Dir(dir))), p)
	now := time.Now()
	for range 3 {
		if got, ok := value(pollAt(t, s, now, now), "memory_usage", ""); ok {
			t.Errorf("%+v without the file, want nothing", got)
		}
	}
	writeFile(t, "4096\n", dir, "memory.current")
	for range 12 {
		if got, ok := value(pollAt(t, s, now, now), "memory_usage", ""); ok {
			if got.value != 4096 {
				t.Errorf("%v bytes, want 4096", got.value)
			}
			return
		}
	}
	t.Error("the file appeared and was not picked up")
}

// K19: one pod that cannot be read costs the other 99 nothing.
func TestOneUnreadablePodAmongMany(t *testing.T) {
	t.Parallel()
	tree := newTree(t, simnode.Layout{Version: simnode.V2})
	var pods []*corev1.Pod
	for i := range 100 {
		pods = append(pods, simnode.NewPod(template("shop", fmt.Sprint("pod-", i))))
		if err := tree.AddPod(pods[i]); err != nil {
			t.Fatal(err)
		}
	}
	bad := filepath.Join(tree.Root(), "kubepods/burstable/pod"+string(pods[50].UID), "cpu.stat")
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(bad, 0o755); err != nil { // opens, and cannot be read
		t.Fatal(err)
	}
	s, host := offline(t, tree.Root(), pods...)
	now := time.Now()
	for i := range 2 {
		b, err := plugintest.Poll(t, s, interval, now, now.Add(time.Duration(i)*interval))
		if err == nil || !strings.Contains(err.Error(), bad) || !strings.Contains(err.Error(), "1 of 100") {
			t.Errorf("error %v, want 1 of 100 and the file's name", err)
		}
		totals := 0
		for _, x := range samples(b) {
			if x.metric == "cpu_time_delta" && x.kind == "total" {
				totals++
			}
		}
		if want := []int{0, 99}[i]; totals != want { // the first is the baseline
			t.Errorf("tick %d: %d pods with CPU time, want %d", i, totals, want)
		}
	}
	if n := host.Counter(t, "podjoule.k8s.read_errors"); n != 2 {
		t.Errorf("%d errors counted, want 2", n)
	}
}

func TestNoPodsAndManyPods(t *testing.T) {
	t.Parallel()
	for _, many := range []int{0, 500} {
		tree := newTree(t, simnode.Layout{Version: simnode.V2, Driver: simnode.Systemd})
		var pods []*corev1.Pod
		for i := range many {
			pods = append(pods, simnode.NewPod(template("shop", fmt.Sprint("pod-", i))))
			if err := tree.AddPod(pods[i]); err != nil {
				t.Fatal(err)
			}
		}
		s, _ := offline(t, tree.Root(), pods...)
		t0 := time.Now()
		pollAt(t, s, t0, t0)
		b := pollAt(t, s, t0, t0.Add(interval))
		if got := len(names(b)); got != many {
			t.Errorf("%d pods shown, want %d", got, many)
		}
		if err := s.Ready(); err != nil {
			t.Errorf("%d pods: Ready: %v", many, err)
		}
	}
}

func TestNoKubeletIsSaid(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, "cpu memory\n", dir, "cgroup.controllers")
	s, _ := offline(t, dir)
	now := time.Now()
	pollAt(t, s, now, now)
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "kubelet") {
		t.Errorf("Ready: %v, want it to name the kubelet", err)
	}
}

// An empty kubepods folder, which a stopped node on the same machine leaves, does
// not have the whole tree looked through at every tick.
func TestEmptyKubepodsBesideOneWithPods(t *testing.T) {
	tree, p, _ := onePod(t, simnode.V2)
	if err := os.MkdirAll(filepath.Join(tree.Root(), "docker/left/kubepods"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, _ := offline(t, tree.Root(), p)
	first := time.Now()
	last := first
	for i := range 10 {
		end := first.Add(time.Duration(i) * 2 * time.Second)
		pollAt(t, s, last, end)
		last = end
	}
	if !s.finder.Lost() {
		t.Error("the empty folder is not seen: the test shows nothing")
	}
	if !s.searched.Equal(first) {
		t.Errorf("the tree was searched again after %v, want the usual %v", s.searched.Sub(first), searchInterval)
	}
}

func TestWrongNodeNameIsSaid(t *testing.T) {
	tree, _, _ := onePod(t, simnode.V2)
	s, _ := offline(t, tree.Root())
	now := time.Now()
	pollAt(t, s, now, now)
	if err := s.Ready(); err != nil {
		t.Errorf("Ready before a list could name the pod: %v", err)
	}
	s.discovery.replace(nil, time.Now())
	pollAt(t, s, now, now)
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), "k8s_node") {
		t.Errorf("Ready: %v, want it to name k8s_node", err)
	}
}

func TestOnlyTheWantedMetrics(t *testing.T) {
	for _, group := range defaultGroups() {
		tree, p, _ := onePod(t, simnode.V2)
		c := defaults()
		c.Node, c.CgroupRoot, c.MetricGroups = node, tree.Root(), []string{group}
		declared := make(map[string]bool)
		for _, m := range c.Metrics() {
			declared[m.Name] = true
		}
		opened, err := c.Open(t.Context(), plugintest.NewHost(t).Host)
		if err != nil {
			t.Fatal(err)
		}
		s := opened.(*source)
		s.discovery.replace([]*pod{newPod(node, p)}, time.Now())
		t0 := time.Now()
		pollAt(t, s, t0, t0)
		b := pollAt(t, s, t0, t0.Add(interval))
		if len(b.Samples) == 0 {
			t.Errorf("%s: nothing measured", group)
		}
		for _, x := range samples(b) {
			if !declared[x.metric] || strings.HasPrefix(x.metric, "cpu") != (group == "cpu") {
				t.Errorf("%s: %s is emitted", group, x.metric)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Every sample carries declared attributes, sorted, and the four of a pod.
func TestSeriesKeepTheContract(t *testing.T) {
	tree, p, _ := onePod(t, simnode.V2)
	c := defaults()
	c.Containers, c.Node, c.CgroupRoot = true, node, tree.Root()
	opened, err := c.Open(t.Context(), plugintest.NewHost(t).Host)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*source)
	defer s.Close()
	s.discovery.replace([]*pod{newPod(node, p)}, time.Now())
	t0 := time.Now()
	pollAt(t, s, t0, t0)
	b := pollAt(t, s, t0, t0.Add(interval))
	metrics := make(map[*measure.Metric]bool)
	for _, m := range (plugin.Poller)(c).Metrics() {
		metrics[m] = true
	}
	for i := range b.Samples {
		x := b.Samples[i].Series
		if !metrics[x.Metric] {
			t.Errorf("%s was not declared", x.Metric.Name)
		}
		var keys []string
		for _, a := range x.Attributes {
			keys = append(keys, a.Key)
		}
		if got, want := strings.Join(keys, " "), strings.Join(x.Metric.Attributes, " "); got != want {
			t.Errorf("%s: attributes %q, declared %q", x.Metric.Name, got, want)
		}
	}
}

func TestPollAllocatesNothing(t *testing.T) {
	tree, p, _ := onePod(t, simnode.V1)
	s, _ := offline(t, tree.Root(), p)
	if s.watchCgroups() == nil {
		t.Fatal(s.finder.Refused())
	}
	b := new(measure.Batch)
	end := time.Now()
	step := func() {
		start := end
		end = end.Add(time.Millisecond) // less than the interval of a search
		b.Reset(interval, start, end)
		if err := s.Poll(t.Context(), b); err != nil {
			t.Error(err)
		}
	}
	step()
	step()
	if allocs := testing.AllocsPerRun(100, step); allocs != 0 {
		t.Errorf("%v allocations a tick, want 0", allocs)
	}
}

// Nothing is kept of pods that are gone.
func TestChurnLeavesNothingBehind(t *testing.T) {
	tree := newTree(t, simnode.Layout{Version: simnode.V2})
	c := defaults()
	c.Node, c.CgroupRoot, c.Containers = node, tree.Root(), true
	opened, err := c.Open(t.Context(), plugintest.NewHost(t).Host)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*source)
	defer s.Close()
	now := time.Now()
	next := func() *measure.Batch {
		start := now
		now = now.Add(interval)
		return pollAt(t, s, start, now)
	}
	live := make(map[*measure.Series]bool)
	for i := range 50 {
		p := simnode.NewPod(template("shop", fmt.Sprint("pod-", i)))
		if err := tree.AddPod(p); err != nil {
			t.Fatal(err)
		}
		s.discovery.replace([]*pod{newPod(node, p)}, time.Now())
		for range 2 {
			b := next()
			for j := range b.Samples {
				live[b.Samples[j].Series] = true
			}
		}
		if err := tree.RemovePod(string(p.UID)); err != nil {
			t.Fatal(err)
		}
		for _, ended := range next().Ended {
			delete(live, ended)
		}
	}
	for range enoughLists { // a container that is gone may have its name told late
		s.discovery.replace(nil, time.Now())
		next()
	}
	if len(s.targets)+len(s.byFound)+len(s.pods)+len(s.trees)-1+len(*s.discovery.missing.Load())+len(live) != 0 { // kubepods is there
		t.Errorf("left: %d targets, %d found, %d pods, %d trees, %d missing, %d series without an end",
			len(s.targets), len(s.byFound), len(s.pods), len(s.trees), len(*s.discovery.missing.Load()), len(live))
	}
}

// What the directory makes of pods, whatever they hold.
func FuzzDirectory(f *testing.F) {
	f.Add("7c87ba6a-5dba-4aa5-bf3b-2bfd339e189f", "48d542d3d875bedb32a028c007465cdc", "containerd://0123", "node-1")
	f.Add("", "", "", "")
	f.Add("a_b", "a-b", "://", "node-2")
	f.Fuzz(func(t *testing.T, uid, hash, containerID, nodeName string) {
		p := simnode.NewPod(template("shop", "web"))
		p.UID, p.Spec.NodeName = types.UID(uid), nodeName
		p.Annotations = map[string]string{annotationHash: hash}
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", ContainerID: containerID}}
		b := newBook()
		b.replace(podsOf(node, []corev1.Pod{*p}), time.Now())
		d := b.current.Load()
		found := d.find(uid)
		if want := nodeName == node && uid != ""; (found != nil) != want {
			t.Errorf("pod %q of node %q: found %v, want %v", uid, nodeName, found, want)
		}
		if found == nil {
			return
		}
		if hash != "" && d.find(hash) == nil {
			t.Errorf("not found by its hash %q", hash)
		}
		if _, id, ok := strings.Cut(containerID, "://"); ok && id != "" && !d.has(name{uid, id}) {
			t.Errorf("container %q is not known", id)
		}
		if cgroup.UIDKey(found.uid) != cgroup.UIDKey(uid) {
			t.Errorf("found %q by %q", found.uid, uid)
		}
	})
}
