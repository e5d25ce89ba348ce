package rapl

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/podjoule/podjoule/agent/measure"
)

// A29, K12: names with dies, and names that nobody knows.
func TestPlaceOf(t *testing.T) {
	f := func(chain, resource, domain string, die int) {
		t.Helper()
		p, m, dies := placeOf(strings.Split(chain, "/"))
		if !dies {
			m = math.MaxUint64
		}
		if got := strings.TrimSpace(p.resource.Kind + " " + p.resource.ID); got != resource || p.domain != domain || int(m) != die {
			t.Errorf("%s: %s of %s, die %d; want %s of %s, die %d", chain, p.domain, got, int(m), domain, resource, die)
		}
	}
	const none = -1
	f("package-0", "cpu_package 0", "package", none)
	f("package-12", "cpu_package 12", "package", none)
	f("package-0-die-1", "cpu_package 0", "package", 1)
	f("package-0-die-1/core", "cpu_package 0", "core", 1)
	f("package-3-die-0/dram", "dram 3", "dram", 0)
	f("package-1/uncore", "cpu_package 1", "uncore", none)
	f("package-1/dram", "dram 1", "dram", none)
	f("psys", "local_machine", "platform", none)
	f("psys-1", "local_machine", "psys-1", none)
	f("dram", "local_machine", "dram", none)
	f("npu", "local_machine", "npu", none)
	f("package-1/npu", "cpu_package 1", "npu", none)
	// What only looks like a known one is kept apart from it.
	f("package-", "local_machine", "package-", none)
	f("package-01", "local_machine", "package-01", none)
	f("package-0-die-", "local_machine", "package-0-die-", none)
	f("package-0-die-x", "local_machine", "package-0-die-x", none)
	f("package--1", "local_machine", "package--1", none)
	f("package-99999999999", "local_machine", "package-99999999999", none)
	f("package", "local_machine", "zone/package", none)
	f("platform", "local_machine", "zone/platform", none)
	f("package-0/platform", "cpu_package 0", "package-0/platform", none)
	f("package-0/core/core", "cpu_package 0", "package-0/core/core", none)
	f("a/b", "local_machine", "zone/a/b", none)
}

func FuzzPlaceOf(f *testing.F) {
	for _, seed := range []string{"package-0-die-1\n", "psys", "\xff\n\n", "", "package-0/platform", "a\x00b"} {
		f.Add([]byte(seed), []byte("package-1"))
	}
	f.Fuzz(func(t *testing.T, own, above []byte) {
		names := []string{cleanName(above, "intel-rapl:0"), cleanName(own, "intel-rapl:0:0")}
		for _, chain := range [][]string{names, names[:1]} {
			for _, name := range chain {
				if name == "" || !utf8.ValidString(name) || strings.ContainsAny(name, "/\n\x00") {
					t.Fatalf("%q is no name", name)
				}
			}
			p, die, dies := placeOf(chain)
			if p.domain == "" || !slices.Contains([]string{measure.LocalMachine, kindPackage, kindDRAM}, p.resource.Kind) {
				t.Fatalf("%q: %+v", chain, p)
			}
			socket, has, _, ok := parsePackage(chain[0])
			if p.domain == domainPackage && !ok && len(chain) == 1 || p.domain == domainPlatform && chain[0] != "psys" {
				t.Errorf("%q is taken for %s", chain, p.domain)
			}
			if text := fmt.Sprintf("package-%d-die-%d", socket, has); len(chain) == 1 && dies && (text != chain[0] || die != has) {
				t.Errorf("%q has die %d of %d", chain, die, socket)
			}
		}
	})
}

func TestFoldersAreInOrder(t *testing.T) {
	want := []string{
		"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:0:2", "intel-rapl:0:a", "intel-rapl:0:10",
		"intel-rapl:2", "intel-rapl:a", "intel-rapl:10", "intel-rapl-mmio:0", "intel-rapl-mmio:0:0",
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, byFolder)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
