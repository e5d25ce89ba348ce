package attribution

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
)

func byRAM(c *Config) { c.DRAMBy = "memory" }

const gib = 1 << 30

// keep tells a pod's memory.
func (r *rig) keep(b *measure.Batch, name string, bytes uint64) {
	b.Uint(r.of(memoryMetric, name, machine), bytes)
}

// S11: with dram_by = "memory" a pod has as much of the memory's energy as of the memory
// in use, whatever it computes, in the mean of both ends of the window.
func TestDRAMByMemory(t *testing.T) {
	r := newRigOn(t, 2, allMetrics(), noIdle, byRAM)
	r.workOn(0, time.Second, time.Second)
	r.remember(3*gib, 16*gib)
	r.apply(0, func(b *measure.Batch) {
		for _, name := range []string{"busy", "large"} {
			b.Uint(r.cpu(name), 0)
		}
		r.keep(b, "large", 2*gib)
	})
	r.workOn(0, time.Second, time.Second)
	r.remember(5*gib, 16*gib)
	b := r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("busy"), uint64(time.Second))
		b.Uint(r.cpu("large"), 0)
		r.keep(b, "busy", gib)
		r.keep(b, "large", 3*gib)
		b.Uint(r.meter("dram 1"), 80*joule)
		b.Uint(r.meter("package 0"), 80*joule)
	})
	want := map[string]uint64{
		"dram 1 busy": 10 * joule, "dram 1 large": 50 * joule, "dram 1 system": 20 * joule, "dram 1 idle": 0, "dram 1 unattributed": 0,
		"package 0 busy": 80 * joule, "package 0 large": 0, "package 0 system": 0, "package 0 idle": 0, "package 0 unattributed": 0,
	}
	if diff := cmp.Diff(want, toldBy(b)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff(map[string][]string{"dram 1": {"memory"}, "package 0": {"socket_cpu_time"}}, bases(b)); diff != "" {
		t.Errorf("bases: -want +got\n%s", diff)
	}
	// What is not told again stays as it is, as where memory is read less often.
	r.remember(3*gib, 16*gib)
	b = r.apply(time.Second, func(b *measure.Batch) {
		b.Uint(r.cpu("busy"), 0)
		b.Uint(r.meter("dram 1"), 4*joule)
	})
	if got := toldBy(b); got["dram 1 busy"] != joule || got["dram 1 large"] != 3*joule || got["dram 1 system"] != 0 {
		t.Errorf("without news of memory: %v", got)
	}
}

// In whatever order a batch tells, memory at its beginning is that at the end of the one before;
// and pods that end take theirs along.
func TestMemoryOfManyPods(t *testing.T) {
	for _, memoryFirst := range []bool{false, true} {
		r := newRig(t, noIdle, byRAM)
		r.remember(8*gib, 16*gib)
		next := func(passed time.Duration, energy uint64, memory map[string]uint64, names ...string) map[string]uint64 {
			r.work(passed, time.Second)
			return toldBy(r.apply(passed, func(b *measure.Batch) {
				for pass := range 2 {
					for _, name := range names {
						n, is := memory[name]
						switch {
						case (pass == 0) != memoryFirst:
							b.Uint(r.cpu(name), 0)
						case is:
							r.keep(b, name, n)
						}
					}
				}
				if passed > 0 {
					b.Uint(r.meter("dram"), energy)
				}
				if len(names) == 3 && passed > 0 {
					r.retire(b, "a")
				}
			}))
		}
		next(0, 0, map[string]uint64{"a": gib, "b": gib, "c": 2 * gib}, "a", "b", "c")
		got := next(time.Second, 16, map[string]uint64{"a": gib, "b": 3 * gib, "c": 2 * gib}, "a", "b", "c")
		want := map[string]uint64{"dram 0 a": 2, "dram 0 b": 4, "dram 0 c": 4, "dram 0 system": 6, "dram 0 idle": 0, "dram 0 unattributed": 0}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("memory first: %t: -want +got\n%s", memoryFirst, diff)
		}
		got = next(time.Second, 16, nil, "b", "c")
		want = map[string]uint64{"dram 0 b": 6, "dram 0 c": 4, "dram 0 system": 6, "dram 0 idle": 0, "dram 0 unattributed": 0}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("memory first: %t: when a pod has ended: -want +got\n%s", memoryFirst, diff)
		}
	}
}

