package k8s

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/cgroup"
	"github.com/podjoule/podjoule/simnode"
)

// cores is how many cores the node of a balance has.
const cores = 4

// balance is a random life of a node, and what has to come of it.
type balance struct {
	*testing.T
	random *rand.Rand
	tree   *simnode.Tree
	// hierarchy is the one that counts the CPU time; version 2 has but one.
	hierarchy string
	folder    *cgroup.Reader
	source    *source
	pods      []*balancedPod // in the tree
	all       map[string]*balancedPod
	births    int

	end      time.Time // of the last window
	base     uint64    // what the folder had counted before
	reported uint64    // of pods and of what is left
	left     uint64

	// By package: what the folder had counted before, and what was reported.
	packagesBase     [packages]uint64
	packagesReported [packages]uint64
	packagesLeft     uint64
}

// packages is how many CPU packages the node has, of two cores each.
const packages = 2

func packageOf(cpu int) int { return cpu / packages }

// balancedPod is a pod that spends CPU time.
type balancedPod struct {
	*corev1.Pod
	dir      string
	known    bool // to the API server
	spent    [kinds]uint64
	reported [kinds]uint64
	before   [kinds]uint64 // what it had spent when the agent began

	// By package, as spent, reported and before. On version 2, cpu is the one on which
	// it may run alone; below 0 it may run on all.
	onPackage, reportedOn, beforeOn [packages]uint64
	cpu                             int
}

func newBalance(t *testing.T, version simnode.Version, seed uint64) *balance {
	x := &balance{T: t, random: rand.New(rand.NewPCG(seed, 11)), all: make(map[string]*balancedPod)}
	x.tree = newTree(t, simnode.Layout{Version: version})
	if version != simnode.V2 {
		x.hierarchy = "cpuacct"
	}
	h, err := cgroup.Open(x.tree.Root())
	if err != nil {
		t.Fatal(err)
	}
	x.folder = h.Reader("/kubepods")
	t.Cleanup(x.folder.Close)
	for range 3 {
		x.birth()
	}
	for _, p := range x.pods {
		x.spend(p, time.Second)
		p.before, p.beforeOn = p.spent, p.onPackage
	}
	x.base, x.packagesBase = x.counted(), x.countedOn()
	sysfs := t.TempDir()
	if err := simnode.WriteTopology(sysfs, 0, 0, 1, 1); err != nil {
		t.Fatal(err)
	}
	x.source = openSocketNode(t, x.tree.Root(), sysfs)
	x.list()
	return x
}

// counted is what the kubepods folder has counted.
func (x *balance) counted() uint64 {
	x.Helper()
	var cpu cgroup.CPU
	if err := x.folder.CPU(new(cgroup.Buffer), &cpu); err != nil {
		x.Fatal(err)
	}
	return cpu.Total.N
}

// countedOn is what the kubepods folder has counted by package. Version 2 does not tell.
func (x *balance) countedOn() (all [packages]uint64) {
	x.Helper()
	var times cgroup.PerCPU
	if err := x.folder.PerCPU(new(cgroup.Buffer), &times); err != nil {
		x.Fatal(err)
	}
	for cpu, n := range times.Times {
		all[packageOf(cpu)] += n
	}
	return all
}

func (x *balance) birth() *balancedPod {
	one := template("shop", fmt.Sprint("pod-", x.births))
	x.births++
	p := &balancedPod{Pod: simnode.NewPod(one), cpu: -1}
	if err := x.tree.AddPod(p.Pod); err != nil {
		x.Fatal(err)
	}
	p.dir, _ = x.tree.PodDir(string(p.UID), x.hierarchy)
	x.pods, x.all[string(p.UID)] = append(x.pods, p), p
	return p
}

func (x *balance) death(p *balancedPod) {
	if err := x.tree.RemovePod(string(p.UID)); err != nil {
		x.Fatal(err)
	}
	x.pods = slices.DeleteFunc(x.pods, func(other *balancedPod) bool { return other == p })
}

// spend has a pod use CPU time, all of it divided at random.
func (x *balance) spend(p *balancedPod, most time.Duration) {
	u := time.Duration(x.random.Int64N(int64(most/time.Microsecond)+1)) * time.Microsecond
	s := time.Duration(x.random.Int64N(int64((most-u)/time.Microsecond)+1)) * time.Microsecond
	cpu := p.cpu
	if cpu < 0 {
		cpu = x.random.IntN(cores)
	}
	if err := x.tree.SpendOn(cpu, string(p.UID), p.Spec.Containers[0].Name, u, s); err != nil {
		x.Fatal(err)
	}
	p.onPackage[packageOf(cpu)] += uint64(u + s)
	for kind, d := range map[int]time.Duration{total: u + s, user: u, system: s} {
		p.spent[kind] += uint64(d)
	}
}

