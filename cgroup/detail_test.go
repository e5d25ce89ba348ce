package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everything is what all groups tell of a cgroup.
type everything struct {
	CPU        CPU
	Memory     Memory
	Detail     MemoryDetail
	Pressure   Pressure
	Throttling Throttling
	IO         IO
	PIDs       PIDs
	PerCPU     PerCPU
	CPUSet     CPUSet
}

func readEverything(r *Reader, buf *Buffer, e *everything) error {
	errs := [...]error{
		r.CPUAndThrottling(buf, &e.CPU, &e.Throttling), r.MemoryAndDetail(buf, &e.Memory, &e.Detail),
		r.Pressure(buf, &e.Pressure), r.IO(buf, &e.IO), r.PIDs(buf, &e.PIDs), r.PerCPU(buf, &e.PerCPU), r.CPUSet(buf, &e.CPUSet),
	}
	return errors.Join(errs[:]...)
}

func allGroups() Groups {
	return Groups{CPU: true, Memory: true, MemoryDetail: true, Pressure: true, Throttling: true, IO: true, PIDs: true, PerCPU: true, CPUSet: true}
}

// detailTree is sampleTree with the files of all groups, as a kernel writes them.
func detailTree(t testing.TB, version string) (root string) {
	t.Helper()
	root, _, _ = sampleTree(t, version)
	pod := "kubepods/pod" + uid
	files := map[string]string{
		"memory.stat": "cache 0\ntotal_cache 1000\ntotal_rss 2000\ntotal_swap 512\ntotal_pgpgin 3\ntotal_pgfault 70\ntotal_pgmajfault 7\n" +
			"total_inactive_anon 9\ntotal_inactive_file 96\n",
		"memory.limit_in_bytes": "8192\n",
		"memory.oom_control":    "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n",
		"cpu.stat":              "nr_periods 11\nnr_throttled 7\nthrottled_time 886311311\nnr_bursts 0\nburst_time 0\n",
		"blkio.throttle.io_service_bytes_recursive": "254:0 Read 1\n254:0 Write 2\n254:0 Total 3\n8:0 Read 5\n8:0 Write 6\nTotal 14\n",
		"blkio.throttle.io_serviced_recursive":      "254:0 Read 3\n254:0 Write 4\n254:0 Total 7\n8:0 Read 7\n8:0 Write 8\nTotal 22\n",
		"pids.current":                              "4\n",
		"pids.max":                                  "9\n",
		"cpuacct.usage_percpu":                      "60 0 40 0 \n",
	}
	folder := map[string]string{"cpu.stat": "cpu", "blkio.throttle.io_service_bytes_recursive": "blkio", "blkio.throttle.io_serviced_recursive": "blkio", "pids.current": "pids", "pids.max": "pids", "cpuacct.usage_percpu": "cpuacct"}
	stalls := "some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=%d\n"
	if version == "v2" {
		folder = map[string]string{}
		files = map[string]string{
			"cpu.stat": "usage_usec 100\nuser_usec 60\nsystem_usec 40\nnice_usec 0\nnr_periods 11\nnr_throttled 7\nthrottled_usec 886311\nnr_bursts 0\nburst_usec 0\n",
			"memory.stat": "anon 2000\nfile 1000\nkernel_stack 16\npagetables 32\ninactive_file 96\nslab_reclaimable 64\nslab_unreclaimable 65\n" +
				"pgfault 70\npgmajfault 7\n",
			"memory.max": "8192\n", "memory.swap.current": "512\n", "memory.swap.max": "1024\n",
			"memory.events":   "low 0\nhigh 0\nmax 8\noom 4\noom_kill 3\noom_group_kill 0\n",
			"cpu.pressure":    fmt.Sprintf(stalls, 11, 12),
			"memory.pressure": fmt.Sprintf(stalls, 13, 14),
			"io.pressure":     fmt.Sprintf(stalls, 15, 16),
			"io.stat":         "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n8:0 rbytes=5 wbytes=6 rios=7 wios=8 dbytes=0 dios=0\n",
			"pids.current":    "4\n", "pids.max": "9\n",
			"cpuset.cpus.effective": "0-1,3\n",
		}
	}
	for name, text := range files {
		dir, ok := folder[name]
		if !ok && version != "v2" {
			dir = "memory"
		}
		write(t, text, root, dir, pod, name)
	}
	return root
}