// Pods may have more than is in use, as the page cache counts for them and not for the
// node; then they have all. The free memory is nobody's while idle power is not known.
func TestDRAMOfOddAmounts(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(*Config)
		used, pod uint64
		want      map[string]uint64
	}{
		{"with the page cache", noIdle, gib, 2 * gib, map[string]uint64{"a": 80, "energy_system": 0, "energy_idle": 0, "energy_unattributed": 0}},
		{"nobody has any", noIdle, 4 * gib, 0, map[string]uint64{"a": 0, "energy_system": 80, "energy_idle": 0, "energy_unattributed": 0}},
		{"idle power is not known", func(*Config) {}, 4 * gib, 2 * gib, map[string]uint64{"a": 20, "energy_system": 20, "energy_idle": 0, "energy_unattributed": 40}},
		{"what cannot be", noIdle, 4 * gib, 1 << 63, map[string]uint64{"a": 80, "energy_system": 0, "energy_idle": 0, "energy_unattributed": 0}},
		{"idle energy by what was reserved", func(c *Config) {
			c.Policies, c.IdleWatts = []string{byRequest}, map[string]float64{"dram": 40e-6}
		}, 4 * gib, 2 * gib, map[string]uint64{"a": 20 + 5, "energy_system": 20, "energy_idle": 35, "energy_unattributed": 0}},
	} {
		r := newRig(t, c.change, byRAM)
		r.remember(c.used, 8*gib)
		r.work(time.Second, time.Second)
		fill := func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			r.keep(b, "a", c.pod)
			r.reserve(b, "a", 0, gib)
		}
		r.apply(0, fill)
		r.work(time.Second, time.Second)
		b := r.apply(time.Second, func(b *measure.Batch) {
			fill(b)
			b.Uint(r.meter("dram"), 80)
		})
		if diff := cmp.Diff(c.want, told(b)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
		if n := r.host.Counter(t, "podjoule.attribution.exceeded"); n != 0 {
			t.Errorf("%s: %d windows are counted as if CPU time were exceeded", c.name, n)
		}
	}
}

// While the node's memory cannot be read, the energy of memory is nobody's, and that of
// others is divided as ever.
func TestMemoryThatCannotBeRead(t *testing.T) {
	r := newRig(t, noIdle, byRAM)
	r.work(time.Second, time.Second)
	r.apply(0, func(b *measure.Batch) { b.Uint(r.cpu("a"), 0) })
	var got []uint64
	for i := range 4 {
		r.remember(gib, 8*gib)
		if i == 1 {
			r.write("MemTotal: none\n", r.host.ProcfsRoot, "meminfo")
		}
		r.work(time.Second, 0)
		b := r.apply(time.Second, func(b *measure.Batch) {
			b.Uint(r.cpu("a"), uint64(time.Second))
			r.keep(b, "a", gib)
			b.Uint(r.meter("dram"), joule)
			b.Uint(r.meter("package"), joule)
		})
		all := toldBy(b)
		got = append(got, all["dram 0 unattributed"])
		if all["package 0 a"] != joule {
			t.Errorf("window %d: %v", i+1, all)
		}
		if err := r.Ready(); (err != nil) != (i == 1) || err != nil && !strings.Contains(err.Error(), `meminfo: MemTotal: " none", want a number of kB`) {
			t.Errorf("window %d: Ready says %v", i+1, err)
		}
	}
	if diff := cmp.Diff([]uint64{0, joule, joule, 0}, got); diff != "" {
		t.Errorf("unattributed: -want +got\n%s", diff)
	}
}

func TestParseMemory(t *testing.T) {
	const captured = "MemTotal:       32658072 kB\nMemFree:         1000000 kB\nMemAvailable:   12658072 kB\nBuffers:          100 kB\n"
	got, err := parseMemory([]byte(captured))
	if want := (memory{used: 20_000_000 << 10, total: 32_658_072 << 10}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{
		"", "MemTotal: 5 kB\n", "MemAvailable: 5 kB\n", "MemTotal: 5 kB\nMemAvailable: 6 kB\n", "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
		"MemTotal: 5 kB\nMemAvailable: 4 kB", "MemTotal: 5\nMemAvailable: 4 kB\n", "MemTotal: -5 kB\nMemAvailable: 4 kB\n",
		"MemTotal: 99999999999999999999 kB\nMemAvailable: 4 kB\n", "MemTotal: kB\nMemAvailable: 4 kB\n", "xMemTotal: 5 kB\nMemAvailable: 4 kB\n",
	} {
		if got, err := parseMemory([]byte(bad)); err == nil {
			t.Errorf("%q: %+v, want an error", bad, got)
		}
	}
}

func FuzzParseMemory(f *testing.F) {
	f.Add("MemTotal:       32658072 kB\nMemFree: 1 kB\nMemAvailable:   12658072 kB\n")
	f.Add("MemTotal: 5 kB\nMemAvailable: 6 kB\n")
	f.Add("MemTotal: 17592186044415 kB\nMemAvailable: 0 kB\n")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseMemory([]byte(text))
		if err == nil && (got.used > got.total || got.total == 0 || got.total%1024 != 0) {
			t.Errorf("%q: %+v", text, got)
		}
	})
}