// spoil makes a pod's counter unreadable until it spends again.
func (x *balance) spoil(p *balancedPod) {
	name := "cpu.stat"
	if x.hierarchy != "" {
		name = []string{"cpuacct.usage", "cpuacct.usage_percpu"}[x.random.IntN(2)]
	}
	writeFile(x, "garbage", p.dir, name)
}

// confine has a pod run on one CPU alone, or again on all.
func (x *balance) confine(p *balancedPod) {
	p.cpu = x.random.IntN(cores+1) - 1
	list := "0-3"
	if p.cpu >= 0 {
		list = fmt.Sprint(p.cpu)
	}
	if err := x.tree.SetCPUs(string(p.UID), list); err != nil {
		x.Fatal(err)
	}
}

// wobble has the kernel take user time back and call it system time.
func (x *balance) wobble(p *balancedPod) {
	most := min(p.spent[user], uint64(10*time.Millisecond))
	by := x.random.Uint64N(most/1000+1) * 1000
	u, s := p.spent[user]-by, p.spent[system]+by
	if x.hierarchy != "" {
		writeFile(x, fmt.Sprintf("%016d\n", u), p.dir, "cpuacct.usage_user")
		return // version 1 counts both on their own
	}
	writeFile(x, fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec %d\n", (u+s)/1000, u/1000, p.spent[system]/1000), p.dir, "cpu.stat")
}

// list has the API server tell which pods it knows.
func (x *balance) list() {
	var known []*pod
	for _, p := range x.pods {
		if p.known {
			known = append(known, newPod(node, p.Pod))
		}
	}
	x.source.discovery.replace(known, time.Now())
}

// step lets time pass, and things happen.
func (x *balance) step() {
	passed := time.Duration(x.random.Int64N(int64(2 * time.Second)))
	switch x.random.IntN(12) {
	case 0:
		passed = time.Minute // a tick that comes late
	case 1:
		passed = time.Millisecond // and the next, at once
	}
	time.Sleep(passed)
	share := passed * cores / 8
	for range x.random.IntN(3) {
		p := x.birth()
		p.known = x.random.IntN(3) > 0
		x.spend(p, share/4)
		if x.random.IntN(3) == 0 {
			x.death(p) // never seen
		}
	}
	for _, p := range slices.Clone(x.pods) {
		switch n := x.random.IntN(12); {
		case n < 6:
			x.spend(p, share/time.Duration(len(x.pods)))
		case n < 7:
			x.spoil(p)
		case n < 8:
			x.wobble(p)
			x.confine(p)
		case n < 10 && len(x.pods) > 3:
			x.spend(p, share/time.Duration(len(x.pods)))
			x.death(p)
		default:
			p.known = true
		}
	}
	if x.random.IntN(3) == 0 {
		x.list()
	}
}

// tick measures a window, and looks at what comes of it.
func (x *balance) tick(last bool) {
	x.Helper()
	b := new(measure.Batch)
	start := x.end
	x.end = time.Now()
	if start.IsZero() {
		start = x.end
	}
	b.Reset(interval, start, x.end)
	b.Last = last
	if err := x.source.Poll(x.Context(), b); err != nil && !strings.Contains(err.Error(), "could not be read in full") {
		x.Errorf("Poll: %v", err)
	}
	for i := range b.Samples {
		s := &b.Samples[i]
		n, _ := s.Uint()
		if s.Series.Metric == podMetrics.cpuPackageTime {
			x.onPackage(b, s, n)
			continue
		}
		if s.Series.Metric != podMetrics.cpuTime {
			continue
		}
		if possible := cores * b.End.Sub(b.StartOf(s)); n > uint64(possible) {
			x.Errorf("%v ns in %v on %d cores: %+v", n, b.End.Sub(b.StartOf(s)), cores, s.Series)
		}
		kind := slices.Index(cpuKinds[:], attributeOf(s.Series, keyKind))
		if kind == total {
			x.reported += n
		}
		if s.Series.Consumer.Kind == measure.TerminatedPods {
			x.left += n
			continue
		}
		p := x.all[attributeOf(s.Series, keyUID)]
		if p.reported[kind] += n; p.reported[kind] > p.spent[kind]-p.before[kind] {
			x.Errorf("%s: %d ns of %s reported, %d spent", p.Name, p.reported[kind], cpuKinds[kind], p.spent[kind]-p.before[kind])
		}
	}
	if counted := x.counted() - x.base; x.reported > counted {
		x.Fatalf("%d ns reported, the folder counted %d", x.reported, counted)
	}
	if x.hierarchy == "" {
		return
	}
	for i, counted := range x.countedOn() {
		if counted -= x.packagesBase[i]; x.packagesReported[i] > counted {
			x.Fatalf("%d ns reported on package %d, the folder counted %d", x.packagesReported[i], i, counted)
		}
	}
}

// onPackage looks at CPU time of a package.
func (x *balance) onPackage(b *measure.Batch, s *measure.Sample, n uint64) {
	x.Helper()
	i, err := strconv.Atoi(s.Series.Resource.ID)
	if err != nil || i >= packages || s.Series.Resource.Kind != resourcePackage {
		x.Fatalf("on %+v", s.Series.Resource)
	}
	x.packagesReported[i] += n
	if s.Series.Consumer.Kind == measure.TerminatedPods {
		x.packagesLeft += n
		return
	}
	p := x.all[attributeOf(s.Series, keyUID)]
	if p.reportedOn[i] += n; p.reportedOn[i] > p.onPackage[i]-p.beforeOn[i] {
		x.Errorf("%s: %d ns reported on package %d, %d spent", p.Name, p.reportedOn[i], i, p.onPackage[i]-p.beforeOn[i])
	}
	if x.hierarchy != "" {
		return
	}
	// Version 2: it is all of the pod's CPU time, over the same time.
	all := slices.IndexFunc(b.Samples, func(o measure.Sample) bool {
		return o.Series.Metric == podMetrics.cpuTime && attributeOf(o.Series, keyUID) == string(p.UID) && attributeOf(o.Series, keyKind) == cpuKinds[total]
	})
	if all < 0 {
		x.Fatalf("%s: %d ns on package %d, and none in all", p.Name, n, i)
	}
	if want, _ := b.Samples[all].Uint(); n != want || s.Span != b.Samples[all].Span {
		x.Errorf("%s: %d ns in %v on package %d, %d in %v in all", p.Name, n, s.Span, i, want, b.Samples[all].Span)
	}
}

// Whatever happens to pods and their counters: no pod is reported with more than it
// spent, nor a window with more than there is; what the living are reported with is what
// they spent, on each package too where that is counted; and at the end all that the folder of the pods counted is reported, under
// the pods' names or as what is left of those that ended. So it is in the last batch too,
// whatever waits for its name then.
func TestBalance(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	for _, version := range []simnode.Version{simnode.V1, simnode.V2, simnode.Hybrid} {
		for seed := range seeds {
			t.Run(fmt.Sprint(version, "/", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testBalance(t, version, seed) })
			})
		}
	}
}

