package estimate

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/agent/measure"
)

// What is a meter, and what is none.
func TestMeterIsFound(t *testing.T) {
	tests := []struct {
		name string
		make func(n *node)
		want int // packages
	}{
		{"no tree", func(n *node) {}, 0},
		{"an empty tree", func(n *node) { n.mkdir("class/powercap") }, 0},
		{"a control type without zones", func(n *node) { n.mkdir("class/powercap/intel-rapl") }, 0},
		{"one package and its parts", func(n *node) {
			n.zone("intel-rapl:0", "package-0", 5)
			n.zone("intel-rapl:0:0", "core", 5)
			n.zone("intel-rapl:0:1", "dram", 5)
			n.zone("intel-rapl:1", "psys", 5)
		}, 1},
		{"two packages", func(n *node) { n.zone("intel-rapl:0", "package-0", 5); n.zone("intel-rapl:1", "package-1", 5) }, 2},
		{"two dies", func(n *node) {
			n.zone("intel-rapl:0", "package-0-die-0", 5)
			n.zone("intel-rapl:1", "package-0-die-1", 5)
		}, 2},
		{"the same package on two ways", func(n *node) { n.zone("intel-rapl:0", "package-0", 5); n.zone("intel-rapl-mmio:0", "package-0", 5) }, 1},
		{"only on the second way", func(n *node) { n.zone("intel-rapl-mmio:0", "package-0", 5) }, 1},
		{"the platform alone", func(n *node) { n.zone("intel-rapl:0", "psys", 5) }, 0},
		{"a register that stands at 0", func(n *node) { n.zone("intel-rapl:0", "package-0", 0) }, 0},
		{"a garbled register", func(n *node) {
			n.zone("intel-rapl:0", "package-0", 5)
			n.write(filepath.Join(n.sys, "class/powercap/intel-rapl:0/energy_uj"), "five\n")
		}, 0},
		{"a zone without its register", func(n *node) { n.write(filepath.Join(n.sys, "class/powercap/intel-rapl:0/name"), "package-0\n") }, 0},
		{"links that lead nowhere", func(n *node) {
			n.mkdir("class/powercap")
			n.link("../../devices/virtual/powercap/intel-rapl/intel-rapl:0", "class/powercap/intel-rapl:0")
		}, 0},
		{"links, as the kernel has them", func(n *node) {
			n.mkdir("class/powercap")
			n.write(filepath.Join(n.sys, "devices/virtual/powercap/intel-rapl/intel-rapl:0/name"), "package-0\n")
			n.write(filepath.Join(n.sys, "devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj"), "5\n")
			n.link("../../devices/virtual/powercap/intel-rapl/intel-rapl:0", "class/powercap/intel-rapl:0")
		}, 1},
		{"only the devices", func(n *node) {
			n.write(filepath.Join(n.sys, "devices/virtual/powercap/intel-rapl/intel-rapl:0/name"), "package-0\n")
			n.write(filepath.Join(n.sys, "devices/virtual/powercap/intel-rapl/intel-rapl:0/energy_uj"), "5\n")
		}, 1},
		{"another control type", func(n *node) { n.zone("dtpm:0", "package-0", 5) }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := newNode(t, captured)
			tt.make(n)
			m := meter{sysfs: n.sys}
			m.look(noon())
			if len(m.packages) != tt.want || m.found() != (tt.want > 0) {
				t.Errorf("found %q, want %d", m.packages, tt.want)
			}
		})
	}
}

func (n *node) mkdir(path string) {
	n.t.Helper()
	if err := os.MkdirAll(filepath.Join(n.sys, path), 0o755); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) link(to, path string) {
	n.t.Helper()
	if err := os.Symlink(to, filepath.Join(n.sys, path)); err != nil {
		n.t.Fatal(err)
	}
}

