package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/plugins/csv"
	"github.com/podjoule/podjoule/plugins/estimate"
	"github.com/podjoule/podjoule/plugins/k8s"
	"github.com/podjoule/podjoule/plugins/rapl"
	"github.com/podjoule/podjoule/simnode"
)

// counted has zones of a powercap tree count from some value on, as those of a machine that
// has run for a while.
func counted(zones []simnode.PowercapZone) []simnode.PowercapZone {
	for i := range zones {
		zones[i].Start = zones[i].Range - 1_000_000*uint64(i+1)
	}
	return zones
}

// withoutRights takes from the rest of the test, if it is root, the right to read what the
// files' modes do not allow.
func withoutRights(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var rights [2]unix.CapUserData
	if err := unix.Capget(&header, &rights[0]); err != nil {
		t.Fatal(err)
	}
	rights[0].Effective, rights[1].Effective = 0, 0
	if err := unix.Capset(&header, &rights[0]); err != nil {
		t.Fatal(err)
	}
}

// writeFile writes a file and the folders above it.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compareWith compares a text with a file, or writes it there.
func compareWith(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

// What the command shows on machines of all kinds is in testdata/power: make it anew with
// go test . -run TestPowerOfMachines -update.
func TestPowerOfMachines(t *testing.T) {
	const epyc = "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763 64-Core Processor\nstepping\t: 1\n"
	chmod := func(t *testing.T, mode os.FileMode, pattern string) {
		t.Helper()
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("nothing is %s: %v", pattern, err)
		}
		for _, path := range paths {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove := func(t *testing.T, path string) {
		t.Helper()
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name  string
		zones []simnode.PowercapZone // what the n-th one draws is n W
		spoil func(t *testing.T)
		file  string // the configuration's name, with the tables of plugins
		has   []string
		long  time.Duration
	}{
		{name: "laptop", zones: simnode.IntelClient()},
		{name: "dies", zones: simnode.MultiDie(), long: 2500 * time.Millisecond},
		{name: "virtual-machine"},
		{name: "unknown-cpu", spoil: func(t *testing.T) { remove(t, "proc/cpuinfo"); remove(t, "sys/class/powercap") }},
		{name: "no-permission", zones: simnode.TwoSocketServer(), spoil: func(t *testing.T) {
			chmod(t, 0, "sys/devices/virtual/powercap/intel-rapl/intel-rapl:*/energy_uj")
			chmod(t, 0, "sys/devices/virtual/powercap/intel-rapl/intel-rapl:*/intel-rapl:*/energy_uj")
			withoutRights(t)
		}},
		{name: "masked", zones: simnode.TwoSocketServer(), spoil: func(t *testing.T) { remove(t, "sys/devices") }},
		{name: "one-zone-is-garbled", zones: simnode.AMDServer(), spoil: func(t *testing.T) {
			remove(t, "sys/devices/virtual/powercap/intel-rapl/intel-rapl:1/energy_uj")
			writeFile(t, "sys/devices/virtual/powercap/intel-rapl/intel-rapl:1/energy_uj", "many\n")
		}},
		{name: "nothing", spoil: func(t *testing.T) { remove(t, "proc"); remove(t, "sys") }},
		{name: "not-in-the-configuration", zones: simnode.TwoSocketServer(), file: "config.toml", has: []string{"estimate"}},
		{name: "in-the-configuration", zones: simnode.TwoSocketServer(), file: "config.toml", has: []string{"rapl"}},
		{name: "other-meters", zones: simnode.TwoSocketServer(), spoil: func(t *testing.T) {
			writeFile(t, "proc/driver/nvidia/version", "NVRM version: 1\n")
			writeFile(t, "sys/class/ipmi/ipmi0/dev", "1:0\n")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name := tt.name
			if name == "no-permission" && os.Geteuid() != 0 {
				name += "-user" // whom another remedy helps
			}
			golden, err := filepath.Abs(filepath.Join("testdata", "power", name+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			t.Chdir(t.TempDir())
			writeFile(t, "proc/cpuinfo", epyc)
			writeFile(t, "proc/stat", "cpu  100 0 0 900 0 0 0 0 0 0\ncpu0 50 0 0 450 0 0 0 0 0 0\ncpu1 50 0 0 450 0 0 0 0 0 0\nintr 1\n")
			tree, err := simnode.NewPowercap("sys", counted(tt.zones)...)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			if tt.zones == nil {
				remove(t, "sys/class/powercap")
			}
			if tt.long == 0 {
				tt.long = time.Second
			}
			cfg := &agent.Config{Agent: agent.DefaultSettings()}
			cfg.Agent.SysfsRoot, cfg.Agent.ProcfsRoot = "sys", "proc"
			plugins := []plugin.Plugin{k8s.Plugin(), rapl.Plugin(), estimate.Plugin(), csv.Plugin()}
			for _, p := range plugins {
				for _, name := range tt.has {
					if p.Name == name {
						cfg.Plugins = append(cfg.Plugins, agent.Enabled{Plugin: p, Config: p.Config()})
					}
				}
			}
			synctest.Test(t, func(t *testing.T) {
				if tt.spoil != nil {
					tt.spoil(t)
				}
				ctx, cancel := context.WithCancel(t.Context())
				var machine sync.WaitGroup
				defer machine.Wait()
				defer cancel()
				machine.Go(func() {
					time.Sleep(50 * time.Millisecond) // so that it never counts while it is read
					for ; ctx.Err() == nil; time.Sleep(100 * time.Millisecond) {
						for i, z := range tt.zones {
							if err := tree.Spend(z.Folder, 100_000*uint64(i+1)); err != nil {
								t.Error(err)
							}
						}
					}
				})
				report, err := readPower(ctx, plugins, cfg, tt.file, tt.long)
				if err != nil {
					t.Fatal(err)
				}
				got := report.String()
				compareWith(t, golden, got)
				for line := range strings.Lines(got) {
					if n := utf8.RuneCountInString(line); n > lineWidth+1 {
						t.Errorf("%d columns: %s", n-1, line)
					}
				}
			})
		})
	}
}

// oddSource is a source that lists nothing, or fails.
type oddSource struct {
	energy map[*measure.Series]uint64
	err    error
	closed error
	run    chan struct{}
	lasts  []bool // of the batches that it was polled for
}

func (s *oddSource) Poll(_ context.Context, b *measure.Batch) error {
	s.lasts = append(s.lasts, b.Last)
	for x, n := range s.energy {
		b.Uint(x, n)
	}
	return s.err
}

func (s *oddSource) Ready() error { return s.err }

func (s *oddSource) Close() error { return s.closed }

func (s *oddSource) Run(ctx context.Context) error {
	<-ctx.Done()
	close(s.run)
	return ctx.Err()
}

// A source that cannot list its meters is shown by what it tells; one that fails says why.
func TestPowerOfOddSources(t *testing.T) {
	series := func(metric string, kind measure.Kind, quality string) *measure.Series {
		return &measure.Series{
			Metric:   &measure.Metric{Name: metric, Unit: measure.Microjoule, Kind: kind},
			Resource: measure.Resource{Kind: "gpu", ID: "1"}, Attributes: []measure.Attribute{{Key: "domain", Value: "board"}, {Key: "quality", Value: quality}},
		}
	}
	gpu, model := series("gpu_energy", measure.Delta, "measured"), series("modelled_energy", measure.Delta, "estimated")
	synctest.Test(t, func(t *testing.T) {
		sources := []*energySource{
			{name: "one", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), energy: map[*measure.Series]uint64{
				gpu: 5, series("gpu_energy_low", measure.Delta, ""): 100, series("difference_energy", measure.Gauge, ""): 100,
			}}},
			{name: "two", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), err: errors.New("the bus is away; plug it in"),
				energy: map[*measure.Series]uint64{model: 7}}},
			{name: "three", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), err: errors.New("the bus is away; plug it in")}},
			{name: "four", energy: map[*measure.Series]uint64{}, opened: &oddSource{run: make(chan struct{}), closed: errors.New("it sticks")}},
			{name: "five", err: errors.New("open five: no luck")},
		}
		for _, s := range sources[:4] {
			s.source = s.opened.(plugin.Source)
		}
		report := &powerReport{passed: readEnergy(t.Context(), sources, 2*time.Second)}
		for _, s := range sources[:4] {
			select {
			case <-s.opened.(*oddSource).run:
			default:
				t.Errorf("%s still runs", s.name)
			}
		}
		for _, s := range sources {
			report.add(s)
		}
		want := []powerRow{
			{source: "one", meter: "-", domain: "board", resource: "gpu 1", state: "used", energy: 15, known: true}, // three polls
			{source: "two", meter: "-", domain: "board", resource: "gpu 1", state: "estimated", energy: 21, known: true},
			{source: "two", meter: "-", why: "the bus is away", remedy: "plug it in"},
			{source: "three", meter: "-", state: "silent", why: "the bus is away", remedy: "plug it in"},
			{source: "four", meter: "-", state: "silent", why: "it told of no meter"},
			{source: "five", meter: "-", state: "failed", why: "open five: no luck"},
		}
		if diff := cmp.Diff(want, report.rows, cmp.AllowUnexported(powerRow{})); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		if err := sources[3].close(); err == nil || err.Error() != "close four: it sticks" {
			t.Errorf("close: %v", err)
		}
		if err := sources[4].close(); err != nil {
			t.Errorf("close of what was not opened: %v", err)
		}
		for _, says := range []string{"two, the bus is away.\n", "    → plug it in.\n", "five, open five: no luck.\n"} {
			if !strings.Contains(report.String(), says) {
				t.Errorf("%q is not in\n%s", says, report)
			}
		}
	})
}

