package attribution

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// CPUs that go offline and come online count on their sockets, and not for what they did before.
func TestCPUsComeAndGo(t *testing.T) {
	dir := t.TempDir()
	place := func(cpu int, socket string) {
		file := filepath.Join(dir, fmt.Sprintf("devices/system/cpu/cpu%d/topology/physical_package_id", cpu))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(socket+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	place(0, "0")
	place(5, "3")
	x, err := openSockets(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := make([]nodeTime, 2)
	on0, on3 := x.index("0"), x.index("3")
	next := func(want0, want3 uint64, lines ...string) {
		t.Helper()
		before := slices.Clone(sums)
		if err := x.read([]byte("cpu  1 1 1 1 1 1 1\n"+strings.Join(lines, "\n")+"\nintr 1\n"), sums); err != nil {
			t.Fatal(err)
		}
		if got0, got3 := sums[on0].minus(before[on0]).busy/nsPerTick, sums[on3].minus(before[on3]).busy/nsPerTick; got0 != want0 || got3 != want3 {
			t.Errorf("%v: busy for %d and %d ticks, want %d and %d", lines, got0, got3, want0, want3)
		}
	}
	next(0, 0, "cpu0 100 0 0 1 0 0 0", "cpu5 200 0 0 1 0 0 0")
	next(10, 20, "cpu0 110 0 0 1 0 0 0", "cpu5 220 0 0 1 0 0 0")
	next(1, 0, "cpu0 111 0 0 1 0 0 0")
	place(2, "3")
	next(0, 3, "cpu0 111 0 0 1 0 0 0", "cpu2 900 0 0 1 0 0 0", "cpu5 223 0 0 1 0 0 0")
	next(0, 5, "cpu0 11 0 0 1 0 0 0", "cpu2 905 0 0 1 0 0 0", "cpu5 223 0 0 1 0 0 0") // one counts backwards
	place(3, "7")
	if err := x.read([]byte("cpu  1 1 1 1 1 1 1\ncpu3 1 0 0 1 0 0 0\nintr\n"), sums); err == nil || !strings.Contains(err.Error(), "CPU 3 is on socket 7, which had none before") {
		t.Errorf("a CPU of a new socket: %v", err)
	}
}

// What does not tell several sockets is as one, and says so where something is wrong.
func TestTopologies(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
		fault string
	}{
		"two":              {map[string]string{"cpu0": "0\n", "cpu1": "1\n", "cpu11": "1\n"}, []string{"0", "1"}, ""},
		"one":              {map[string]string{"cpu0": "0\n", "cpu1": "0\n"}, nil, ""},
		"it does not tell": {map[string]string{"cpu0": "-1\n", "cpu1": "-1\n"}, nil, ""},
		"offline":          {map[string]string{"cpu0": "0\n", "cpu1": "", "cpu2": "1\n"}, []string{"0", "1"}, ""},
		"other folders":    {map[string]string{"cpu0": "0\n", "cpufreq": "5", "cpuidle": "6", "cpu99999": "7", "cpu9000": "8"}, nil, ""},
		"no number":        {map[string]string{"cpu0": "zero\n", "cpu1": "1\n"}, nil, `physical_package_id holds "zero", want a number`},
		"empty":            {map[string]string{"cpu0": "\n", "cpu1": "1\n"}, nil, `holds "", want a number`},
		"nothing":          {map[string]string{"cpufreq": "5"}, nil, "no folder cpuN"},
	} {
		dir := t.TempDir()
		for folder, text := range c.files {
			at := filepath.Join(dir, "devices/system/cpu", folder, "topology")
			if err := os.MkdirAll(at, 0o755); err != nil {
				t.Fatal(err)
			}
			if text == "" {
				continue
			}
			if err := os.WriteFile(filepath.Join(at, "physical_package_id"), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		x, err := openSockets(dir)
		if (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", name, err, c.fault)
		}
		var got []string
		if x != nil {
			got = slices.Sorted(slices.Values(x.ids))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	r := newRigOn(t, 2, allMetrics(), noIdle)
	r.host.SysfsRoot = t.TempDir()
	again, err := r.config.Open(t.Context(), r.host.Host)
	if err != nil {
		t.Fatal(err)
	}
	broken := again.(*attribution)
	if err := broken.Ready(); err == nil || !strings.Contains(err.Error(), "by the CPU time of the whole node") || !strings.Contains(err.Error(), "set sysfs_root of [agent]") {
		t.Errorf("without /sys, Ready says %v", err)
	}
	if err := broken.Close(); err != nil {
		t.Error(err)
	}
}

// The lines of 8192 CPUs are read whole, whatever fits at first.
func TestManyCPUs(t *testing.T) {
	var b strings.Builder
	b.WriteString("cpu  1 0 0 1 0 0 0 0 0 0\n")
	for cpu := range mostCPUs {
		fmt.Fprintf(&b, "cpu%d 10132153 290696 3084719 46828483 16683 0 25195 175628 1000 200\n", cpu)
	}
	b.WriteString("intr " + strings.Repeat("0 ", 5000) + "\n")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "stat"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := openStat(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	f.each = true
	x := &sockets{ids: []string{"0", "1"}, of: make([]int, mostCPUs), last: make([]nodeTime, mostCPUs), met: make([]bool, mostCPUs)}
	text, err := f.read()
	if err != nil {
		t.Fatal(err)
	}
	if err := x.read(text, make([]nodeTime, 2)); err != nil || x.last[mostCPUs-1].busy == 0 {
		t.Errorf("%v, the last CPU did %v", err, x.last[mostCPUs-1])
	}
}

// Whatever the lines are: nothing breaks, and no socket did more than all CPUs counted.
func FuzzReadSockets(f *testing.F) {
	f.Add("cpu  2 0 0 2 0 0 0\ncpu0 1 0 0 1 0 0 0\ncpu1 1 0 0 1 0 0 0\nintr 5\n")
	f.Add("cpu\ncpu1 1 2 3 4 5 6 7 8 9 10\nx")
	f.Add("\ncpu99999999999999999999 1 1 1 1 1 1 1\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		x := &sockets{sysfs: "/nowhere", ids: []string{"0", "1"}, of: []int{0, 1}, last: make([]nodeTime, 2), met: []bool{true, true}, begun: true}
		sums := make([]nodeTime, 2)
		err := x.read([]byte(text), sums)
		if lines := strings.Count(text, "\ncpu"); err == nil && lines == 0 {
			t.Errorf("%q is taken for lines of CPUs", text)
		}
		for i, sum := range sums {
			if sum.busy > sum.all {
				t.Errorf("%q: socket %d: %+v", text, i, sum)
			}
		}
	})
}
