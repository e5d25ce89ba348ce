package k8s

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// perTarget is how many series a pod has, and a container.
const perTarget = 11

// crowd is a node with a ceiling.
type crowd struct {
	*source
	t    *testing.T
	host *plugintest.Host
	tree *simnode.Tree
	pods []*corev1.Pod
	last time.Time
	booked,
	want ledger
}

func newCrowd(t *testing.T, most int, change ...func(*Config)) *crowd {
	t.Helper()
	w := &crowd{t: t, tree: newTree(t, simnode.Layout{Version: simnode.V2}), last: time.Now(), booked: make(ledger), want: make(ledger)}
	c := defaults()
	c.CgroupRoot, c.MaxSeries, c.Attributes = w.tree.Root(), most, []string{"label:app"}
	for _, f := range change {
		f(c)
	}
	w.source, w.host = configured(t, c)
	w.tick()
	return w
}

// come adds a pod with so many containers.
func (w *crowd) come(name string, containers int) *corev1.Pod {
	w.t.Helper()
	one := template("shop", name)
	for i := range containers {
		one.Containers = append(one.Containers, fmt.Sprint("c", i))
	}
	p := simnode.NewPod(one)
	if err := w.tree.AddPod(p); err != nil {
		w.t.Fatal(err)
	}
	w.pods = append(w.pods, p)
	w.know(w.pods...)
	w.spend(p)
	return p
}

