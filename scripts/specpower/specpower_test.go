package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const header = ",Benchmark,CPU Description,avg. watts @ 100%,avg. watts @ active idle,# Cores,# Threads Per Core,Total Threads\n"

// result is a row of results.csv.
func result(cpu string, full, idle, cores, perCore, threads any) string {
	return fmt.Sprintf("1,power_ssj2008,%q,%v,%v,%v,%v,%v\n", cpu, full, idle, cores, perCore, threads)
}

// inputOf returns an input with the given rows, and lists of one name that fits nothing
// but for those that are given.
func inputOf(rows string, lists map[string]string) fstest.MapFS {
	input := fstest.MapFS{"results.csv": {Data: []byte(header + rows)}}
	for _, s := range sources() {
		names, given := lists[s.file]
		if !given {
			names = "no such CPU\n"
		}
		input["families/"+s.file+".csv"] = &fstest.MapFile{Data: []byte(names)}
	}
	return input
}

// A result is used only where its numbers can be true. The peer's table has 62 W for each
// thread from a server of which one core is counted.
func TestResultsWithinBounds(t *testing.T) {
	tests := []struct {
		name string
		row  string
		left string // "": it is used
	}{
		{"plausible", result("Intel Xeon", 400.0, 100.0, 50, 2, 100), ""},
		{"just below the bound", result("Intel Xeon", 14.9, 1, 1, 1, 1), ""},
		{"at the bound", result("Intel Xeon", 15, 1, 1, 1, 1), "15 W or more for each thread"},
		{"too few threads", result("Intel Xeon", 125, 35.4, 1, 2, 2), "15 W or more for each thread"},
		{"twice the threads", result("Intel Xeon", 785, 198, 64, 2, 256), "the numbers of cores and threads contradict each other"},
		{"idle is full", result("Intel Xeon", 100, 100, 50, 2, 100), "idle takes no less than full load"},
		{"idle is 0", result("Intel Xeon", 100, 0, 50, 2, 100), "a number is missing or not above 0"},
		{"no threads", result("Intel Xeon", 100, 50, 50, 2, 0), "a number is missing or not above 0"},
		{"negative", result("Intel Xeon", 100, -50, 50, 2, 100), "a number is missing or not above 0"},
		{"no number", result("Intel Xeon", "NaN", 50, 50, 2, 100), "a number is missing or not above 0"},
		{"infinite", result("Intel Xeon", "+Inf", 50, 50, 2, 100), "a number is missing or not above 0"},
		{"empty", result("Intel Xeon", "", 50, 50, 2, 100), "a number is missing or not above 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, err := readResults(inputOf(tt.row, nil), "results.csv")
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]int{}
			if tt.left != "" {
				want[tt.left] = 1
			}
			if diff := cmp.Diff(want, all.left); diff != "" || all.rows != 1 || len(all.machines)+len(all.left) != 1 {
				t.Errorf("%d rows, %d machines; left out -want +got\n%s", all.rows, len(all.machines), diff)
			}
		})
	}
}