func testBalance(t *testing.T, version simnode.Version, seed uint64) {
	x := newBalance(t, version, seed)
	x.tick(false)
	for range 60 {
		x.step()
		x.tick(false)
	}
	for _, p := range x.pods {
		p.known = true
		x.spend(p, 0) // can be read again
	}
	x.list()
	time.Sleep(time.Second)
	x.tick(false)
	for _, p := range x.pods {
		for kind := range kinds {
			if want := p.spent[kind] - p.before[kind]; p.reported[kind] != want {
				t.Errorf("%s: %d ns of %s reported, want %d", p.Name, p.reported[kind], cpuKinds[kind], want)
			}
		}
		for i := range packages {
			if want := p.onPackage[i] - p.beforeOn[i]; p.reportedOn[i] != want && version != simnode.V2 {
				t.Errorf("%s: %d ns reported on package %d, want %d", p.Name, p.reportedOn[i], i, want)
			}
		}
	}
	for _, p := range slices.Clone(x.pods) {
		x.spend(p, time.Millisecond)
		x.death(p)
	}
	if seed%2 == 0 { // else some still wait for their names
		time.Sleep(heldFor + time.Second)
		x.tick(false)
	}
	time.Sleep(time.Second)
	x.tick(true)
	if counted := x.counted() - x.base; x.reported != counted {
		t.Errorf("%d ns reported, the folder counted %d", x.reported, counted)
	}
	if x.left == 0 {
		t.Error("nothing is left of pods that ended: the test tests nothing")
	}
	if version == simnode.V2 {
		if x.packagesReported == [packages]uint64{} {
			t.Error("nothing is reported of packages: the test tests nothing")
		}
		return
	}
	if x.packagesLeft == 0 {
		t.Error("nothing is left of packages: the test tests nothing")
	}
	for i, counted := range x.countedOn() {
		if counted -= x.packagesBase[i]; x.packagesReported[i] != counted {
			t.Errorf("%d ns reported on package %d, the folder counted %d", x.packagesReported[i], i, counted)
		}
	}
}