// A reading that is ended early tells of the time until then.
func TestPowerIsEndedEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &measure.Series{Metric: &measure.Metric{Name: "gpu_energy", Unit: measure.Microjoule, Kind: measure.Delta}}
		odd := &oddSource{run: make(chan struct{}), energy: map[*measure.Series]uint64{x: 1}}
		s := &energySource{energy: map[*measure.Series]uint64{}, opened: odd, source: odd}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3500*time.Millisecond, cancel)
		if passed := readEnergy(ctx, []*energySource{s}, time.Hour); passed != 3500*time.Millisecond || s.energy[x] != 5 {
			t.Errorf("read for %v, with %d polls, want 3.5 s and 5", passed, s.energy[x])
		}
		// What a source has held back belongs to the last reading.
		if diff := cmp.Diff([]bool{false, false, false, false, true}, odd.lasts); diff != "" {
			t.Errorf("which is the last (-want +got):\n%s", diff)
		}
	})
}

// The command works for anybody on any machine; what is wrong with a configuration is told.
func TestPowerCommand(t *testing.T) {
	f := func(wantStatus int, want string, args ...string) {
		t.Helper()
		cmd := program(t, append([]string{"power"}, args...)...)
		status, stdout, stderr := finish(t, cmd)
		if status != wantStatus || !strings.Contains(stdout+stderr, want) || (stderr != "") != (wantStatus != 0) {
			t.Errorf("%v: status %d, want %d; %q, %q, want %q in it", args, status, wantStatus, stdout, stderr, want)
		}
	}
	f(0, "\nestimate ", "--for", "10ms")
	f(2, "--for", "--for", "0s")
	f(2, `"all"`, "all")
	f(2, "absent.toml", "--config", "absent.toml")
	f(2, ":1: plugins.raql: unknown plugin", "--config", configFile(t, "[plugins.raql]\n"))
	f(0, "driver/nvidia/version is there", "--for", "10ms", "--config", func() string {
		proc := t.TempDir()
		writeFile(t, filepath.Join(proc, "driver/nvidia/version"), "1\n")
		return configFile(t, "[agent]\nprocfs_root = \""+proc+"\"\n[plugins.rapl]\n")
	}())
}
