package k8s

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

// seriesBook holds what series a source has, as an output sees them.
type seriesBook struct {
	t    *testing.T
	live map[string]*measure.Series // by identity
	gone map[*measure.Series]bool
}

func newSeriesBook(t *testing.T) *seriesBook {
	return &seriesBook{t: t, live: make(map[string]*measure.Series), gone: make(map[*measure.Series]bool)}
}

// identityOf is what tells a series from all others.
func identityOf(s *measure.Series) string {
	parts := []string{s.Metric.Name, s.Consumer.Kind, s.Consumer.ID}
	for _, a := range s.Attributes {
		parts = append(parts, a.Key, a.Value)
	}
	return strings.Join(parts, "\x00")
}

// add looks at a batch: a series ends once, has no sample after the batch of its
// end, and no two of one identity live at a time.
func (k *seriesBook) add(b *measure.Batch) {
	k.t.Helper()
	for _, s := range b.Ended {
		if k.gone[s] {
			k.t.Errorf("ended twice: %q", identityOf(s))
		}
		k.gone[s] = true
		if k.live[identityOf(s)] == s {
			delete(k.live, identityOf(s))
		}
	}
	for i := range b.Samples {
		s := b.Samples[i].Series
		if k.gone[s] {
			if !slices.Contains(b.Ended, s) {
				k.t.Errorf("a sample after the end: %q", identityOf(s))
			}
			continue
		}
		if other := k.live[identityOf(s)]; other != nil && other != s {
			k.t.Errorf("two series of one identity: %q", identityOf(s))
		}
		k.live[identityOf(s)] = s
	}
}

// life is a random life of a node: pods come, change, and go.
type life struct {
	t      *testing.T
	random *rand.Rand
	tree   *simnode.Tree
	source *source
	pods   []*corev1.Pod // in the tree
	known  map[*corev1.Pod]bool
	quiet  map[*corev1.Pod]bool // spent nothing since the last tick
	want   ledger
	flips  int
	births int
}

func (l *life) step() {
	l.t.Helper()
	for range l.random.IntN(4) {
		switch n := l.random.IntN(10); {
		case n < 2 || len(l.pods) == 0:
			l.birth()
		case n < 7:
			l.change(l.pods[l.random.IntN(len(l.pods))])
		case n < 8:
			i := l.random.IntN(len(l.pods))
			if p := l.pods[i]; l.quiet[p] && l.known[p] {
				if err := l.tree.RemovePod(string(p.UID)); err != nil {
					l.t.Fatal(err)
				}
				l.pods = slices.Delete(l.pods, i, i+1)
			}
		}
	}
	for _, p := range l.pods {
		if l.quiet[p] = l.random.IntN(3) == 0; !l.quiet[p] {
			l.spend(p)
		}
	}
}

func (l *life) birth() {
	one := template("shop", fmt.Sprint("pod-", l.births))
	one.Containers, one.Labels = []string{"a", "b"}, map[string]string{"app": "web"}
	p := simnode.NewPod(one)
	l.births++
	if err := l.tree.AddPod(p); err != nil {
		l.t.Fatal(err)
	}
	l.pods = append(l.pods, p)
	if l.random.IntN(2) == 0 { // else it is known later
		l.tell(p)
	}
	l.spend(p)
}

// change has a label come, change, or go, or another phase begin.
func (l *life) change(p *corev1.Pod) {
	switch l.random.IntN(4) {
	case 0:
		delete(p.Labels, "app")
	case 1:
		p.Status.Phase = []corev1.PodPhase{corev1.PodPending, corev1.PodRunning}[l.random.IntN(2)]
	default:
		p.Labels["app"] = fmt.Sprint("v", l.random.IntN(3))
	}
	p.Labels["other"] = fmt.Sprint(l.random.IntN(3)) // of no interest to anybody
	l.flips++
	l.tell(p)
}

func (l *life) tell(p *corev1.Pod) {
	l.known[p] = true
	l.source.discovery.put(newChosenPod(node, &l.source.chosen, p))
}

func (l *life) spend(p *corev1.Pod) {
	for _, container := range []string{"a", "b"} {
		u, s := time.Duration(l.random.Uint64N(1e6))*time.Microsecond, time.Duration(l.random.Uint64N(1e6))*time.Microsecond
		if err := l.tree.Spend(string(p.UID), container, u, s); err != nil {
			l.t.Fatal(err)
		}
		id, _ := simnode.ContainerID(p, container)
		for kind, d := range map[int]time.Duration{total: u + s, user: u, system: s} {
			l.want[ledgerKey("cpu_time_delta", string(p.UID), "", cpuKinds[kind])] += uint64(d)
			l.want[ledgerKey("container_cpu_time_delta", string(p.UID), id, cpuKinds[kind])] += uint64(d)
		}
	}
	l.quiet[p] = false
}

