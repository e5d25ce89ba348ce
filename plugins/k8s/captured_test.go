package k8s

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

// capturedNode is a node of testdata, whose files a test may rewrite.
type capturedNode struct {
	t    *testing.T
	v2   bool
	root string
	name string
	url  string
	pods []corev1.Pod
	rnd  *rand.Rand
	dirs map[string]string // of pods, by controller and UID
}

func loadCaptured(t *testing.T, version string) *capturedNode {
	t.Helper()
	n := &capturedNode{t: t, v2: version == "v2", root: t.TempDir(), rnd: rand.New(rand.NewPCG(3, 4)), dirs: make(map[string]string)}
	dir := filepath.Join("..", "..", "testdata", version)
	if err := simnode.Unpack(filepath.Join(dir, "cgroup-tree.tar.gz"), n.root); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "api-pods.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list corev1.PodList
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	n.pods, n.name = list.Items, list.Items[0].Spec.NodeName
	api, url := newAPI(t)
	n.url = url
	for i := range n.pods {
		api.Put(&n.pods[i])
	}
	api.Put(simnode.NewPod(simnode.PodTemplate{Namespace: "e2e", Name: "elsewhere", Node: "another-node"}))
	return n
}

// start opens the plugin on the node and waits for the first list.
func (n *capturedNode) start() *rig {
	r := &rig{t: n.t, end: time.Now()}
	r.source, r.host = start(n.t, func(c *Config) { c.Node, c.APIURL, c.CgroupRoot = n.name, n.url, n.root })
	r.firstList(n.t)
	return r
}

// dir returns the folder of a pod's cgroup for a controller, or "". No folder of a capture
// ever moves.
func (n *capturedNode) dir(p *corev1.Pod, controller string) string {
	key := controller + "/" + string(p.UID)
	found, ok := n.dirs[key]
	if !ok {
		found = n.find(p, controller)
		n.dirs[key] = found
	}
	return found
}

func (n *capturedNode) find(p *corev1.Pod, controller string) string {
	base := n.root
	if !n.v2 {
		base = filepath.Join(n.root, controller)
	}
	uid := simnode.CgroupUID(p)
	found := ""
	err := filepath.WalkDir(base, func(path string, d os.DirEntry, err error) error {
		name := d.Name()
		if err == nil && d.IsDir() && (name == "pod"+uid || strings.HasSuffix(name, "-pod"+strings.ReplaceAll(uid, "-", "_")+".slice")) {
			found = path
		}
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return found
}

// rewrite changes a file in place, as the kernel's files change.
func (n *capturedNode) rewrite(path string, change func(string) string) {
	n.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		n.t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		n.t.Fatal(err)
	}
	changed := change(string(text))
	if _, err := f.WriteAt([]byte(changed), 0); err != nil {
		n.t.Fatal(err)
	}
	if err := f.Truncate(int64(len(changed))); err != nil {
		n.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		n.t.Fatal(err)
	}
}

// add adds to the number after a key, or to the only number of a file.
func (n *capturedNode) add(path, key string, delta uint64) {
	n.t.Helper()
	pattern := regexp.MustCompile(`(?m)^` + key + `(\d+)$`)
	n.rewrite(path, func(text string) string {
		if !pattern.MatchString(text) {
			n.t.Fatalf("%s has no %q", path, key)
		}
		return pattern.ReplaceAllStringFunc(text, func(line string) string {
			old, err := strconv.ParseUint(strings.TrimPrefix(line, key), 10, 64)
			if err != nil {
				n.t.Fatal(err)
			}
			return key + strconv.FormatUint(old+delta, 10)
		})
	})
}

// burn adds CPU time to a pod's counters and returns it in ns by kind.
func (n *capturedNode) burn(p *corev1.Pod) [kinds]uint64 {
	var added [kinds]uint64
	for kind := range added {
		added[kind] = n.rnd.Uint64N(5e9)
	}
	if !n.v2 {
		dir := n.dir(p, "cpuacct")
		n.add(dir+"/cpuacct.usage", "", added[total])
		n.add(dir+"/cpuacct.usage_user", "", added[user])
		n.add(dir+"/cpuacct.usage_sys", "", added[system])
		return added
	}
	stat := n.dir(p, "") + "/cpu.stat"
	for kind, key := range map[int]string{total: "usage_usec ", user: "user_usec ", system: "system_usec "} {
		n.add(stat, key, added[kind]/1000)
		added[kind] = added[kind] / 1000 * 1000
	}
	return added
}

// told returns what the memory files of a pod say, by metric.
func (n *capturedNode) told(p *corev1.Pod) map[string]float64 {
	dir := n.dir(p, "memory")
	usage, keys := dir+"/memory.usage_in_bytes", map[string]string{"cgroup_memory_anonymous": "total_rss", "cgroup_memory_file": "total_cache"}
	if n.v2 {
		usage = dir + "/memory.current"
		keys = map[string]string{
			"cgroup_memory_anonymous": "anon", "cgroup_memory_file": "file",
			"cgroup_memory_kernel_stack": "kernel_stack", "cgroup_memory_pagetables": "pagetables",
		}
	}
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			n.t.Fatal(err)
		}
		return string(text)
	}
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil {
			n.t.Fatal(err)
		}
		return v
	}
	told := map[string]float64{"memory_usage": number(read(usage))}
	stat := read(dir + "/memory.stat")
	for metric, key := range keys {
		told[metric] = number(regexp.MustCompile(`(?m)^` + key + ` (\d+)$`).FindStringSubmatch(stat)[1])
	}
	return told
}

