package k8s

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/cgroup/cgrouptest"
	"github.com/podjoule/podjoule/simnode"
)

// Containers of every sort have their names: init containers, those of them that go
// on running, those added to a running pod, and those before their restart. The pod
// is on the host's network, which changes nothing.
func TestContainersOfEverySort(t *testing.T) {
	status := func(name, digit string) corev1.ContainerStatus {
		return corev1.ContainerStatus{Name: name, ContainerID: "containerd://" + strings.Repeat(digit, 64)}
	}
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	p := simnode.NewPod(template("shop", "web"))
	p.Spec.HostNetwork = true
	always := corev1.ContainerRestartPolicyAlways
	p.Spec.InitContainers = []corev1.Container{{Name: "migrate"}, {Name: "sidecar", RestartPolicy: &always}}
	p.Status.InitContainerStatuses = []corev1.ContainerStatus{status("migrate", "1"), status("sidecar", "2")}
	p.Status.EphemeralContainerStatuses = []corev1.ContainerStatus{status("debug", "3")}
	again := status("worker", "4")
	again.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{ContainerID: "containerd://" + strings.Repeat("5", 64)}
	p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, again)
	r.api.Put(p)
	r.cgroup(p)
	want := map[string]bool{"main": true}
	for i, name := range []string{"migrate", "sidecar", "debug", "worker"} {
		want[name] = true
		if name == "worker" {
			continue // the tree made it from the pod's status
		}
		if err := r.tree.AddContainer(string(p.UID), name, strings.Repeat(fmt.Sprint(i+1), 64)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.tree.AddContainer(string(p.UID), "worker before", strings.Repeat("5", 64)); err != nil {
		t.Fatal(err)
	}
	r.start(withContainers)
	r.firstList(t)
	r.tick()
	b := r.tick()
	got := make(map[string]bool)
	ids := make(map[string]string)
	for _, s := range samples(b) {
		if s.container != "" {
			got[s.container] = true
			ids[s.containerID] = s.container
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if ids[strings.Repeat("5", 64)] != "worker" {
		t.Errorf("the container before the restart is %q, want worker", ids[strings.Repeat("5", 64)])
	}
}

// The same name in two namespaces is two pods.
func TestSameNameInTwoNamespaces(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V1})
	one, two := r.run(template("shop", "web")), r.run(template("blog", "web"))
	r.start()
	r.firstList(t)
	booked := make(ledger)
	booked.add(t, r.tick())
	r.spend(one, "main", 3*time.Millisecond, 0)
	r.spend(two, "main", 5*time.Millisecond, 0)
	b := r.tick()
	booked.add(t, b)
	namespaces := make(map[string]string)
	for _, s := range samples(b) {
		namespaces[s.uid] = s.namespace
	}
	if diff := cmp.Diff(map[string]string{string(one.UID): "shop", string(two.UID): "blog"}, namespaces); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	for uid, want := range map[string]uint64{string(one.UID): 3_000_000, string(two.UID): 5_000_000} {
		if got := booked[ledgerKey("cpu_time_delta", uid, "", "total")]; got != want {
			t.Errorf("%s: %d ns, want %d", uid, got, want)
		}
	}
}

// A pod that has ended is measured as long as its cgroup lives.
func TestEndedPodWhoseCgroupLives(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	p := r.run(template("batch", "job"))
	r.start()
	r.firstList(t)
	r.tick()
	done := p.DeepCopy()
	done.Status.Phase = corev1.PodSucceeded
	r.api.Put(done)
	r.spend(p, "main", time.Millisecond, 0)
	if s, ok := value(r.tick(), "cpu_time_delta", "total"); !ok || s.value != 1e6 || s.name != "job" {
		t.Errorf("%+v, %v; want 1 ms of job", s, ok)
	}
}

// A cgroup that goes while its pod lives and comes back, as a static pod's does when
// its containers are all made anew, goes on in the same series if no tick was
// between, and else in a new one. Nothing of either life is lost.
func TestCgroupThatComesBack(t *testing.T) {
	tree, p, dir := onePod(t, simnode.V2)
	s, _ := offline(t, tree.Root(), p)
	if s.watchCgroups() == nil {
		t.Fatal(s.finder.Refused())
	}
	live := func(usec ...int) {
		t.Helper()
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, n := range usec {
			writeFile(t, fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec 0\n", n, n), dir, "cpu.stat")
			s.catchUp()
			s.mu.Lock()
			s.glanceInto(s.pods[cgroup.UIDKey(string(p.UID))])
			s.mu.Unlock()
		}
	}
	die := func() {
		t.Helper()
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		s.catchUp()
	}
	end := time.Now()
	next := func() *measure.Batch {
		start := end
		end = end.Add(interval)
		return pollAt(t, s, start, end)
	}
	live(1000)
	pollAt(t, s, end, end)
	live(1500)
	die()
	live(200)
	die()
	live(30)
	b := next()
	if x, ok := value(b, "cpu_time_delta", "total"); !ok || x.value != 1_730_000 || len(b.Ended) != 0 {
		t.Errorf("three lives in one window: %+v, %d series ended; want 1.73 ms and none", x, len(b.Ended))
	}
	live(100)
	die()
	b = next()
	if x, ok := value(b, "cpu_time_delta", "total"); !ok || x.value != 70_000 || len(b.Ended) == 0 {
		t.Errorf("the end: %+v, %d series ended; want 70 µs and all", x, len(b.Ended))
	}
	live(5)
	b = next()
	if x, ok := value(b, "cpu_time_delta", "total"); !ok || x.value != 5_000 || x.name != "web" {
		t.Errorf("back in another window: %+v, want 5 µs of web", x)
	}
	if diff := cmp.Diff(1, len(s.targets)); diff != "" {
		t.Errorf("targets: %s", diff)
	}
}

// A14: a pod that comes and goes between two ticks is measured, under its name,
// also when that comes later, and with what memory it had.
func TestPodBetweenTwoTicks(t *testing.T) {
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprint("name comes late: ", late), func(t *testing.T) {
			r := newRig(t, simnode.Layout{Version: simnode.V2})
			r.run(template("shop", "other"))
			r.start()
			r.firstList(t)
			r.tick()
			p := simnode.NewPod(template("batch", "short"))
			uid := string(p.UID)
			if !late {
				r.api.Put(p)
			}
			r.cgroup(p)
			r.sees(uid)
			eventually(t, "the pod's files", func() bool { // which this tree makes one after the other
				r.mu.Lock()
				defer r.mu.Unlock()
				pod := r.pods[cgroup.UIDKey(uid)]
				r.glance(pod)
				return pod.memory.Usage.Known
			})
			r.spend(p, "main", 7*time.Millisecond, 2*time.Millisecond)
			if err := r.tree.SetMemory(uid, "main", simnode.Memory{Anon: 1 << 20}); err != nil {
				t.Fatal(err)
			}
			if err := r.tree.RemoveContainer(uid, "main"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a look at the pod", func() bool {
				r.mu.Lock()
				defer r.mu.Unlock()
				return r.pods[cgroup.UIDKey(uid)].cpu[total].sum == 9_000_000
			})
			if err := r.tree.RemovePod(uid); err != nil {
				t.Fatal(err)
			}
			booked := make(ledger)
			if late {
				b := r.tick()
				booked.add(t, b)
				for _, s := range samples(b) {
					if s.uid == uid {
						t.Errorf("shown without a name: %+v", s)
					}
				}
				r.api.Put(p)
				eventually(t, "the name", func() bool { return r.discovery.current.Load().find(uid) != nil })
			}
			b := r.tick()
			booked.add(t, b)
			if got := booked[ledgerKey("cpu_time_delta", uid, "", "total")]; got != 9_000_000 {
				t.Errorf("%d ns, want 9 ms", got)
			}
			memory := false
			for _, s := range samples(b) {
				if s.uid == uid && s.name != "short" {
					t.Errorf("shown as %q", s.name)
				}
				memory = memory || s.uid == uid && s.metric == "memory_usage"
			}
			if !memory {
				t.Error("its memory is not shown")
			}
			if len(b.Ended) == 0 {
				t.Error("its series did not end")
			}
			for _, s := range samples(r.tick()) {
				if s.uid == uid {
					t.Errorf("shown after its end: %+v", s)
				}
			}
		})
	}
}

