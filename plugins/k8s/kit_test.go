package k8s

import (
	"context"
	"maps"
	"net"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

const (
	node     = "node-1"
	interval = 5 * time.Second
)

// rig is a node with the plugin on it.
type rig struct {
	*source
	t    *testing.T
	host *plugintest.Host
	api  *simnode.API
	url  string
	tree *simnode.Tree
	end  time.Time // of the last window
	poll int
	dial dial // nil is as usual
}

// newAPI serves an empty API server.
func newAPI(t testing.TB) (*simnode.API, string) {
	t.Helper()
	api := simnode.NewAPI()
	url, err := api.Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := api.Close(); err != nil {
			t.Error(err)
		}
	})
	return api, url
}

func newTree(t testing.TB, layout simnode.Layout) *simnode.Tree {
	t.Helper()
	tree, err := simnode.NewTree(t.TempDir(), layout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
	})
	return tree
}

// newRig makes a simulated node without pods. The plugin is opened by start.
func newRig(t *testing.T, layout simnode.Layout) *rig {
	t.Helper()
	api, url := newAPI(t)
	return &rig{t: t, api: api, url: url, tree: newTree(t, layout), end: time.Now()}
}

// start opens the plugin and runs it until the test ends.
func (r *rig) start(change ...func(*Config)) {
	r.t.Helper()
	change = slices.Insert(change, 0, func(c *Config) { c.APIURL, c.CgroupRoot = r.url, r.tree.Root() })
	r.source, r.host = startWith(r.t, r.dial, change...)
}

// start opens the plugin and runs it until the test ends.
func start(t testing.TB, change ...func(*Config)) (*source, *plugintest.Host) {
	t.Helper()
	return startWith(t, nil, change...)
}

// dial connects to servers.
type dial func(ctx context.Context, network, address string) (net.Conn, error)

// startWith is start for servers that are reached in another way.
func startWith(t testing.TB, d dial, change ...func(*Config)) (*source, *plugintest.Host) {
	t.Helper()
	c := defaults()
	c.Node = node
	c.RefreshInterval = plugin.Duration(20 * time.Millisecond)
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	host := plugintest.NewHost(t)
	host.Dial = d
	opened, err := c.Open(t.Context(), host.Host)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*source)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return s, host
}

// tick polls once for the next window.
func (r *rig) tick() *measure.Batch {
	r.t.Helper()
	b, err := r.tryTick()
	if err != nil {
		r.t.Errorf("Poll: %v", err)
	}
	return b
}

func (r *rig) tryTick() (*measure.Batch, error) {
	start := r.end
	if r.poll++; r.poll > 1 {
		r.end = r.end.Add(interval)
	}
	return plugintest.Poll(r.t, r.source, interval, start, r.end)
}

// eventually waits for what another goroutine brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// polling has the plugin ask for names instead of being told.
func polling(c *Config) { c.Discovery = modePoll }

// firstList waits for the end of the first list.
func (s *source) firstList(t *testing.T) {
	t.Helper()
	eventually(t, "the first list of the pods", func() bool { return !s.discovery.current.Load().asked.IsZero() })
}

// run adds a pod to the API server and to the tree.
func (r *rig) run(template simnode.PodTemplate) *corev1.Pod {
	r.t.Helper()
	if template.Node == "" {
		template.Node = node
	}
	pod := simnode.NewPod(template)
	r.api.Put(pod)
	r.cgroup(pod)
	return pod
}

func (r *rig) cgroup(pod *corev1.Pod) {
	r.t.Helper()
	if err := r.tree.AddPod(pod); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) spend(pod *corev1.Pod, container string, user, system time.Duration) {
	r.t.Helper()
	if err := r.tree.Spend(string(pod.UID), container, user, system); err != nil {
		r.t.Fatal(err)
	}
}

// sample is what a test looks at of a sample.
type sample struct {
	metric, kind             string
	uid, name, namespace     string
	container, containerID   string
	value                    float64
	span                     time.Duration
	resource, consumer, node string
}

func attributeOf(s *measure.Series, key string) string {
	v, _ := s.Attribute(key)
	return v
}

func samples(b *measure.Batch) []sample {
	var all []sample
	for i := range b.Samples {
		s := &b.Samples[i]
		all = append(all, sample{
			metric: s.Series.Metric.Name, kind: attributeOf(s.Series, keyKind),
			uid: attributeOf(s.Series, keyUID), name: attributeOf(s.Series, keyName), namespace: attributeOf(s.Series, keyNamespace),
			container: attributeOf(s.Series, keyContainer), containerID: attributeOf(s.Series, keyContainerID),
			value: s.Float(), span: b.End.Sub(b.StartOf(s)),
			resource: s.Series.Resource.Kind, consumer: s.Series.Consumer.ID, node: attributeOf(s.Series, keyNode),
		})
	}
	return all
}

// ledger adds up what was emitted.
type ledger map[string]uint64 // by metric, UID, container id and kind

func ledgerKey(metric, uid, containerID, kind string) string {
	return metric + " " + uid + " " + containerID + " " + kind
}

// add books the deltas of a batch.
func (l ledger) add(t *testing.T, b *measure.Batch) {
	t.Helper()
	seen := make(map[*measure.Series]bool)
	for i := range b.Samples {
		s := &b.Samples[i]
		if seen[s.Series] {
			t.Errorf("two samples of one series: %+v", s.Series)
		}
		seen[s.Series] = true
		if s.Series.Metric.Kind != measure.Delta {
			continue
		}
		n, ok := s.Uint()
		if !ok {
			t.Errorf("%s is no integer", s.Series.Metric.Name)
		}
		l[ledgerKey(s.Series.Metric.Name, attributeOf(s.Series, keyUID), attributeOf(s.Series, keyContainerID), attributeOf(s.Series, keyKind))] += n
	}
}

func names(b *measure.Batch) []string {
	set := make(map[string]bool)
	for _, s := range samples(b) {
		set[s.namespace+"/"+s.name] = true
	}
	return slices.Sorted(maps.Keys(set))
}