// On a captured node, the deltas of every pod add up to what was added to its
// counters, to the unit; memory is what the files say; a static pod carries its
// mirror's identity; and no pod of another node appears.
func TestCapturedNode(t *testing.T) {
	t.Parallel()
	for _, version := range []string{"v1", "v2"} {
		t.Run(version, func(t *testing.T) {
			n := loadCaptured(t, version)
			r := n.start()
			booked, want := make(ledger), make(ledger)
			var running []*corev1.Pod
			for i := range n.pods {
				if n.dir(&n.pods[i], "cpuacct") != "" {
					running = append(running, &n.pods[i])
				}
			}
			if len(running) < 8 {
				t.Fatalf("only %d pods of the capture have cgroups", len(running))
			}
			booked.add(t, r.tick())
			for range 20 {
				for _, p := range running {
					if n.rnd.IntN(4) == 0 {
						continue
					}
					for kind, ns := range n.burn(p) {
						want[ledgerKey("cpu_time_delta", string(p.UID), "", cpuKinds[kind])] += ns
					}
					if dir := n.dir(p, "memory"); n.v2 {
						n.add(dir+"/memory.current", "", n.rnd.Uint64N(1e6))
						n.add(dir+"/memory.stat", "pagetables ", n.rnd.Uint64N(1e6))
					} else {
						n.add(dir+"/memory.usage_in_bytes", "", n.rnd.Uint64N(1e6))
						n.add(dir+"/memory.stat", "total_rss ", n.rnd.Uint64N(1e6))
					}
				}
				b := r.tick()
				booked.add(t, b)
				gotMemory, wantMemory := make(map[string]float64), make(map[string]float64)
				for _, s := range samples(b) {
					if strings.Contains(s.metric, "memory") {
						gotMemory[s.uid+" "+s.metric] = s.value
					}
				}
				for _, p := range running {
					for metric, v := range n.told(p) {
						wantMemory[string(p.UID)+" "+metric] = v
					}
				}
				if diff := cmp.Diff(wantMemory, gotMemory); diff != "" {
					t.Fatalf("memory: -files +samples\n%s", diff)
				}
			}
			if diff := cmp.Diff(want, booked); diff != "" {
				t.Errorf("CPU time: -added +emitted\n%s", diff)
			}
			var wantNames []string
			for _, p := range running {
				wantNames = append(wantNames, p.Namespace+"/"+p.Name)
			}
			slices.Sort(wantNames)
			b := r.tick()
			if diff := cmp.Diff(wantNames, names(b)); diff != "" {
				t.Errorf("-running +shown\n%s", diff)
			}
			if !slices.Contains(wantNames, "default/static-"+n.name) {
				t.Errorf("the capture has no static pod: %v", wantNames)
			}
			for _, s := range samples(b) {
				if s.node != n.name || s.resource != measure.LocalMachine || !strings.Contains(s.consumer, "kubepods") {
					t.Errorf("%+v: wrong node, resource or consumer", s)
				}
			}
		})
	}
}

// Every pod has the seven metrics of the reference, with all kinds, as far as
// the kernel tells them.
func TestSevenMetrics(t *testing.T) {
	t.Parallel()
	for version, want := range map[string][]string{
		"v1": {"cgroup_memory_anonymous", "cgroup_memory_file", "cpu_percent system", "cpu_percent total", "cpu_percent user",
			"cpu_time_delta system", "cpu_time_delta total", "cpu_time_delta user", "memory_usage"},
		"v2": {"cgroup_memory_anonymous", "cgroup_memory_file", "cgroup_memory_kernel_stack", "cgroup_memory_pagetables",
			"cpu_percent system", "cpu_percent total", "cpu_percent user",
			"cpu_time_delta system", "cpu_time_delta total", "cpu_time_delta user", "memory_usage"},
	} {
		n := loadCaptured(t, version)
		r := n.start()
		r.tick()
		got := make(map[string][]string)
		for _, s := range samples(r.tick()) {
			got[s.uid] = append(got[s.uid], strings.TrimSpace(fmt.Sprint(s.metric, " ", s.kind)))
		}
		if len(got) == 0 {
			t.Errorf("%s: no pods", version)
		}
		for uid, metrics := range got {
			slices.Sort(metrics)
			if diff := cmp.Diff(want, metrics); diff != "" {
				t.Errorf("%s, pod %s: -want +got\n%s", version, uid, diff)
			}
		}
	}
}