// sees waits until a pod's cgroup was seen.
func (r *rig) sees(uid string) {
	r.t.Helper()
	eventually(r.t, "the pod's cgroup", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.pods[cgroup.UIDKey(uid)] != nil
	})
}

// Where inotify has no watches left, the message names the setting, and pods are
// found by scanning, between the ticks too.
func TestBirthsByScanning(t *testing.T) {
	if !cgrouptest.Limited(t, "max_inotify_watches", "3") {
		return
	}
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.run(template("shop", "first"))
	r.run(template("shop", "second"))
	r.start()
	r.firstList(t)
	eventually(t, "that the kernel refuses", func() bool { return r.Ready() != nil })
	r.tick()
	if err := r.Ready(); err == nil || !strings.Contains(err.Error(), "fs.inotify.max_user_watches") {
		t.Errorf("ready: %v, want the setting named", err)
	}
	p := r.run(template("shop", "third"))
	r.sees(string(p.UID))
	if n := r.host.Counter(t, "podjoule.k8s.births", attribute.String("way", "scan")); n != 1 {
		t.Errorf("births are found by scanning: %d, want 1", n)
	}
}

// Where the kernel tells nothing about cgroups, what the API server tells of a pod's end
// has the pod read at once.
func TestEndThatTheServerTells(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V1})
	p := r.run(template("shop", "web"))
	r.start(func(c *Config) { c.scan = time.Hour })
	eventually(t, "the pod's name", func() bool { return r.discovery.current.Load().find(string(p.UID)) != nil })
	r.tick()
	r.spend(p, "main", time.Second, 0)
	p = p.DeepCopy()
	p.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	r.api.Put(p)
	eventually(t, "a look at the pod", func() bool {
		r.source.mu.Lock()
		defer r.source.mu.Unlock()
		return r.source.pods[cgroup.UIDKey(string(p.UID))].cpu[total].sum == uint64(time.Second)
	})
	if err := r.tree.RemovePod(string(p.UID)); err != nil {
		t.Fatal(err)
	}
	if got, ok := value(r.tick(), "cpu_time_delta", "total"); !ok || got.value != 1e9 || got.name != p.Name {
		t.Errorf("%+v, %v; want 1 s of %s", got, ok, p.Name)
	}
}