// Names are compared word by word. The peers' patterns take "654" for an EPYC 9654, a blank
// line for every CPU, and "8480+" for no CPU.
func TestFamilyOf(t *testing.T) {
	families, err := readFamilies(inputOf("", map[string]string{
		"amd-epyc-gen1":        "EPYC 7601\r\nEPYC 7601, Dell SKU [338-BNCG]\r\n",
		"amd-epyc-gen4":        "EPYC 8124P\nEPYC 9654\nEPYC 9654P\n",
		"amd-epyc-gen5":        "EPYC 9965\n\n\n  \n\r\n",
		"amd-neoverse-n1":      "M128-30\nQ80-30\n",
		"intel-graniterapids":  "634\n654\n6787P\n",
		"intel-haswell":        "E3-1265L v3\n",
		"intel-ivybridge":      "E3-1265L v2\nE5-2660 v2\n",
		"intel-sandybridge":    "E3-1230\nE5-2660\n",
		"intel-sapphirerapids": "Platinum 8480+\nPlatinum 8490H\n",
		"intel-skylake":        "Platinum 8176M\nE3-1240L v5\n",
		"intel-skylake-client": "E3-1240L v5\n",
		"intel-skylake-server": "8124\n8176M\n6344\n",
	}), "families")
	if err != nil {
		t.Fatal(err)
	}
	f := func(cpu, want string) {
		t.Helper()
		if got := familyOf(words(cpu), families); got != want {
			t.Errorf("%s: %q, want %q", cpu, got, want)
		}
	}
	f("AMD EPYC 7601", "amd-epyc-gen1")
	f("AMD EPYC 7601 Dell SKU [338-BNCG]", "amd-epyc-gen1")
	f("AMD EPYC 9654", "amd-epyc-gen4")
	f("AMD EPYC 9654P", "amd-epyc-gen4")
	f("AMD EPYC 9965,", "amd-epyc-gen5")
	f("AMD EPYC 8124P", "amd-epyc-gen4") // 8124 is a Skylake
	f("AMD Opteron 6344", "")
	f("AMD Opteron 8124", "")
	f("Intel Xeon 6787P Processor", "intel-graniterapids")
	f("Intel(R) Xeon(R) 6787P,", "intel-graniterapids")
	f("Intel Xeon Platinum 8480+", "intel-sapphirerapids")
	f("Intel Xeon Platinum 84800", "")
	f("Intel Xeon Platinum 8480", "")
	f("Intel Xeon Platinum 8176M", "intel-skylake-server")
	f("Intel Xeon E3-1240L v5", "intel-skylake-client")
	f("Intel Xeon E3-1230", "intel-sandybridge")
	f("Intel Xeon E3-1230 v6", "")
	f("Intel Xeon E5-2660 v2", "intel-ivybridge")
	f("Intel Xeon E5-2660V2", "intel-ivybridge")
	f("Intel Xeon E5-2660", "intel-sandybridge")
	f("Intel Xeon E3-1265LV2", "intel-ivybridge")
	f("Intel Xeon E3-1265Lv3", "intel-haswell")
	f("Ampere® Altra® Q80-30", "arm-neoverse-n1")
	f("Ampere Altra Max 64-Bit Multi-Core Processor M128-30", "arm-neoverse-n1")
	f("AMD EPYC 9754,", "amd-epyc-gen4c")
	f("Intel Xeon(R) 6780E,", "intel-sierraforest")
	f("Intel Xeon Platinum 8380HL", "intel-cooperlake")
	f("Intel Xeon", "")
	f("", "")
}

