package k8s

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/simnode"
)

func template(namespace, name string) simnode.PodTemplate {
	return simnode.PodTemplate{Namespace: namespace, Name: name, QoS: corev1.PodQOSBurstable, Node: node}
}

func rarely(c *Config)         { c.RefreshInterval = plugin.Duration(time.Hour) }
func often(c *Config)          { c.RefreshInterval = plugin.Duration(time.Millisecond) }
func withContainers(c *Config) { c.Containers = true }

func (r *rig) lists() int {
	return r.api.Count(func(q simnode.Request) bool { return !q.Watch() })
}

// Nodes of every sort show their pods, whatever the driver, the runtime and the
// prefix are, and deltas are exact through births and deaths.
func TestEveryLayout(t *testing.T) {
	for name, layout := range map[string]simnode.Layout{
		"plain, cgroupfs, v1":        {Version: simnode.V1, Driver: simnode.Cgroupfs},
		"plain, systemd, v1":         {Version: simnode.V1, Driver: simnode.Systemd},
		"plain, cgroupfs, v2":        {Version: simnode.V2, Driver: simnode.Cgroupfs},
		"plain, systemd, v2, CRI-O":  {Version: simnode.V2, Driver: simnode.Systemd, Runtime: simnode.CRIO},
		"hybrid, cgroupfs, docker":   {Version: simnode.Hybrid, Driver: simnode.Cgroupfs, Runtime: simnode.Docker},
		"kind on a host":             {Version: simnode.V2, Driver: simnode.Systemd, Prefix: "system.slice/docker-" + strings.Repeat("ab", 32) + ".scope", KubeletRoot: "/kubelet"},
		"minikube with docker on v1": {Version: simnode.V1, Driver: simnode.Cgroupfs, Prefix: "docker/" + strings.Repeat("cd", 32)},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, layout)
			var pods []*corev1.Pod
			for i, qos := range []corev1.PodQOSClass{corev1.PodQOSGuaranteed, corev1.PodQOSBurstable, corev1.PodQOSBestEffort} {
				one := template("shop", fmt.Sprint("pod-", i))
				one.QoS, one.Containers = qos, []string{"web", "sidecar"}
				pods = append(pods, r.run(one))
			}
			static := template("kube-system", "etcd")
			static.Static = true
			pods = append(pods, r.run(static))
			r.start(withContainers)
			r.firstList(t)
			booked, want := make(ledger), make(ledger)
			book := func(p *corev1.Pod, container string, userTime, systemTime time.Duration) {
				r.spend(p, container, userTime, systemTime)
				id, _ := simnode.ContainerID(p, container)
				for kind, d := range map[int]time.Duration{total: userTime + systemTime, user: userTime, system: systemTime} {
					want[ledgerKey("cpu_time_delta", string(p.UID), "", cpuKinds[kind])] += uint64(d)
					want[ledgerKey("container_cpu_time_delta", string(p.UID), id, cpuKinds[kind])] += uint64(d)
				}
			}
			booked.add(t, r.tick())
			for i := range 12 {
				if i == 4 { // a pod is born: its first moments count
					p := r.run(template("batch", "born"))
					book(p, "main", 70*time.Millisecond, 30*time.Millisecond)
					eventually(t, "the name of the new pod", func() bool { r.tick2(booked); return r.directory.find(string(p.UID)) != nil })
					pods = append(pods, p)
				}
				for _, p := range pods {
					for _, c := range p.Spec.Containers {
						book(p, c.Name, time.Duration(i+1)*time.Millisecond, 3*time.Microsecond)
					}
				}
				b := r.tick()
				booked.add(t, b)
				if i == 8 {
					gone := pods[0]
					if err := r.tree.RemovePod(string(gone.UID)); err != nil {
						t.Fatal(err)
					}
					pods = pods[1:]
					after := r.tick()
					booked.add(t, after)
					if len(after.Ended) == 0 {
						t.Error("a pod is gone, and no series ended")
					}
					after = r.tick()
					booked.add(t, after)
					if slices.Contains(names(after), gone.Namespace+"/"+gone.Name) {
						t.Errorf("shown after its end: %v", names(after))
					}
				}
			}
			maps := func(l ledger) map[string]uint64 { // without series that never counted anything
				m := make(map[string]uint64)
				for k, v := range l {
					if v != 0 {
						m[k] = v
					}
				}
				return m
			}
			if diff := cmp.Diff(maps(want), maps(booked)); diff != "" {
				t.Errorf("-spent +emitted\n%s", diff)
			}
		})
	}
}

// tick2 ticks and books, inside a wait.
func (r *rig) tick2(l ledger) { l.add(r.t, r.tick()) }

