package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// On the captured nodes, all groups are what the files say.
func TestReadEveryGroupOnCapturedNodes(t *testing.T) {
	for version, dirs := range map[string]struct{ cpu, memory, io, pids, pressure string }{
		"v1": {"cpu", "memory", "blkio", "pids", "unified"},
		"v2": {},
	} {
		root := captured(t, version)
		h := open(t, root)
		devices, limits, stalled, places := 0, 0, 0, 0
		for _, found := range scan(t, h.Finder(true), true).Appeared {
			file := func(dir, name string) string {
				text, err := os.ReadFile(filepath.Join(root, dir, found.Path, name))
				if err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Fatal(err)
				}
				return string(text)
			}
			// told finds a number by what stands around it.
			told := func(text, pattern string, scale uint64) Value {
				match := regexp.MustCompile("(?m)" + pattern).FindStringSubmatch(text)
				if match == nil {
					return Value{}
				}
				n, err := strconv.ParseUint(match[1], 10, 64)
				if err != nil {
					t.Fatal(err)
				}
				return val(n * scale)
			}
			stalls := func(name string) Stalls {
				text := file(dirs.pressure, name)
				return Stalls{told(text, `^some .*total=(\d+)$`, 1000), told(text, `^full .*total=(\d+)$`, 1000)}
			}
			stat := file(dirs.memory, "memory.stat")
			want := everything{
				Pressure: Pressure{stalls("cpu.pressure"), stalls("memory.pressure"), stalls("io.pressure")},
				PIDs:     PIDs{told(file(dirs.pids, "pids.current"), `^(\d+)$`, 1), told(file(dirs.pids, "pids.max"), `^(\d+)$`, 1)},
				Throttling: Throttling{
					Periods:   told(file(dirs.cpu, "cpu.stat"), `^nr_periods (\d+)$`, 1),
					Throttled: told(file(dirs.cpu, "cpu.stat"), `^nr_throttled (\d+)$`, 1),
				},
			}
			var usage, inactive Value
			if version == "v2" {
				usage, inactive = told(file("", "memory.current"), `^(\d+)$`, 1), told(stat, `^inactive_file (\d+)$`, 1)
				want.Throttling.Time = told(file("", "cpu.stat"), `^throttled_usec (\d+)$`, 1000)
				want.Detail = MemoryDetail{
					Max: told(file("", "memory.max"), `^(\d+)$`, 1), SwapMax: told(file("", "memory.swap.max"), `^(\d+)$`, 1),
					SwapCurrent:     told(file("", "memory.swap.current"), `^(\d+)$`, 1),
					SlabReclaimable: told(stat, `^slab_reclaimable (\d+)$`, 1), SlabUnreclaimable: told(stat, `^slab_unreclaimable (\d+)$`, 1),
					PageFaults: told(stat, `^pgfault (\d+)$`, 1), MajorPageFaults: told(stat, `^pgmajfault (\d+)$`, 1),
					OOMKills: told(file("", "memory.events"), `^oom_kill (\d+)$`, 1),
				}
				if text := file("", "cpuset.cpus.effective"); text != "" { // both CPUs, in all that were captured
					want.CPUSet = CPUSet{Known: true, Ranges: []CPURange{{0, 1}}}
					if text != "0-1\n" {
						t.Errorf("%s may run on %s", found.Path, text)
					}
				}
				text := file("", "io.stat")
				want.IO.Known = text != "" || fileIsThere(filepath.Join(root, found.Path, "io.stat"))
				if text != "" {
					d := DeviceIO{Device{254, 0}, told(text, `rbytes=(\d+)`, 1), told(text, `wbytes=(\d+)`, 1), told(text, `rios=(\d+)`, 1), told(text, `wios=(\d+)`, 1)}
					want.IO.Devices = []DeviceIO{d}
				}
			} else {
				usage, inactive = told(file("memory", "memory.usage_in_bytes"), `^(\d+)$`, 1), told(stat, `^total_inactive_file (\d+)$`, 1)
				want.Throttling.Time = told(file("cpu", "cpu.stat"), `^throttled_time (\d+)$`, 1)
				perCPU := file("cpuacct", "cpuacct.usage_percpu")
				want.PerCPU = PerCPU{Known: true, Times: []uint64{told(perCPU, `^(\d+) \d+ $`, 1).N, told(perCPU, `^\d+ (\d+) $`, 1).N}}
				want.Detail = MemoryDetail{
					Max: told(file("memory", "memory.limit_in_bytes"), `^(\d{1,18})$`, 1), SwapCurrent: told(stat, `^total_swap (\d+)$`, 1),
					PageFaults: told(stat, `^total_pgfault (\d+)$`, 1), MajorPageFaults: told(stat, `^total_pgmajfault (\d+)$`, 1),
					OwnOOMKills: told(file("memory", "memory.oom_control"), `^oom_kill (\d+)$`, 1),
				}
			}
			want.Detail.WorkingSet = val(max(usage.N, inactive.N) - inactive.N)
			var got everything
			r := h.Reader(found.Path)
			if err := readEverything(r, new(Buffer), &got); err != nil {
				t.Errorf("%s: %v", found.Path, err)
			}
			r.Close()
			got.CPU, got.Memory = CPU{}, Memory{} // see TestReadOnCapturedNodes
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %s: -file +read\n%s", version, found.Path, diff)
			}
			devices += len(got.IO.Devices)
			if got.CPUSet.Known || got.PerCPU.Known {
				places++
			}
			if got.Detail.Max.Known && got.PIDs.Current.Known {
				limits++
			}
			if got.Pressure.CPU.Some.N > 0 {
				stalled++
			}
		}
		if limits == 0 || stalled == 0 || places == 0 || version == "v2" && devices == 0 {
			t.Errorf("%s: %d limits, %d stalled, %d places, %d devices: the test shows too little", version, limits, stalled, places, devices)
		}
	}
}

func fileIsThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