// detailWant is what is to be read in detailTree.
func detailWant(version string) everything {
	e := everything{
		CPU:    CPU{val(100), val(60), val(40)},
		Memory: Memory{Usage: val(4096), Anonymous: val(2000), File: val(1000)},
		Detail: MemoryDetail{
			WorkingSet: val(4000), Max: val(8192), SwapCurrent: val(512),
			PageFaults: val(70), MajorPageFaults: val(7), OwnOOMKills: val(3),
		},
		Throttling: Throttling{val(11), val(7), val(886311311)},
		IO: IO{Known: true, Devices: []DeviceIO{
			{Device{254, 0}, val(1), val(2), val(3), val(4)}, {Device{8, 0}, val(5), val(6), val(7), val(8)},
		}},
		PIDs:   PIDs{val(4), val(9)},
		PerCPU: PerCPU{Known: true, Times: []uint64{60, 0, 40, 0}},
	}
	if version == "v2" {
		e.CPU = CPU{val(100_000), val(60_000), val(40_000)}
		e.Memory.KernelStack, e.Memory.PageTables = val(16), val(32)
		e.Detail.OwnOOMKills, e.Detail.OOMKills, e.Detail.SwapMax = Value{}, val(3), val(1024)
		e.Detail.SlabReclaimable, e.Detail.SlabUnreclaimable = val(64), val(65)
		e.Throttling.Time = val(886311000)
		e.PerCPU, e.CPUSet = PerCPU{}, CPUSet{Known: true, Ranges: []CPURange{{0, 1}, {3, 3}}}
		e.Pressure = Pressure{Stalls{val(11000), val(12000)}, Stalls{val(13000), val(14000)}, Stalls{val(15000), val(16000)}}
	}
	return e
}

func TestReadEveryGroup(t *testing.T) {
	for _, version := range []string{"v1", "v2"} {
		r := podReader(t, detailTree(t, version))
		var buf Buffer
		for range 2 {
			var got everything
			if err := readEverything(r, &buf, &got); err != nil {
				t.Errorf("%s: %v", version, err)
			}
			if diff := cmp.Diff(detailWant(version), got); diff != "" {
				t.Errorf("%s: -want +got\n%s", version, diff)
			}
		}
		// Each group alone tells the same, though it shares files with another.
		alone := podReader(t, detailTree(t, version))
		var got everything
		err := errors.Join(alone.CPUAndThrottling(&buf, nil, &got.Throttling), alone.MemoryAndDetail(&buf, nil, &got.Detail))
		want := everything{Throttling: detailWant(version).Throttling, Detail: detailWant(version).Detail}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s, alone: %v, -want +got\n%s", version, err, diff)
		}
	}
}