// A3: a static pod is found under its mirror's name, and no list is spent on it.
func TestStaticPodHasItsMirrorsName(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2, Driver: simnode.Systemd})
	static := template("kube-system", "etcd")
	static.Static = true
	p := r.run(static)
	if simnode.CgroupUID(p) == string(p.UID) {
		t.Fatal("the simulated static pod has the UID of its mirror")
	}
	r.start()
	r.firstList(t)
	lists := r.lists()
	for range 20 {
		b := r.tick()
		if diff := cmp.Diff([]string{"kube-system/etcd-" + node}, names(b)); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
		for _, s := range samples(b) {
			if s.uid != string(p.UID) {
				t.Fatalf("uid %s, want the mirror's %s", s.uid, p.UID)
			}
		}
	}
	if n := r.lists(); n != lists {
		t.Errorf("%d requests besides the first list", n-lists)
	}
}

// A4: any number of unknown UIDs costs one list in a refresh interval.
func TestManyUnknownPodsCostOneList(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.start(rarely, polling)
	r.firstList(t)
	if r.tick(); r.lists() != 1 {
		t.Fatalf("%d lists at the start, want 1", r.lists())
	}
	for i := range 100 {
		r.cgroup(simnode.NewPod(template("shop", fmt.Sprint("unknown-", i))))
	}
	for range 50 {
		r.tick()
	}
	if n := r.lists(); n != 1 {
		t.Errorf("%d lists within a refresh interval, want 1", n)
	}
	if n := len(*r.discovery.missing.Load()); n != 100 {
		t.Errorf("%d names are missed, want 100", n)
	}
}

// A5, A6: without an API server, pods are measured by their UID from the first
// sight; their names come when the server does, and no CPU time is lost.
func TestServerAbsentAtStart(t *testing.T) {
	api, url := newAPI(t)
	tree := newTree(t, simnode.Layout{Version: simnode.V1})
	if err := api.Close(); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, api: api, url: url, tree: tree, end: time.Now()}
	p := r.run(template("shop", "web"))
	r.start()
	booked := make(ledger)
	booked.add(t, r.tick())
	r.firstList(t)
	r.spend(p, "main", time.Second, 0)
	b := r.tick()
	booked.add(t, b)
	if diff := cmp.Diff([]string{"/"}, names(b)); diff != "" {
		t.Errorf("without a server: -want +got\n%s", diff)
	}
	for _, s := range samples(b) {
		if s.uid != string(p.UID) || s.node != node {
			t.Errorf("without a server: %+v, want uid and node", s)
		}
	}
	if err := r.Ready(); err == nil || !strings.Contains(err.Error(), url) || !strings.Contains(err.Error(), "kubectl proxy") {
		t.Errorf("Ready: %v, want the URL and the remedy", err)
	}

	if _, err := api.Listen(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the API server's answer", func() bool { return r.Ready() == nil })
	r.spend(p, "main", time.Second, 0)
	b = r.tick()
	booked.add(t, b)
	if diff := cmp.Diff([]string{"shop/web"}, names(b)); diff != "" {
		t.Errorf("with the server: -want +got\n%s", diff)
	}
	if len(b.Ended) == 0 {
		t.Error("the series without a name did not end")
	}
	if got := booked[ledgerKey("cpu_time_delta", string(p.UID), "", "total")]; got != 2e9 {
		t.Errorf("%d ns in all, want 2 s", got)
	}
}

// A pod that the server does not know yet keeps its baseline from the first
// sight: its first delta covers all the time since.
func TestNameComesLater(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.start(rarely)
	r.firstList(t)
	r.tick()
	p := simnode.NewPod(template("shop", "late"))
	r.cgroup(p)
	booked := make(ledger)
	for range 3 {
		r.spend(p, "main", time.Second, 0)
		b := r.tick()
		booked.add(t, b)
		if len(b.Samples) != 0 {
			t.Fatalf("shown before the server had a chance to name it: %+v", samples(b))
		}
	}
	r.api.Put(p)
	r.discovery.replace([]*pod{newPod(node, p)}, time.Now())
	b := r.tick()
	booked.add(t, b)
	if got := booked[ledgerKey("cpu_time_delta", string(p.UID), "", "total")]; got != 3e9 {
		t.Errorf("%d ns, want 3 s", got)
	}
	for _, s := range samples(b) {
		if s.metric == "cpu_time_delta" && s.span != 4*interval {
			t.Errorf("the first delta covers %v, want all 4 windows since the birth", s.span)
		}
	}
}

