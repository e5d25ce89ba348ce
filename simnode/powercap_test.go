package simnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// energyOf reads what a path shows of a zone's energy.
func energyOf(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path, "energy_uj"))
	must(t, err)
	return strings.TrimLeft(strings.TrimSpace(string(text)), "0")
}

func TestPowercap(t *testing.T) {
	sysfs := t.TempDir()
	p, err := NewPowercap(sysfs, append(TwoSocketServer(), PowercapZone{Folder: "intel-rapl-mmio:0", Name: "x", Range: 100, Start: 90})...)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	must(t, p.Spend("intel-rapl:1:0", 7))
	for _, path := range []string{"class/powercap/intel-rapl:1:0", "class/powercap/intel-rapl/intel-rapl:1/intel-rapl:1:0"} {
		if got := energyOf(t, filepath.Join(sysfs, path)); got != "7" {
			t.Errorf("%s shows %q, want 7", path, got)
		}
	}
	// It goes on at 0, any number of times.
	must(t, p.Spend("intel-rapl-mmio:0", 9))
	must(t, p.Spend("intel-rapl-mmio:0", 204))
	if got, spent := energyOf(t, p.Path("intel-rapl-mmio:0")), p.Spent("intel-rapl-mmio:0"); got != "3" || spent != 213 {
		t.Errorf("shows %q after %d, want 3 after 213", got, spent)
	}
	must(t, p.Reset("intel-rapl-mmio:0", 5))
	if got, spent := energyOf(t, p.Path("intel-rapl-mmio:0")), p.Spent("intel-rapl-mmio:0"); got != "5" || spent != 213 {
		t.Errorf("shows %q after %d, want 5 after 213", got, spent)
	}
	if p.Spend("intel-rapl:9", 1) == nil || p.Reset("intel-rapl:9", 1) == nil || p.Spent("intel-rapl:9") != 0 {
		t.Error("a zone that is not there consumes")
	}
}

func TestPowercapThatCannotBe(t *testing.T) {
	for name, zones := range map[string][]PowercapZone{
		"no zone":      {{Folder: "intel-rapl", Name: "package-0", Range: 1}},
		"no range":     {{Folder: "intel-rapl:0", Name: "package-0"}},
		"start beyond": {{Folder: "intel-rapl:0", Name: "package-0", Range: 1, Start: 2}},
		"twice":        append(TwoSocketServer(), TwoSocketServer()...),
	} {
		if _, err := NewPowercap(t.TempDir(), zones...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Every layout is one that can be made.
func TestPowercapLayouts(t *testing.T) {
	for _, zones := range [][]PowercapZone{IntelClient(), TwoSocketServer(), AMDServer(), MultiDie()} {
		p, err := NewPowercap(t.TempDir(), zones...)
		must(t, err)
		for _, z := range zones {
			if got := energyOf(t, p.Path(z.Folder)); got != "" {
				t.Errorf("%s shows %q at first, want zeros", z.Folder, got)
			}
		}
		must(t, p.Close())
	}
}
