package k8s

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/simnode"
)

// plainNode is a machine in plain files, whose cgroups have the files of all groups.
type plainNode struct {
	t     testing.TB
	v2    bool
	sysfs string
}

func newPlainNode(t testing.TB, version string) *plainNode {
	n := &plainNode{t: t, v2: version == "v2", sysfs: t.TempDir()}
	if n.v2 {
		n.write("", "cgroup.controllers", "cpu io memory pids\n")
	}
	for _, c := range []string{"cpuacct", "memory", "cpu", "blkio", "pids"} {
		n.mkdir(filepath.Join(n.dir(c), "kubepods/burstable"))
	}
	if n.v2 {
		n.write("", "kubepods/cpu.stat", "usage_usec 0\nuser_usec 0\nsystem_usec 0\n")
	} else {
		n.write("cpuacct", "kubepods/cpuacct.usage", "0\n")
		n.write("cpuacct", "kubepods/cpuacct.usage_percpu", "0 0 0 0 \n")
	}
	if err := simnode.WriteTopology(n.sysfs, 0, 0, 1, 1); err != nil {
		t.Fatal(err)
	}
	n.mkdir(filepath.Join(n.sysfs, "dev/block"))
	if err := os.Symlink("../../devices/virtual/block/vda", filepath.Join(n.sysfs, "dev/block/254:0")); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *plainNode) mkdir(dir string) {
	n.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		n.t.Fatal(err)
	}
}

// dir is the folder of a controller of version 1; on version 2 there is one for all.
func (n *plainNode) dir(controller string) string {
	if n.v2 {
		controller = ""
	}
	return filepath.Join(n.sysfs, "fs/cgroup", controller)
}

func (n *plainNode) write(controller, path, text string) {
	n.t.Helper()
	n.mkdir(filepath.Dir(filepath.Join(n.dir(controller), path)))
	writeFile(n.t, text, n.dir(controller), path)
}

// remove removes a cgroup.
func (n *plainNode) remove(path string) {
	n.t.Helper()
	for _, c := range []string{"cpuacct", "memory", "cpu", "blkio", "pids"} {
		if err := os.RemoveAll(filepath.Join(n.dir(c), path)); err != nil {
			n.t.Fatal(err)
		}
	}
}

func podPath(p *corev1.Pod) string { return "kubepods/burstable/pod" + string(p.UID) }

// count sets all counters of a cgroup to multiples of i, each another one, with the
// traffic of the given devices. Gauges do not depend on it.
func (n *plainNode) count(path string, i int, devices ...string) {
	n.t.Helper()
	if n.v2 {
		n.write("", path+"/cpu.stat", fmt.Sprintf("usage_usec %d\nuser_usec %d\nsystem_usec %d\nnr_periods %d\nnr_throttled %d\nthrottled_usec %d\n", 3*i, 2*i, i, 4*i, 5*i, 6*i))
		n.write("", path+"/memory.stat", fmt.Sprintf("anon 2000\nfile 1000\nkernel_stack 16\npagetables 32\ninactive_file 96\nslab_reclaimable 64\nslab_unreclaimable 65\npgfault %d\npgmajfault %d\n", 7*i, 8*i))
		n.write("", path+"/memory.events", fmt.Sprintf("oom 0\noom_kill %d\n", 9*i))
		for j, name := range []string{"cpu", "memory", "io"} {
			n.write("", path+"/"+name+".pressure", fmt.Sprintf("some avg10=0.00 total=%d\nfull avg10=0.00 total=%d\n", (10+2*j)*i, (11+2*j)*i))
		}
		var io strings.Builder
		for _, d := range devices {
			fmt.Fprintf(&io, "%s rbytes=%d wbytes=%d rios=%d wios=%d dbytes=0 dios=0\n", d, 16*i, 17*i, 18*i, 19*i)
		}
		n.write("", path+"/io.stat", io.String())
		for name, text := range map[string]string{"memory.current": "4096\n", "memory.max": "8192\n", "memory.swap.current": "512\n", "memory.swap.max": "max\n", "cpuset.cpus.effective": "0-1\n", "pids.current": "4\n", "pids.max": "9\n"} {
			n.write("", path+"/"+name, text)
		}
		return
	}
	n.write("cpuacct", path+"/cpuacct.usage", fmt.Sprintln(3000*i))
	n.write("cpuacct", path+"/cpuacct.usage_percpu", fmt.Sprintf("%d %d %d 0 \n", 1000*i, 400*i, 1600*i))
	n.write("cpuacct", path+"/cpuacct.usage_user", fmt.Sprintln(2000*i))
	n.write("cpuacct", path+"/cpuacct.usage_sys", fmt.Sprintln(1000*i))
	n.write("cpu", path+"/cpu.stat", fmt.Sprintf("nr_periods %d\nnr_throttled %d\nthrottled_time %d\n", 4*i, 5*i, 6000*i))
	n.write("memory", path+"/memory.stat", fmt.Sprintf("total_cache 1000\ntotal_rss 2000\ntotal_swap 512\ntotal_pgfault %d\ntotal_pgmajfault %d\ntotal_inactive_file 96\n", 7*i, 8*i))
	n.write("memory", path+"/memory.oom_control", fmt.Sprintf("under_oom 0\noom_kill %d\n", 9*i))
	n.write("memory", path+"/memory.usage_in_bytes", "4096\n")
	n.write("memory", path+"/memory.limit_in_bytes", "8192\n")
	n.write("pids", path+"/pids.current", "4\n")
	n.write("pids", path+"/pids.max", "max\n")
	var bytes, operations strings.Builder
	for _, d := range devices {
		fmt.Fprintf(&bytes, "%s Read %d\n%s Write %d\n%s Total %d\n", d, 16*i, d, 17*i, d, 33*i)
		fmt.Fprintf(&operations, "%s Read %d\n%s Write %d\n", d, 18*i, d, 19*i)
	}
	n.write("blkio", path+"/blkio.throttle.io_service_bytes_recursive", bytes.String()+"Total 0\n")
	n.write("blkio", path+"/blkio.throttle.io_serviced_recursive", operations.String()+"Total 0\n")
}