func (w *crowd) leave(p *corev1.Pod) {
	w.t.Helper()
	if err := w.tree.RemovePod(string(p.UID)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *crowd) spend(p *corev1.Pod) {
	w.t.Helper()
	if err := w.tree.Spend(string(p.UID), p.Spec.Containers[0].Name, time.Second, 0); err != nil {
		w.t.Fatal(err)
	}
	w.want[ledgerKey("cpu_time_delta", string(p.UID), "", "total")] += 1e9
}

// tick returns how many samples each pod has, containers included.
func (w *crowd) tick() map[string]int {
	w.t.Helper()
	now := time.Now() // the time of the readings, so that there are percents of new pods too
	b := pollAt(w.t, w.source, w.last, now)
	w.last = now
	w.booked.add(w.t, b)
	shown := make(map[string]int)
	for _, s := range samples(b) {
		shown[s.name]++
	}
	return shown
}

// check compares the CPU time of a pod that was emitted with what it spent.
func (w *crowd) check(pods ...*corev1.Pod) {
	w.t.Helper()
	for _, p := range pods {
		key := ledgerKey("cpu_time_delta", string(p.UID), "", "total")
		if w.booked[key] != w.want[key] {
			w.t.Errorf("%s: %d ns, want %d", p.Name, w.booked[key], w.want[key])
		}
	}
}

func (w *crowd) refused() int64 { return w.host.Counter(w.t, "podjoule.k8s.series_refused") }

// With no room left, those that are there go on and a new pod is refused as a whole,
// counted once and said. When there is room it is shown, and nothing is lost.
func TestCeiling(t *testing.T) {
	w := newCrowd(t, 2*perTarget)
	a, b := w.come("a", 1), w.come("b", 1)
	if err := w.Ready(); err != nil {
		t.Errorf("Ready: %v", err)
	}
	w.tick()
	c := w.come("c", 1)
	for range 3 {
		if diff := cmp.Diff(map[string]int{"a": perTarget, "b": perTarget}, w.tick()); diff != "" {
			t.Errorf("at the ceiling: -want +got\n%s", diff)
		}
		for _, p := range w.pods {
			w.spend(p)
		}
	}
	if err := w.Ready(); err == nil || !strings.Contains(err.Error(), "max_series = 22 is reached: 11 series of 1 pods are not shown; raise it") {
		t.Errorf("Ready: %v, want the key and the remedy", err)
	}
	if n := w.refused(); n != perTarget {
		t.Errorf("%d series refused, want %d", n, perTarget)
	}
	w.tick()
	w.leave(a)
	w.tick() // in which its series end
	if diff := cmp.Diff(map[string]int{"b": perTarget, "c": perTarget}, w.tick()); diff != "" {
		t.Errorf("with room: -want +got\n%s", diff)
	}
	w.check(a, b, c)
	if err := w.Ready(); err != nil || w.refused() != perTarget {
		t.Errorf("with room: Ready: %v, %d series refused", err, w.refused())
	}
}

// A pod is shown with all its containers or not at all; a smaller one may fit. A
// container that comes later is refused alone.
func TestCeilingTakesWholePods(t *testing.T) {
	w := newCrowd(t, 4*perTarget, withContainers)
	w.come("a", 1)
	w.tick()
	big := w.come("big", 2)
	w.come("small", 1)
	want := map[string]int{"a": 2 * perTarget, "small": 2 * perTarget}
	w.tick()
	if diff := cmp.Diff(want, w.tick()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if n := w.refused(); n != 3*perTarget {
		t.Errorf("%d series refused, want %d", n, 3*perTarget)
	}

	restarted, err := simnode.RestartContainer(w.pods[0], "c0")
	if err != nil {
		t.Fatal(err)
	}
	id, _ := simnode.ContainerID(restarted, "c0")
	if err := w.tree.AddContainer(string(restarted.UID), "c0-again", id); err != nil {
		t.Fatal(err)
	}
	w.pods[0] = restarted
	w.know(w.pods...)
	w.tick()
	if diff := cmp.Diff(want, w.tick()); diff != "" {
		t.Errorf("with a new container: -want +got\n%s", diff)
	}
	if n := w.refused(); n != 4*perTarget {
		t.Errorf("%d series refused, want %d", n, 4*perTarget)
	}
	if err := w.tree.RemoveContainer(string(restarted.UID), "c0"); err != nil {
		t.Fatal(err)
	}
	w.tick()
	if diff := cmp.Diff(want, w.tick()); diff != "" {
		t.Errorf("after the old one's end: -want +got\n%s", diff)
	}
	w.leave(w.pods[2])
	w.leave(w.pods[0])
	w.tick()
	if diff := cmp.Diff(map[string]int{"big": 3 * perTarget}, w.tick()); diff != "" {
		t.Errorf("with room: -want +got\n%s", diff)
	}
	w.check(big)
}

// At the ceiling a pod whose label changes goes on: no pod that waits takes its room.
func TestCeilingKeepsWhoIsThere(t *testing.T) {
	w := newCrowd(t, 4*perTarget, withContainers)
	first := w.come("first", 1)
	w.tick()
	w.come("big", 2)
	last := w.come("last", 1)
	w.tick()
	w.leave(first)
	w.tick()
	last.Labels = map[string]string{"app": "other"}
	w.know(w.pods...)
	if diff := cmp.Diff(map[string]int{"last": 2 * perTarget}, w.tick()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	w.check(last)
}

// Room that series leave outside of an admission is used at the next tick.
func TestCeilingUsesRoomAtOnce(t *testing.T) {
	w := newCrowd(t, perTarget)
	a := w.come("a", 1)
	w.tick()
	b := w.come("b", 1)
	w.tick()
	w.leave(a)
	w.tick()
	if diff := cmp.Diff(map[string]int{"b": perTarget}, w.tick()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	w.check(b)
}

// 0 is no ceiling.
func TestNoCeiling(t *testing.T) {
	w := newCrowd(t, 0)
	for i := range 30 {
		w.come(fmt.Sprint("pod-", i), 1)
	}
	w.tick()
	if n := len(w.tick()); n != 30 || w.Ready() != nil || w.refused() != 0 {
		t.Errorf("%d pods shown, Ready: %v", n, w.Ready())
	}
	c := defaults()
	c.MaxSeries = -1
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "max_series") {
		t.Errorf("error %v, want one about max_series", err)
	}
}

// However pods come and go, the ceiling holds, a pod is whole or absent, and each one
// that is shown at last has all its CPU time.
func TestCeilingUnderChurn(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 9))
		w := newCrowd(t, 12*perTarget, withContainers)
		for i := range 60 {
			if random.IntN(3) > 0 {
				w.come(fmt.Sprint("pod-", i), 1+random.IntN(3))
			}
			for len(w.pods) > 5 {
				i := random.IntN(len(w.pods))
				w.leave(w.pods[i])
				w.pods[i] = w.pods[0]
				w.pods = w.pods[1:]
			}
			all := 0
			w.tick()
			for name, n := range w.tick() {
				for _, p := range w.pods {
					if want := (1 + len(p.Spec.Containers)) * perTarget; p.Name == name && n != want {
						t.Errorf("seed %d: %s has %d series, want %d or none", seed, name, n, want)
					}
				}
				all += n
			}
			if all > 12*perTarget || all != w.ceiling.live {
				t.Errorf("seed %d: %d series, %d counted, want at most %d", seed, all, w.ceiling.live, 12*perTarget)
			}
			for _, p := range w.pods {
				w.spend(p)
			}
			w.tick()
		}
		if w.refused() == 0 {
			t.Errorf("seed %d: nothing was refused: the test shows nothing", seed)
		}
		for _, p := range w.pods[:len(w.pods)-1] { // then there is room for the last
			w.leave(p)
		}
		w.tick()
		w.tick()
		w.check(w.pods[len(w.pods)-1])
	}
}