func TestFamiliesThatCannotBeRead(t *testing.T) {
	tests := []struct {
		name   string
		change func(fstest.MapFS)
		want   string
	}{
		{"a list is missing", func(in fstest.MapFS) { delete(in, "families/intel-haswell.csv") }, "intel-haswell.csv"},
		{"a list is new", func(in fstest.MapFS) { in["families/riscv-u74.csv"] = &fstest.MapFile{} }, "riscv-u74.csv is a list that is not known"},
		{"a list is blank", func(in fstest.MapFS) { in["families/intel-haswell.csv"].Data = []byte("\n\n") }, "intel-haswell.csv names no CPU"},
		{"no results", func(in fstest.MapFS) { delete(in, "results.csv") }, "results.csv"},
		{"empty results", func(in fstest.MapFS) { in["results.csv"].Data = nil }, "read the header of results.csv"},
		{"no column", func(in fstest.MapFS) { in["results.csv"].Data = []byte("a,b\n") }, `results.csv has no column "CPU Description"`},
		{"a short row", func(in fstest.MapFS) { in["results.csv"].Data = []byte(header + "1,2\n") }, "read results.csv"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			input := inputOf("", nil)
			tt.change(input)
			if _, err := derive(input, time.Now(), io.Discard); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSpread(t *testing.T) {
	f := func(want spread, watts ...float64) {
		t.Helper()
		if got := spreadOf(watts); got != want {
			t.Errorf("%v: %v, want %v", watts, got, want)
		}
	}
	f(spread{1000, 1000, 1000, 1000}, 1)
	f(spread{1100, 1500, 1900, 1500}, 2, 1)
	f(spread{1000, 5000, 9000, 5000}, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
	f(spread{1, 1, 2, 1}, 0.0014, 0.0006, 0.0016)
}

// The table of a small input, as a whole; and what was left out is said.
func TestTable(t *testing.T) {
	input := inputOf(
		result("AMD EPYC 9965", 100, 20, 50, 2, 100)+
			result("AMD EPYC 9965", 110, 25, 50, 2, 100)+
			result("AMD EPYC 9965", 150, 30, 50, 2, 100)+
			result("AMD EPYC 9965", 9000, 30, 50, 2, 100)+ // beyond the bounds
			result("Intel Xeon E5-2660", 800, 150, 50, 2, 100)+
			result("Intel Xeon E5-2660", 700, 160, 50, 2, 100)+ // two are not enough
			result("Intel Pentium", 100, 10, 50, 2, 100),
		map[string]string{"amd-epyc-gen5": "EPYC 9965\n\n", "intel-sandybridge": "E5-2660\n"})
	var says bytes.Buffer
	text, err := derive(input, time.Date(2026, 3, 9, 0, 0, 0, 0, time.UTC), &says)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"const tableVersion = \"20260309-",
		"7 results of SPECpower_ssj2008",
		"{\"amd-epyc-gen5\", 3, spread{210, 250, 290, 250}, spread{1020, 1100, 1420, 1200}, spread{810, 850, 1130, 950}},\n" +
			"\t\t{\"unknown\", 3, spread{210, 250, 290, 250}, spread{1020, 1100, 1420, 1200}, spread{810, 850, 1130, 950}},\n\t}\n",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	want := "   1 of 7 results are left out: 15 W or more for each thread\n   1 of 7 results are of no family: intel pentium\n"
	if diff := cmp.Diff(want, says.String()); diff != "" {
		t.Errorf("said -want +got\n%s", diff)
	}
}

func TestRun(t *testing.T) {
	folder := t.TempDir()
	rows := strings.Repeat(result("AMD EPYC 9754", 100, 20, 50, 2, 100), 3)
	if err := os.CopyFS(folder, inputOf(rows, nil)); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "table.go")
	f := func(want string, args ...string) {
		t.Helper()
		err := run(append(args, "-out", out, folder), io.Discard)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
	f("-date: want the date of the input")
	f("-date: want the date of the input", "-date", "yesterday")
	f("no such file", "-date", "2026-03-09", "-check")
	f("", "-date", "2026-03-09")
	f("", "-date", "2026-03-09", "-check")
	f("is not what", "-date", "2026-03-10", "-check")
	if err := os.WriteFile(filepath.Join(folder, "families", "amd-epyc-gen1.csv"), []byte("another CPU\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f("is not what", "-date", "2026-03-09", "-check") // the hash of the input is another one
	if err := run([]string{"-date", "2026-03-09"}, io.Discard); err == nil {
		t.Error("no folder is no error")
	}
}

// inputFolder is the variable that names the folder with the published input, which is no
// part of this repository, and inputDate that with its date.
const inputFolder, inputDate = "PODJOULE_SPECPOWER", "2026-03-09"

// The table in the repository is the one that the published input gives.
func TestTableIsFresh(t *testing.T) {
	folder := os.Getenv(inputFolder)
	if folder == "" {
		t.Skip("the published results are no part of this repository: name their folder in " + inputFolder)
	}
	err := run([]string{"-date", inputDate, "-check", "-out", "../../plugins/estimate/table.go", folder}, io.Discard)
	if err != nil {
		t.Error(err)
	}
}

func FuzzFamilyOf(f *testing.F) {
	families, err := readFamilies(inputOf("", map[string]string{"intel-haswell": "E3-1265L v3\n654\n"}), "families")
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{"", "Intel Xeon E3-1265LV3", "(R)®", "E3-0000v2v3", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cpu string) {
		got := familyOf(words(cpu), families)
		if got != "" && len(words(cpu)) == 0 {
			t.Errorf("%q without a word is %s", cpu, got)
		}
		if again := familyOf(words(strings.ToUpper(strings.ToLower(cpu))), families); got != "" && got != again && isASCII(cpu) {
			t.Errorf("%q is %s, and %s in capitals", cpu, got, again)
		}
	})
}

func isASCII(s string) bool { return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 }) }