// open opens the plugin on the node, with all groups.
func (n *plainNode) open(pods []*corev1.Pod, change ...func(*Config)) (*source, *plugintest.Host) {
	n.t.Helper()
	c := defaults()
	c.Node, c.MetricGroups = node, metricGroups()
	for _, f := range change {
		f(c)
	}
	if err := c.Validate(); err != nil {
		n.t.Fatal(err)
	}
	host := plugintest.NewHost(n.t)
	host.SysfsRoot = n.sysfs
	opened, err := c.Open(n.t.Context(), host.Host)
	if err != nil {
		n.t.Fatal(err)
	}
	s := opened.(*source)
	n.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			n.t.Error(err)
		}
	})
	s.know(pods...)
	return s, host
}

// told returns what a batch tells of the pods, or of the containers: by the metric and
// the attributes that tell series of one pod apart.
func told(b *measure.Batch) map[string]float64 {
	all := make(map[string]float64)
	for i := range b.Samples {
		x := &b.Samples[i]
		name := x.Series.Metric.Name
		for _, key := range []string{keyKind, keyDevice, keyDirection} {
			if v := attributeOf(x.Series, key); v != "" {
				name += " " + v
			}
		}
		if id := x.Series.Resource.ID; id != "" {
			name += " " + id
		}
		if !strings.Contains(name, "cpu_percent") { // it depends on the time that passed
			all[name] = x.Float()
		}
	}
	return all
}

// ofDetails leaves only the metrics of the groups besides CPU and memory.
func ofDetails(all map[string]float64) map[string]float64 {
	plain := podMetrics.list(groupsOf(defaultGroups()))
	for name := range all {
		first, _, _ := strings.Cut(name, " ")
		if slices.ContainsFunc(plain, func(m *measure.Metric) bool { return m.Name == first }) {
			delete(all, name)
		}
	}
	return all
}

// detailsOf is what a window tells in which count was raised by i.
func detailsOf(version string, container bool, i float64, devices ...string) map[string]float64 {
	all := map[string]float64{
		"memory_working_set": 4000, "memory_max": 8192, "cgroup_memory_swap_current": 512, "pids_current": 4,
		"memory_page_faults_delta total": 7 * i, "memory_page_faults_delta major": 8 * i,
		"cpu_throttling_periods_delta total": 4 * i, "cpu_throttling_periods_delta throttled": 5 * i, "cpu_throttled_time_delta": 6000 * i,
	}
	for _, d := range devices {
		all["io_bytes_delta "+d+" read"], all["io_bytes_delta "+d+" write"] = 16*i, 17*i
		all["io_operations_delta "+d+" read"], all["io_operations_delta "+d+" write"] = 18*i, 19*i
	}
	if !container {
		all["cpu_request"], all["memory_request"] = 100, 128<<20
		all["cpu_package_time_delta 0"] = 3000 * i
		if version == "v1" {
			all["cpu_package_time_delta 0"], all["cpu_package_time_delta 1"] = 1400*i, 1600*i
		}
	}
	if version == "v2" || container {
		all["memory_oom_kills_delta"] = 9 * i
	}
	if version == "v2" {
		all["cgroup_slab_reclaimable"], all["cgroup_slab_unreclaimable"], all["pids_max"] = 64, 65, 9
		for j, name := range []string{"cpu", "memory", "io"} {
			all[name+"_pressure_some_total"], all[name+"_pressure_full_total"] = float64(10+2*j)*1000*i, float64(11+2*j)*1000*i
		}
	}
	return all
}

func webPod() *corev1.Pod { return simnode.NewPod(template("shop", "web")) }
