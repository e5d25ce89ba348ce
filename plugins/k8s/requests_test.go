package k8s

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podresources "k8s.io/component-helpers/resource"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/simnode"
)

// requestsOf is what Kubernetes itself reserves for a pod. It reports false for one that
// has numbers which nobody means.
func requestsOf(p *corev1.Pod) (*requests, bool) {
	for _, list := range resourceLists(p) {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			q := list[name].DeepCopy()
			d := q.AsDec() // does not write its digits
			if d.Scale() < -60 || d.UnscaledBig().BitLen() > 150 {
				return nil, false
			}
		}
	}
	all := podresources.PodRequests(p, podresources.PodResourcesOptions{
		UseStatusResources: true, InPlacePodLevelResourcesVerticalScalingEnabled: true,
	})
	want := new(requests)
	if q, ok := all[corev1.ResourceCPU]; ok && q.Sign() >= 0 && q.CmpInt64(math.MaxInt64/1000) <= 0 {
		want.cpu = cgroup.Value{N: uint64(q.MilliValue()), Known: true}
	}
	if q, ok := all[corev1.ResourceMemory]; ok && q.Sign() >= 0 && q.CmpInt64(math.MaxInt64) <= 0 {
		want.memory = cgroup.Value{N: uint64(q.Value()), Known: true}
	}
	return want, true
}

func resourceLists(p *corev1.Pod) []corev1.ResourceList {
	all := []corev1.ResourceList{p.Spec.Overhead, p.Status.AllocatedResources}
	of := func(r *corev1.ResourceRequirements) {
		if r != nil {
			all = append(all, r.Requests)
		}
	}
	of(p.Spec.Resources)
	of(p.Status.Resources)
	for _, containers := range [][]corev1.Container{p.Spec.Containers, p.Spec.InitContainers} {
		for i := range containers {
			of(&containers[i].Resources)
		}
	}
	for _, statuses := range [][]corev1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range statuses {
			all = append(all, statuses[i].AllocatedResources)
			of(statuses[i].Resources)
		}
	}
	return all
}

func list(cpu, memory string) corev1.ResourceList {
	l := corev1.ResourceList{}
	if cpu != "" {
		l[corev1.ResourceCPU] = resource.MustParse(cpu)
	}
	if memory != "" {
		l[corev1.ResourceMemory] = resource.MustParse(memory)
	}
	return l
}

func requesting(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: list(cpu, memory), Limits: list("64", "64Gi")}
}

func known(n uint64) cgroup.Value { return cgroup.Value{N: n, Known: true} }