// Beside a meter nothing is estimated, and it is said; once the meter is gone it begins,
// with a baseline, and when one comes it ends its series.
func TestRestsBesideAMeter(t *testing.T) {
	n := newNode(t, captured)
	n.zone("intel-rapl:0", "package-0", 5)
	n.open(defaults())
	active := func() int64 { return n.host.Counter(t, "podjoule.estimate.active") }
	for range 3 {
		if got, ended := n.poll(5 * time.Second); len(got)+ended != 0 {
			t.Fatalf("beside a meter: %v, %d series ended", got, ended)
		}
	}
	err := n.source.Ready()
	for _, part := range []string{"has an energy meter", filepath.Join(n.sys, "class", "powercap"), "leave out [plugins.estimate]", "compare = true"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v, want %q in it", err, part)
		}
	}
	if active() != 0 {
		t.Error("it says that it estimates")
	}

	if err := os.RemoveAll(filepath.Join(n.sys, "class")); err != nil {
		t.Fatal(err)
	}
	if got, _ := n.poll(5 * time.Second); len(got) != 0 || n.source.Ready() == nil {
		t.Errorf("before it is time to look again: %v", got)
	}
	n.stat(1_000_000, 2)
	if got, _ := n.poll(time.Minute); len(got) != 0 {
		t.Errorf("the first window has %v: it has no baseline", got)
	}
	if got, _ := n.poll(5 * time.Second); len(got) != levels*parts || got["estimated_energy dynamic"] != 0 {
		t.Errorf("the second window has %v", got)
	}
	if err := n.source.Ready(); err != nil || active() != 1 {
		t.Errorf("without a meter: %v, active %d", err, active())
	}

	n.zone("intel-rapl:0", "package-0", 5)
	if got, ended := n.poll(time.Minute); len(got) != 0 || ended != levels*parts {
		t.Errorf("with a new meter: %v, and %d series ended", got, ended)
	}
	if got, ended := n.poll(time.Minute); len(got)+ended != 0 || active() != 0 {
		t.Errorf("then: %v, and %d series ended again", got, ended)
	}
	if err := os.RemoveAll(filepath.Join(n.sys, "class")); err != nil {
		t.Fatal(err)
	}
	if got, _ := n.poll(time.Minute); len(got) != 0 {
		t.Errorf("after the meter: %v, of a time in which there was one", got)
	}
}

// A meter that another source reads in the same ticks is as good: one of perf, or of hwmon.
// One that is estimated, or of a part only, is none.
func TestRestsBesideAnotherSource(t *testing.T) {
	for name, tt := range map[string]struct {
		metric, domain, quality string
		rests                   bool
	}{
		"perf":            {"rapl_consumed_energy", "package", "measured", true},
		"a meter of ACPI": {"hwmon_consumed_energy", "machine", "derived", true},
		"memory alone":    {"rapl_consumed_energy", "dram", "measured", false},
		"another model":   {"guessed_energy", "package", "estimated", false},
		"a band":          {"rapl_consumed_energy_low", "package", "measured", false},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, captured)
			n.open(defaults())
			s := &measure.Series{
				Metric:     &measure.Metric{Name: tt.metric, Unit: measure.Microjoule, Kind: measure.Delta},
				Consumer:   measure.Consumer{Kind: measure.LocalMachine},
				Attributes: []measure.Attribute{{Key: "domain", Value: tt.domain}, {Key: "quality", Value: tt.quality}, {Key: "source", Value: "rapl-perf"}},
			}
			n.poll(5 * time.Second)
			told, _ := n.poll(5*time.Second, s)
			delete(told, tt.metric+" ") // is not the estimate
			if rests := len(told) == 0; rests != tt.rests {
				t.Fatalf("it tells %v", told)
			}
			if !tt.rests {
				return
			}
			if err := n.source.Ready(); err == nil || !strings.Contains(err.Error(), tt.domain+" (rapl-perf)") {
				t.Errorf("error %v, want the domain and its source", err)
			}
			if told, _ := n.poll(50 * time.Second); len(told) != 0 {
				t.Errorf("after a reading that failed: %v", told)
			}
			n.poll(10 * time.Second) // a baseline, as the meter has been silent for a minute
			if told, _ := n.poll(5 * time.Second); len(told) != levels*parts || n.source.Ready() != nil {
				t.Errorf("without the meter: %v, %v", told, n.source.Ready())
			}
		})
	}
}

