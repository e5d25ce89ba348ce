package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent"
	"github.com/podjoule/podjoule/agent/plugin"
	"github.com/podjoule/podjoule/agent/plugin/plugintest"
	"github.com/podjoule/podjoule/plugins/csv"
	"github.com/podjoule/podjoule/plugins/estimate"
	"github.com/podjoule/podjoule/plugins/hwmon"
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
		chips []simnode.HwmonChip
		spoil func(t *testing.T)
		file  string // the configuration's name, with the tables of plugins
		has   []string
		long  time.Duration
	}{
		{name: "laptop", zones: simnode.IntelClient()},
		{name: "server-with-a-power-meter", zones: simnode.AMDServer(), chips: append(simnode.ACPIMeter(false), simnode.OtherSensors()...)},
		{name: "dies", zones: simnode.MultiDie(), long: 2500 * time.Millisecond},
		{name: "virtual-machine"},
		{name: "unknown-cpu", spoil: func(t *testing.T) { remove(t, "proc/cpuinfo"); remove(t, "sys/class/powercap") }},
		{name: "no-permission", zones: simnode.TwoSocketServer(), spoil: func(t *testing.T) {
			chmod(t, 0, "sys/devices/virtual/powercap/intel-rapl/intel-rapl:*/energy_uj")
			chmod(t, 0, "sys/devices/virtual/powercap/intel-rapl/intel-rapl:*/intel-rapl:*/energy_uj")
			plugintest.WithoutRights(t)
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
			if tt.chips != nil {
				chips, err := simnode.NewHwmon("sys", tt.chips...)
				if err != nil {
					t.Fatal(err)
				}
				defer chips.Close()
			}
			if tt.zones == nil {
				remove(t, "sys/class/powercap")
			}
			if tt.long == 0 {
				tt.long = time.Second
			}
			cfg := &agent.Config{Agent: agent.DefaultSettings()}
			cfg.Agent.SysfsRoot, cfg.Agent.ProcfsRoot = "sys", "proc"
			plugins := []plugin.Plugin{k8s.Plugin(), rapl.Plugin(), hwmon.Plugin(), estimate.Plugin(), csv.Plugin()}
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

// The command works for anybody on any machine; what is wrong with a configuration is told.
func TestPowerCommand(t *testing.T) {
	f := func(wantStatus int, want string, args ...string) {
		t.Helper()
		cmd := program(t, append([]string{"power"}, args...)...)
		status, stdout, stderr := finish(t, cmd)
		said := strings.Join(strings.Fields(stdout+stderr), " ") // wherever its lines end
		if status != wantStatus || !strings.Contains(said, want) || (stderr != "") != (wantStatus != 0) {
			t.Errorf("%v: status %d, want %d; %q, %q, want %q in it", args, status, wantStatus, stdout, stderr, want)
		}
	}
	f(0, " estimate model ", "--for", "10ms")
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