// Whatever file is away, garbled or turned off costs its own values and no others.
func TestEveryFileOfAGroupMayBeAway(t *testing.T) {
	v1 := map[string]func(*everything){
		"cpuacct/cpuacct.usage_percpu": func(e *everything) { e.PerCPU = PerCPU{} },
		"memory/memory.limit_in_bytes": func(e *everything) { e.Detail.Max = Value{} },
		"memory/memory.oom_control":    func(e *everything) { e.Detail.OwnOOMKills = Value{} },
		"cpu/cpu.stat":                 func(e *everything) { e.Throttling = Throttling{} },
		"pids/pids.current":            func(e *everything) { e.PIDs.Current = Value{} },
		"pids/pids.max":                func(e *everything) { e.PIDs.Max = Value{} },
		"blkio/blkio.throttle.io_service_bytes_recursive": func(e *everything) {
			e.IO.Known = false
			for i := range e.IO.Devices {
				e.IO.Devices[i].ReadBytes, e.IO.Devices[i].WriteBytes = Value{}, Value{}
			}
		},
		"blkio/blkio.throttle.io_serviced_recursive": func(e *everything) {
			e.IO.Known = false
			for i := range e.IO.Devices {
				e.IO.Devices[i].Reads, e.IO.Devices[i].Writes = Value{}, Value{}
			}
		},
	}
	v2 := map[string]func(*everything){
		"cpuset.cpus.effective": func(e *everything) { e.CPUSet = CPUSet{} },
		"memory.max":            func(e *everything) { e.Detail.Max = Value{} },
		"memory.swap.current":   func(e *everything) { e.Detail.SwapCurrent = Value{} },
		"memory.swap.max":       func(e *everything) { e.Detail.SwapMax = Value{} },
		"memory.events":         func(e *everything) { e.Detail.OOMKills = Value{} },
		"memory.current":        func(e *everything) { e.Memory.Usage, e.Detail.WorkingSet = Value{}, Value{} },
		"cpu.stat":              func(e *everything) { e.CPU, e.Throttling = CPU{}, Throttling{} },
		"cpu.pressure":          func(e *everything) { e.Pressure.CPU = Stalls{} },
		"memory.pressure":       func(e *everything) { e.Pressure.Memory = Stalls{} },
		"io.pressure":           func(e *everything) { e.Pressure.IO = Stalls{} },
		"io.stat":               func(e *everything) { e.IO = IO{} },
		"pids.current":          func(e *everything) { e.PIDs.Current = Value{} },
		"pids.max":              func(e *everything) { e.PIDs.Max = Value{} },
	}
	f := func(version, name string, spoil func(path string) error, less func(*everything), wantErr string) {
		t.Helper()
		root := detailTree(t, version)
		path := filepath.Join(root, "kubepods/pod"+uid, name)
		if version == "v1" {
			path = filepath.Join(root, filepath.Dir(name), "kubepods/pod"+uid, filepath.Base(name))
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		want := detailWant(version)
		less(&want)
		r := podReader(t, root)
		var got everything
		err := readEverything(r, new(Buffer), &got)
		wants(t, name, err, wantErr)
		if diff := cmp.Diff(want, got, cmp.Transformer("devices", func(d []DeviceIO) []DeviceIO { return append([]DeviceIO{}, d...) })); diff != "" {
			t.Errorf("%s %s: -want +got\n%s", version, name, diff)
		}
	}
	garble := func(path string) error {
		return os.WriteFile(path, []byte("oom_kill x\nnr_periods x\n8:0 Read x\n8:0 rbytes=x\n"), 0o644)
	}
	off := turnedOffOrNone()
	for version, files := range map[string]map[string]func(*everything){"v1": v1, "v2": v2} {
		for name, less := range files {
			f(version, name, os.Remove, less, "")
			if off != "" {
				f(version, name, func(path string) error { return errors.Join(os.Remove(path), os.Symlink(off, path)) }, less, "")
			}
			if name == "io.stat" || filepath.Dir(name) == "blkio" {
				continue // of these, what can be read counts: see TestParseIOStat
			}
			f(version, name, garble, less, filepath.Base(name))
		}
	}
}

// A cgroup that the version 2 tree of a hybrid node does not have, or another
// controller's, is not gone for that.
func TestHybridHasDetailWhereItIs(t *testing.T) {
	root := detailTree(t, "v1")
	write(t, "hugetlb\n", root, "unified", "cgroup.controllers")
	if err := errors.Join(os.RemoveAll(filepath.Join(root, "blkio/kubepods")), os.RemoveAll(filepath.Join(root, "pids"))); err != nil {
		t.Fatal(err)
	}
	r := podReader(t, root)
	var buf Buffer
	var got everything
	want := detailWant("v1")
	want.IO, want.PIDs = IO{Devices: []DeviceIO{}}, PIDs{}
	got.IO.Devices = []DeviceIO{}
	for range 3 {
		if err := readEverything(r, &buf, &got); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	}
	// The runtime makes it there after all.
	write(t, "some avg10=0.00 avg60=0.00 avg300=0.00 total=11\n", root, "unified/kubepods/pod"+uid, "cpu.pressure")
	write(t, "usage_usec 1\nnr_periods 1\n", root, "unified/kubepods/pod"+uid, "cpu.stat")
	want.Pressure.CPU.Some = val(11000)
	for range longestWait {
		if err := readEverything(r, &buf, &got); err != nil {
			t.Error(err)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("in the version 2 tree too: -want +got\n%s", diff)
	}
}

// A controller that version 1 does not have is taken from version 2's tree.
func TestHybridTakesEachControllerFromItsTree(t *testing.T) {
	root := detailTree(t, "v1")
	for _, controller := range []string{"cpu", "blkio", "pids"} {
		if err := os.RemoveAll(filepath.Join(root, controller)); err != nil {
			t.Fatal(err)
		}
	}
	v2 := detailTree(t, "v2")
	if err := os.CopyFS(filepath.Join(root, "unified"), os.DirFS(v2)); err != nil {
		t.Fatal(err)
	}
	write(t, "cpu io pids\n", root, "unified", "cgroup.controllers")
	want := detailWant("v1")
	other := detailWant("v2")
	want.Throttling, want.IO, want.PIDs, want.Pressure = other.Throttling, other.IO, other.PIDs, other.Pressure
	var got everything
	if err := readEverything(podReader(t, root), new(Buffer), &got); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}