// What is reserved for a pod, worked out by hand, in both forms of the API.
func TestRequests(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	container := func(name, cpu, memory string) corev1.Container {
		return corev1.Container{Name: name, Resources: requesting(cpu, memory)}
	}
	sidecar := func(name, cpu, memory string) corev1.Container {
		c := container(name, cpu, memory)
		c.RestartPolicy = &always
		return c
	}
	granted := func(name, allocated, actuated string) corev1.ContainerStatus {
		s := corev1.ContainerStatus{Name: name}
		if allocated != "" {
			s.AllocatedResources = list(allocated, "")
		}
		if actuated != "" {
			s.Resources = &corev1.ResourceRequirements{Requests: list(actuated, "")}
		}
		return s
	}
	whole := requesting("3", "")
	huge := corev1.ResourceRequirements{Requests: corev1.ResourceList{"hugepages-2Mi": resource.MustParse("4Mi")}}
	infeasible := []corev1.PodCondition{{Type: corev1.PodReady}, {Type: corev1.PodResizePending, Reason: corev1.PodReasonInfeasible}, {Type: corev1.PodResizePending}}
	for _, tt := range []struct {
		name string
		pod  corev1.Pod
		want requests
	}{
		{name: "nothing", pod: corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a"}}}}},
		{"zero is a request", corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "0", "0")}}}, requests{known(0), known(0)}},
		{"containers add up", corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "250m", "1Gi"), container("b", "1.5", "")}}}, requests{known(1750), known(1 << 30)}},
		{
			"rounded up after the sum", corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "100u", "100m"), container("b", "100u", "100m")}}},
			requests{known(1), known(1)},
		},
		{
			"an init container needs more", corev1.Pod{Spec: corev1.PodSpec{
				Containers: []corev1.Container{container("a", "1", "10")}, InitContainers: []corev1.Container{container("i", "2", "5")},
			}}, requests{known(2000), known(10)},
		},
		{
			"sidecars, and what begins beside them", corev1.Pod{Spec: corev1.PodSpec{
				Containers:     []corev1.Container{container("a", "1", "10")},
				InitContainers: []corev1.Container{container("early", "3", ""), sidecar("s", "1", "7"), container("late", "2500m", "11")},
			}}, requests{known(3500), known(18)},
		},
		{
			"of the pod as a whole, and overhead", corev1.Pod{Spec: corev1.PodSpec{
				Containers: []corev1.Container{container("a", "1", "10")}, Resources: &whole, Overhead: list("50m", "5"),
			}}, requests{known(3050), known(15)},
		},
		{
			"of the pod as a whole, but huge pages alone", corev1.Pod{Spec: corev1.PodSpec{
				Containers: []corev1.Container{container("a", "1", "10")}, Resources: &huge,
			}, Status: corev1.PodStatus{Resources: &whole, AllocatedResources: list("2", "")}}, requests{known(3000), known(10)},
		},
		{
			"a container grows", corev1.Pod{
				Spec:   corev1.PodSpec{Containers: []corev1.Container{container("a", "2", "10")}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{granted("a", "1", "1")}},
			}, requests{known(2000), known(10)},
		},
		{
			"a container shrinks", corev1.Pod{
				Spec:   corev1.PodSpec{Containers: []corev1.Container{container("a", "1", "10")}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{granted("a", "1", "2")}},
			}, requests{known(2000), known(10)},
		},
		{
			"what cannot be is not reserved", corev1.Pod{
				Spec:   corev1.PodSpec{Containers: []corev1.Container{container("a", "100", "10")}},
				Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{granted("a", "1", "")}, Conditions: infeasible},
			}, requests{cpu: known(1000)},
		},
		{
			"the pod as a whole was resized", corev1.Pod{
				Spec:   corev1.PodSpec{Containers: []corev1.Container{container("a", "1", "10")}, Resources: &whole},
				Status: corev1.PodStatus{AllocatedResources: list("4", ""), Resources: &corev1.ResourceRequirements{Requests: list("2", "20")}},
			}, requests{known(4000), known(20)},
		},
		{"the largest that is meant", corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "9E", "9E")}}}, requests{memory: known(9e18)}},
		{"less than nothing", corev1.Pod{Spec: corev1.PodSpec{Containers: []corev1.Container{container("a", "-1", "5")}}}, requests{memory: known(5)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if want, ok := requestsOf(&tt.pod); !ok || *want != tt.want {
				t.Errorf("Kubernetes says %+v, this test %+v", want, tt.want)
			}
			for form, got := range decodedRequests(t, &tt.pod) {
				if got == nil || *got != tt.want {
					t.Errorf("%s: got %+v, want %+v", form, got, tt.want)
				}
			}
		})
	}
}

// decodedRequests are what is read of a pod, by the form in which it comes.
func decodedRequests(t testing.TB, p *corev1.Pod) map[string]*requests {
	t.Helper()
	p = p.DeepCopy()
	p.UID = "u"
	binary, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]*requests)
	o := podObject{chosen: &choice{requests: true}}
	if err := o.Unmarshal(binary); err != nil {
		t.Fatal(err)
	}
	got["protobuf"] = o.pod.requests
	if err := o.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	got["JSON"] = o.pod.requests
	return got
}

// A quantity that cannot be read costs the pod's sum of that resource, and nothing else;
// none takes longer to compute with than it took to send.
func TestRequestsThatCannotBeRead(t *testing.T) {
	for _, quantity := range []string{
		`"fast"`, `""`, `"1e999999999"`, `"1e-999999999"`, `"1E100"`, `"` + strings.Repeat("9", 65) + `"`, `{"a":1}`, `[1]`, `true`,
	} {
		text := fmt.Sprintf(`{"metadata":{"uid":"u","name":"web"},"spec":{"containers":[
			{"name":"a","resources":{"requests":{"cpu":"1","memory":"5"}}},{"name":"b","resources":{"requests":{"cpu":%s,"memory":null}}}]}}`, quantity)
		o := podObject{chosen: &choice{requests: true}}
		if err := o.UnmarshalJSON([]byte(text)); err != nil {
			t.Errorf("%s: %v", quantity, err)
			continue
		}
		if want := (requests{memory: known(5)}); o.pod.name != "web" || *o.pod.requests != want {
			t.Errorf("%s: %+v of %s, want %+v", quantity, *o.pod.requests, o.pod.name, want)
		}
	}
	// Numbers are quantities too, as Kubernetes has it.
	o := podObject{chosen: &choice{requests: true}}
	if err := o.UnmarshalJSON([]byte(`{"metadata":{"uid":"u"},"spec":{"overhead":{"cpu":1.5,"memory":1e3}}}`)); err != nil {
		t.Fatal(err)
	}
	if want := (requests{known(1500), known(1000)}); *o.pod.requests != want {
		t.Errorf("numbers: %+v, want %+v", *o.pod.requests, want)
	}
}