// Whatever happens to the labels of pods, each series lives and ends once, tells what
// its pod says, and the CPU time of all of a pod's series is what was spent.
func TestChangedAttributesLoseNothing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		tree := newTree(t, simnode.Layout{Version: simnode.V2})
		c := defaults()
		c.CgroupRoot, c.Containers, c.Attributes = tree.Root(), true, everything()
		s, _ := configured(t, c)
		l := &life{t: t, random: rand.New(rand.NewPCG(seed, 7)), tree: tree, source: s,
			known: make(map[*corev1.Pod]bool), quiet: make(map[*corev1.Pod]bool), want: make(ledger)}
		booked, book := make(ledger), newSeriesBook(t)
		last := time.Now()
		tick := func() {
			b := pollAt(t, s, last, last.Add(interval))
			last = last.Add(interval)
			booked.add(t, b)
			book.add(b)
			labels := make(map[string]string)
			for _, p := range l.pods {
				labels[string(p.UID)] = fmt.Sprint(p.Labels["app"], p.Status.Phase)
			}
			for i := range b.Samples {
				x := b.Samples[i].Series
				if got, want := attributeOf(x, "label:app")+attributeOf(x, keyPhase), labels[attributeOf(x, keyUID)]; got != want {
					t.Errorf("a series of %s says %q, want %q", attributeOf(x, keyName), got, want)
				}
			}
		}
		tick()
		for range 60 {
			l.step()
			tick()
		}
		for _, p := range l.pods {
			l.tell(p)
		}
		tick()
		if diff := cmp.Diff(l.want, booked); diff != "" {
			t.Errorf("seed %d: CPU time: -spent +emitted\n%s", seed, diff)
		}
		for _, p := range slices.Clone(l.pods) {
			if err := tree.RemovePod(string(p.UID)); err != nil {
				t.Fatal(err)
			}
		}
		tick()
		tick()
		if len(book.live) != 0 || s.ceiling.live != 0 {
			t.Errorf("seed %d: %d series without an end, %d counted", seed, len(book.live), s.ceiling.live)
		}
		if l.flips < 30 || l.births < 5 {
			t.Errorf("seed %d: only %d changes and %d births: the test shows little", seed, l.flips, l.births)
		}
	}
}

// A change ends the pod's series once and begins others in the same tick; one of what
// nobody chose does not.
func TestChangedLabelStartsSeriesOnce(t *testing.T) {
	tree, p, _ := onePod(t, simnode.V2)
	c := defaults()
	c.CgroupRoot, c.Containers, c.Attributes = tree.Root(), true, []string{"label:app"}
	s, _ := configured(t, c, p)
	t0 := time.Now()
	at := func(i int) time.Time { return t0.Add(time.Duration(i) * interval) }
	pollAt(t, s, at(0), at(0))
	series := len(pollAt(t, s, at(0), at(1)).Samples)
	if series != 22 { // eleven of the pod, eleven of its container
		t.Fatalf("%d samples, want 22", series)
	}
	for i, change := range []struct {
		labels map[string]string
		ended  int
	}{
		{map[string]string{"app": "web"}, series},
		{map[string]string{"app": "web"}, 0},
		{map[string]string{"app": "web", "other": "x"}, 0},
		{map[string]string{"app": ""}, series},
		{nil, series},
		{nil, 0},
	} {
		p.Labels = change.labels
		s.know(p)
		b := pollAt(t, s, at(i+1), at(i+2))
		if len(b.Samples) != series || len(b.Ended) != change.ended {
			t.Errorf("labels %v: %d samples and %d ends, want %d and %d", change.labels, len(b.Samples), len(b.Ended), series, change.ended)
		}
		value, ok := b.Samples[0].Series.Attribute("label:app")
		if want, has := change.labels["app"]; value != want || ok != has {
			t.Errorf("labels %v: the series says %q, %v", change.labels, value, ok)
		}
	}
}

// lists counts the lists, of which each is empty.
type lists struct{ n atomic.Int64 }

func (l *lists) list(context.Context) ([]*pod, error) {
	l.n.Add(1)
	return nil, nil
}

// Where pods are listed, attributes that may change are asked for again in time, and
// others never.
func TestPolledAttributesAreRenewed(t *testing.T) {
	for _, tt := range []struct {
		chosen  choice
		refresh time.Duration
		want    int64 // lists in 10 minutes
	}{
		{choice{}, 5 * time.Second, 1},
		{choice{workload: true, qos: true}, 5 * time.Second, 1},
		{choice{phase: true}, 5 * time.Second, 10},
		{choice{labels: []chosenText{{"app", "label:app"}}}, 5 * time.Second, 10},
		{choice{annotations: []chosenText{{"app", "annotation:app"}}}, 4 * time.Minute, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := new(lists)
			d := newDiscovery(modePoll, l, tt.refresh)
			d.renewal = renewal(&tt.chosen, tt.refresh)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute-time.Second)
			defer cancel()
			if err := d.poll(ctx); err != nil {
				t.Fatal(err)
			}
			if n := l.n.Load(); n != tt.want {
				t.Errorf("%+v: %d lists, want %d", tt.chosen, n, tt.want)
			}
		})
	}
}