// With compare there are both, and the difference: of packages and memory, each once.
func TestCompare(t *testing.T) {
	const name = "estimated_energy_difference "
	n := newNode(t, captured)
	meters := func(packages, memory uint64) {
		t.Helper()
		n.zone("intel-rapl:0", "package-0", 1_000+packages)
		n.zone("intel-rapl:0/intel-rapl:0:0", "core", 500+packages)
		n.zone("intel-rapl:0/intel-rapl:0:1", "dram", 70+memory)
		n.zone("intel-rapl:0:0", "core", 500+packages)
		n.zone("intel-rapl:0:1", "dram", 70+memory)
		n.zone("intel-rapl:1", "package-1", 9_000+packages)
		n.zone("intel-rapl:1:0", "dram", 80+memory) // all in one folder
		n.zone("intel-rapl:2", "psys", 10+10*packages)
		n.zone("intel-rapl-mmio:0", "package-0", 3+packages)
	}
	meters(0, 0)
	n.open(&Config{Interval: defaults().Interval, IdleWatts: 1, FullWatts: 2, Compare: true})
	if got, _ := n.poll(0); len(got) != 0 {
		t.Errorf("the first window has %v", got)
	}
	difference := func(what string, after time.Duration, want any) {
		t.Helper()
		got, ended := n.poll(after)
		if _, estimated := got["estimated_energy idle"]; !estimated || ended != 0 {
			t.Errorf("%s: %v and %d series ended", what, got, ended)
		}
		v, there := got[name]
		if want == nil && there || want != nil && (!there || fmt.Sprint(v) != fmt.Sprint(want)) {
			t.Errorf("%s: difference %v (%v), want %v", what, v, there, want)
		}
	}
	n.stat(0, 1)
	meters(200_000, 50_000)
	difference("estimated 1 J, measured 0.5 J", time.Second, 500_000.0)
	meters(1_200_000, 50_000)
	difference("measured more", time.Second, -1_000_000.0)
	meters(0, 50_000)
	difference("a register ran over", time.Second, nil)
	meters(100_000, 50_000)
	difference("the next window", time.Second, 800_000.0)
	meters(100_000, 60_000)
	difference("too long a window", longest+1, nil)

	// A window that is not the same: the estimate covers two, and so does the meter.
	n.write(filepath.Join(n.proc, "stat"), "cpu\n")
	if b, err := n.tryPoll(time.Second); err == nil || len(b.Samples) != 0 {
		t.Errorf("%d samples, error %v", len(b.Samples), err)
	}
	n.stat(0, 1)
	meters(200_000, 60_000)
	difference("two windows in one", time.Second, 1_800_000.0)

	// A package that is gone is no package that took nothing.
	if err := os.Rename(filepath.Join(n.sys, "class/powercap/intel-rapl:1"), filepath.Join(n.sys, "away")); err != nil {
		t.Fatal(err)
	}
	difference("a package is gone", again, nil)
	if err := os.Rename(filepath.Join(n.sys, "away"), filepath.Join(n.sys, "class/powercap/intel-rapl:1")); err != nil {
		t.Fatal(err)
	}
	difference("it is back", again, nil)
	difference("with both", time.Second, 1_000_000.0)

	// A zone that cannot be read costs the difference alone.
	if err := os.Remove(filepath.Join(n.sys, "class/powercap/intel-rapl:1/energy_uj")); err != nil {
		t.Fatal(err)
	}
	b, err := n.tryPoll(time.Second)
	if got := values(b); err == nil || !strings.Contains(err.Error(), "intel-rapl:1/energy_uj") || len(got) != 2 {
		t.Errorf("%v, error %v", got, err)
	}
	meters(200_000, 60_000)
	difference("readable again", time.Second, nil)
	difference("with a window", time.Second, 1_000_000.0)
	if err := n.source.Ready(); err != nil {
		t.Errorf("asked for, it is said to be %v", err)
	}
}

// With compare and without a meter there is the estimate alone.
func TestCompareWithoutAMeter(t *testing.T) {
	n := newNode(t, captured)
	n.open(&Config{Interval: defaults().Interval, Compare: true})
	_, _ = n.poll(0)
	if got, _ := n.poll(time.Second); len(got) != levels*parts {
		t.Errorf("%v", got)
	}
}