// In the last batch of all, what was held back for a name is shown without it.
func TestNothingIsHeldBackAtTheEnd(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.start(rarely)
	r.firstList(t)
	r.tick()
	p := simnode.NewPod(template("shop", "late"))
	r.cgroup(p)
	r.spend(p, "main", time.Second, 0)
	if b := r.tick(); len(b.Samples) != 0 {
		t.Fatalf("shown before the server had a chance to name it: %+v", samples(b))
	}
	b := new(measure.Batch)
	b.Reset(interval, r.end, r.end.Add(interval))
	b.Last = true
	if err := r.Poll(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	booked := make(ledger)
	booked.add(t, b)
	if got := booked[ledgerKey("cpu_time_delta", string(p.UID), "", "total")]; got != 1e9 {
		t.Errorf("%d ns, want 1 s", got)
	}
}

// A pod that was deleted in the API keeps its name as long as its cgroup lives,
// and a name that is born again is another pod.
func TestDeletedAndRebornUnderTheSameName(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	old := r.run(template("db", "postgres-0"))
	r.start()
	r.firstList(t)
	r.tick()
	if err := r.api.Delete("db", "postgres-0"); err != nil {
		t.Fatal(err)
	}
	reborn := r.run(template("db", "postgres-0"))
	eventually(t, "the new pod's name", func() bool {
		r.tick()
		return r.discovery.current.Load().find(string(reborn.UID)) != nil
	})
	eventually(t, "the end of the old pod", func() bool {
		r.discovery.mu.Lock()
		defer r.discovery.mu.Unlock()
		return r.discovery.live[string(old.UID)] == nil
	})
	uids := make(map[string]string)
	for _, s := range samples(r.tick()) {
		uids[s.uid] = s.namespace + "/" + s.name
	}
	want := map[string]string{string(old.UID): "db/postgres-0", string(reborn.UID): "db/postgres-0"}
	if diff := cmp.Diff(want, uids); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// Several nodes can share one machine: a tree in which the server knows no pod
// is that of another node, unless there is no tree in which it knows one.
func TestPodsOfAnotherNodeOnTheSameMachine(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2, Prefix: "docker/" + strings.Repeat("a", 64)})
	other, err := simnode.NewTree(r.tree.Root(), simnode.Layout{Version: simnode.V2, Prefix: "docker/" + strings.Repeat("b", 64)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	mine := r.run(template("shop", "mine"))
	orphan := simnode.NewPod(template("shop", "orphan")) // in the same tree, unknown to the server
	r.cgroup(orphan)
	foreign := simnode.NewPod(simnode.PodTemplate{Namespace: "shop", Name: "foreign", Node: "node-2"})
	r.api.Put(foreign)
	if err := other.AddPod(foreign); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.firstList(t)
	r.tick()
	eventually(t, "the end of the wait for names", func() bool {
		got := make(map[string]bool)
		for _, s := range samples(r.tick()) {
			got[s.uid] = true
		}
		if got[string(foreign.UID)] {
			t.Fatal("a pod of another node is shown")
		}
		return got[string(mine.UID)] && got[string(orphan.UID)]
	})
}

// A folder that only looks like a pod's is not shown; a static pod whose
// manifest sets an odd UID is, since the server knows it.
func TestFolderThatLooksLikeAPod(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	odd := template("kube-system", "odd")
	odd.UID = "my-odd_uid"
	r.run(odd)
	for _, dir := range []string{"kubepods/podcast", "kubepods/burstable/pod", "kubepods/burstable/pod-tmp", "system.slice/pod" + strings.Repeat("a", 32)} {
		path := filepath.Join(r.tree.Root(), dir)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "cpu.stat"), []byte("usage_usec 5\nuser_usec 3\nsystem_usec 2\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r.start(polling)
	r.tick()
	eventually(t, "some lists for the names that look like a pod's", func() bool { r.tick(); return r.lists() > 2 })
	for range 3 {
		if diff := cmp.Diff([]string{"kube-system/odd"}, names(r.tick())); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
	}
}

// A9: containers have metrics of their own; the pods' numbers do not change by
// them, and the sandbox is in the pod's only.
func TestContainersAreALevelOfTheirOwn(t *testing.T) {
	totals := make(map[bool]uint64)
	for _, containers := range []bool{false, true} {
		r := newRig(t, simnode.Layout{Version: simnode.V2})
		two := template("shop", "two")
		two.Containers = []string{"web", "sidecar"}
		p := r.run(two)
		r.start(func(c *Config) { c.Containers = containers })
		r.firstList(t)
		r.tick()
		r.spend(p, "web", 100*time.Millisecond, 0)
		r.spend(p, "sidecar", 50*time.Millisecond, 0)
		r.spend(p, simnode.Sandbox, 7*time.Millisecond, 0)
		byContainer := make(map[string]float64)
		for _, s := range samples(r.tick()) {
			if s.kind == "total" && s.metric == "cpu_time_delta" {
				totals[containers] += uint64(s.value)
			}
			if s.kind == "total" && s.metric == "container_cpu_time_delta" {
				id, _ := simnode.ContainerID(p, s.container)
				if id != s.containerID || s.name != "two" || s.uid != string(p.UID) {
					t.Errorf("container series %+v", s)
				}
				byContainer[s.container] = s.value
			}
		}
		want := map[string]float64{}
		if containers {
			want = map[string]float64{"web": 100e6, "sidecar": 50e6}
		}
		if diff := cmp.Diff(want, byContainer); diff != "" {
			t.Errorf("containers = %v: -want +got\n%s", containers, diff)
		}
	}
	if want := map[bool]uint64{false: 157e6, true: 157e6}; !cmp.Equal(want, totals) {
		t.Errorf("pods' own numbers: %v, want %v", totals, want)
	}
}

// The sandbox has no name and never will: the search for it ends.
func TestSearchForTheSandboxEnds(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	r.run(template("shop", "web"))
	r.start(withContainers, often, polling)
	eventually(t, "the end of the search", func() bool {
		r.tick()
		return len(*r.discovery.missing.Load()) == 0 && r.lists() >= enoughLists
	})
}