// randomPod makes a pod out of numbers, in which everything that counts is there or not.
func randomPod(r *rand.Rand) *corev1.Pod {
	quantity := func() string {
		return fmt.Sprint(r.IntN(2000)) + []string{"", "", "m", "u", "n", "k", "Ki", "Mi", "e3", ".5", ".000001"}[r.IntN(11)]
	}
	random := func() corev1.ResourceList {
		if r.IntN(3) == 0 {
			return nil
		}
		l := corev1.ResourceList{}
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, "hugepages-2Mi", "example.org/device"} {
			if r.IntN(2) == 0 {
				l[name] = resource.MustParse(quantity())
			}
		}
		if len(l) == 0 {
			return nil // as it comes over the wire
		}
		return l
	}
	requirements := func() *corev1.ResourceRequirements {
		if r.IntN(3) == 0 {
			return nil
		}
		return &corev1.ResourceRequirements{Requests: random(), Limits: random()}
	}
	always, never := corev1.ContainerRestartPolicyAlways, corev1.ContainerRestartPolicyNever
	containers := func() (all []corev1.Container) {
		for range r.IntN(4) {
			c := corev1.Container{Name: fmt.Sprint(r.IntN(6)), RestartPolicy: []*corev1.ContainerRestartPolicy{nil, &always, &never}[r.IntN(3)]}
			c.Resources.Requests, c.Resources.Limits = random(), random()
			all = append(all, c)
		}
		return all
	}
	statuses := func() (all []corev1.ContainerStatus) {
		for range r.IntN(4) {
			all = append(all, corev1.ContainerStatus{Name: fmt.Sprint(r.IntN(6)), AllocatedResources: random(), Resources: requirements()})
		}
		return all
	}
	p := &corev1.Pod{
		Spec: corev1.PodSpec{Containers: containers(), InitContainers: containers(), Overhead: random(), Resources: requirements()},
		Status: corev1.PodStatus{
			ContainerStatuses: statuses(), InitContainerStatuses: statuses(), EphemeralContainerStatuses: statuses(),
			AllocatedResources: random(), Resources: requirements(),
		},
	}
	for range r.IntN(3) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type:   []corev1.PodConditionType{corev1.PodResizePending, corev1.PodReady}[r.IntN(2)],
			Reason: []string{corev1.PodReasonInfeasible, corev1.PodReasonDeferred}[r.IntN(2)],
		})
	}
	return p
}

// Whatever pod there is, what is reserved for it is what Kubernetes reserves.
func FuzzRequests(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		p := randomPod(rand.New(rand.NewPCG(seed, 3)))
		want, ok := requestsOf(p)
		if !ok {
			t.Fatal("the pod has numbers that nobody means")
		}
		for form, got := range decodedRequests(t, p) {
			if *got != *want {
				t.Errorf("%s: got %+v, want %+v", form, *got, *want)
			}
		}
	})
}

// requested is what a batch tells of the pods' requests, by name and metric.
func requested(b *measure.Batch) map[string]uint64 {
	all := make(map[string]uint64)
	for i := range b.Samples {
		if s := &b.Samples[i]; strings.HasSuffix(s.Series.Metric.Name, "_request") {
			n, _ := s.Uint()
			all[attributeOf(s.Series, keyName)+" "+s.Series.Metric.Name] = n
		}
	}
	return all
}

func withRequests(c *Config) { c.MetricGroups = append(defaultGroups(), groupRequests) }

// Pods have their requests in every mode, under the identity of their CPU time; a pod
// that the API does not know, or that requests nothing, has none.
func TestRequestsInEveryMode(t *testing.T) {
	web, unknown := simnode.NewPod(template("shop", "web")), simnode.NewPod(template("shop", "unknown")) // of 100m and 128Mi
	none := template("shop", "none")
	none.QoS = corev1.PodQOSBestEffort
	greedy := simnode.NewPod(none)
	api, url := newAPI(t)
	api.Put(web)
	api.Put(greedy)
	kubelet := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		list := corev1.PodList{TypeMeta: metav1.TypeMeta{Kind: "PodList", APIVersion: "v1"}, Items: []corev1.Pod{*web, *greedy}}
		if err := json.NewEncoder(w).Encode(list); err != nil {
			t.Error(err)
		}
	}))
	defer kubelet.Close()
	for _, mode := range modes() {
		t.Run(mode, func(t *testing.T) {
			tree := newTree(t, simnode.Layout{Version: simnode.V2})
			for _, p := range []*corev1.Pod{web, greedy, unknown} {
				if err := tree.AddPod(p); err != nil {
					t.Fatal(err)
				}
			}
			change := func(c *Config) { c.APIURL = url }
			if mode == modeKubelet {
				change = kubeletAt(t, kubelet)
			}
			s, _ := start(t, change, withRequests, func(c *Config) { c.Discovery, c.CgroupRoot = mode, tree.Root() })
			s.firstList(t)
			now := time.Now()
			b := pollAt(t, s, now, now)
			want := map[string]uint64{"web cpu_request": 100, "web memory_request": 128 << 20}
			if diff := cmp.Diff(want, requested(b)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			b = pollAt(t, s, now, now.Add(interval))
			identities := make(map[string]int)
			for i := range b.Samples {
				s := b.Samples[i].Series
				if attributeOf(s, keyName) != "web" || s.Metric != podMetrics.cpuTime && s.Metric.Name != "cpu_request" && s.Metric.Name != "memory_request" {
					continue
				}
				var rest []measure.Attribute
				for _, a := range s.Attributes {
					if a.Key != keyKind {
						rest = append(rest, a)
					}
				}
				identities[fmt.Sprint(s.Resource, s.Consumer, rest)]++
			}
			if len(identities) != 1 {
				t.Errorf("CPU time and requests have %d identities: %v", len(identities), identities)
			}
		})
	}
}

// A pod that is resized in place has another value under the same series; without a
// word from the API server nothing changes, and the end of a pod is told once.
func TestRequestsAreResized(t *testing.T) {
	r := newRig(t, simnode.Layout{Version: simnode.V2})
	p := r.run(template("shop", "web"))
	r.start(withRequests)
	r.firstList(t)
	b := r.tick()
	series := make(map[string]*measure.Series)
	for i := range b.Samples {
		series[b.Samples[i].Series.Metric.Name] = b.Samples[i].Series
	}
	if got := requested(b)["web cpu_request"]; got != 100 {
		t.Fatalf("%d at first, want 100", got)
	}
	p = p.DeepCopy()
	p.Spec.Containers[0].Resources.Requests[corev1.ResourceCPU] = resource.MustParse("1200m")
	r.api.Put(p)
	eventually(t, "the resize", func() bool {
		known := r.discovery.current.Load().find(string(p.UID))
		return known != nil && known.requests.cpu.N == 1200
	})
	b = r.tick()
	if got := requested(b)["web cpu_request"]; got != 1200 || len(b.Ended) != 0 {
		t.Errorf("%d after the resize and %d series ended, want 1200 and none", got, len(b.Ended))
	}
	for i := range b.Samples {
		if s := b.Samples[i].Series; s.Metric.Name == "cpu_request" && s != series["cpu_request"] {
			t.Error("the resize made another series")
		}
	}
	if err := r.tree.RemovePod(string(p.UID)); err != nil {
		t.Fatal(err)
	}
	if got := requested(r.tick()); len(got) != 0 {
		t.Errorf("after the end: %v, want nothing", got)
	}
}

// A pod that lives between two ticks has its request once.
func TestRequestsBetweenTwoTicks(t *testing.T) {
	tree := newTree(t, simnode.Layout{Version: simnode.V2})
	c := defaults()
	c.CgroupRoot = tree.Root()
	withRequests(c)
	s, _ := configured(t, c)
	start := time.Now()
	pollAt(t, s, start, start)
	p := simnode.NewPod(template("shop", "web"))
	s.know(p)
	if err := tree.AddPod(p); err != nil {
		t.Fatal(err)
	}
	s.catchUp()
	if err := tree.RemovePod(string(p.UID)); err != nil {
		t.Fatal(err)
	}
	s.catchUp()
	if got := requested(pollAt(t, s, start, start.Add(interval))); len(got) != 2 {
		t.Errorf("%v, want both requests", got)
	}
	if got := requested(pollAt(t, s, start.Add(interval), start.Add(2*interval))); len(got) != 0 {
		t.Errorf("after that: %v", got)
	}
}

// Where the pods are listed, what may be resized is asked for again once a minute; with
// the group off, nothing of it is read.
func TestRequestsAreRenewed(t *testing.T) {
	for _, on := range []bool{false, true} {
		c := defaults()
		if on {
			withRequests(c)
		}
		chosen, err := c.choice()
		if err != nil {
			t.Fatal(err)
		}
		want := time.Duration(0)
		if on {
			want = longestAge
		}
		if got := renewal(&chosen, time.Second); got != want {
			t.Errorf("requests %v: renewed after %v, want %v", on, got, want)
		}
		o := podObject{chosen: &chosen}
		text, err := oddPod().Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := o.Unmarshal(text); err != nil {
			t.Fatal(err)
		}
		if (o.pod.requests != nil) != on {
			t.Errorf("requests %v: %+v", on, o.pod.requests)
		}
	}
}
