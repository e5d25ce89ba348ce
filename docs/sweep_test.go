package docs_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var benchmarks = flag.String("results", "", "what benchmarks have printed, to be held against the documents")

// TestBenchSections holds the sections of docs/performance.md that come from benchmarks
// against what they printed: scripts/bench hands it over, and writes them anew.
func TestBenchSections(t *testing.T) {
	if *benchmarks == "" {
		t.Skip("needs the results of benchmarks: make bench hands them over")
	}
	text, err := os.ReadFile(*benchmarks)
	if err != nil {
		t.Fatal(err)
	}
	sections, err := benchSections(string(text))
	if err != nil {
		t.Fatalf("%s: %v", *benchmarks, err)
	}
	for name, section := range sections {
		checkSection(t, name, remedies()[name], section)
	}
}

// remedies say for each of these sections what writes it.
func remedies() map[string]string {
	return map[string]string{"sweep": "make bench", "sweep-v2": "make bench-v2", "birth": "make bench", "points": "make bench"}
}

// benchSections renders the sections for which there are results, all or none.
func benchSections(text string) (map[string]string, error) {
	parsed, err := parseResults(text)
	if err != nil {
		return nil, err
	}
	tree, err := parsed.tree()
	if err != nil {
		return nil, err
	}
	r := &reader{results: parsed}
	sections := make(map[string]string)
	switch tree {
	case "v1":
		sections["sweep"] = sweepSection(r, tree)
	case "v2":
		sections["sweep-v2"] = sweepSection(r, tree)
	default:
		return nil, fmt.Errorf("these are no real cgroups of one version, but a tree that is %q", tree)
	}
	if parsed.values[key("BenchmarkBirth", "ms/birth")] != nil {
		sections["birth"] = birthSection(r)
	}
	if parsed.values[key("BenchmarkScrape/openmetrics", "B/page")] != nil {
		sections["points"] = pointsSection(r)
	}
	return sections, r.err()
}

// sweepTitles are the heads of the columns; where the processor is emulated, times say
// nothing, and those columns are left out.
func sweepTitles(emulated bool) []string {
	titles := []string{
		"pods", "a sweep, times a bare `pread`", "containerd/cgroups, times a sweep",
		"allocations of a sweep", "of containerd/cgroups",
	}
	if !emulated {
		titles = append(titles, "µs a pod", "bare `pread`", "containerd/cgroups")
	}
	return titles
}

func sweepSection(r *reader, tree string) string {
	emulated := r.config["emulated"] != ""
	var b strings.Builder
	fmt.Fprintf(&b, "\nControl groups of version %s, %s.\n\n", strings.TrimPrefix(tree, "v"), machineText(r))
	titles := sweepTitles(emulated)
	fmt.Fprintf(&b, "| %s |\n|%s\n", strings.Join(titles, " | "), strings.Repeat(" --- |", len(titles)))
	for _, row := range []struct{ name, title string }{
		{"pods=10", "10"}, {"pods=110", "110"}, {"pods=250", "250"}, {"pods=1000", "1,000"}, {"containers-of=110", "110 and their 330 containers"},
	} {
		name := "BenchmarkSweep/tree=" + tree + "/" + row.name
		cells := []string{
			row.title,
			fmt.Sprintf("%.2f", r.median(name+"/ratio", "x-pread")),
			threeDigits(r.median(name+"/containerd", "x-podjoule")),
			grouped(int64(math.Ceil(r.median(name+"/podjoule", "allocs/op")))),
			grouped(int64(r.median(name+"/containerd", "allocs/op"))),
		}
		if !emulated {
			cells = append(cells, threeDigits(r.median(name+"/ratio", "ns/pod")/1e3), threeDigits(r.median(name+"/ratio", "ns/pod-pread")/1e3),
				threeDigits(r.median(name+"/containerd", "ns/pod-containerd")/1e3))
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | "))
	}
	fmt.Fprintf(&b, "\nA pod of 1,000 costs %.2f times what one of 110 costs; with a bare `pread`, %.2f times.\n\n",
		r.median("BenchmarkSweep/tree="+tree+"/pods=1000/growth", "x-110"), r.median("BenchmarkSweep/tree="+tree+"/pods=1000/growth-pread", "x-110"))
	return b.String()
}

// machineText says on what was measured.
func machineText(r *reader) string {
	processors := r.told("processors") + " processors, "
	if r.config["emulated"] != "" {
		processors += "emulated, of a guest with "
	} else {
		processors += r.told("cpu") + ", "
	}
	return fmt.Sprintf("%sLinux %s, %s", processors, r.told("kernel"), strings.Replace(r.told("go"), "go", "Go ", 1))
}

func birthSection(r *reader) string {
	return fmt.Sprintf("\n%s ms in the median, and %s ms in the slowest but one of a hundred, on this machine: %s.\n\n",
		threeDigits(r.median("BenchmarkBirth", "ms/birth")), threeDigits(r.median("BenchmarkBirth", "ms/birth-p99")), machineText(r))
}

// sweepResults are those of one run on a tree.
func sweepResults(tree string) string {
	var b strings.Builder
	b.WriteString("kernel: 6.1.0-30\ngo: go1.26.8\ngoos: linux\ncpu: AMD EPYC\n")
	for i, row := range []string{"pods=10", "pods=110", "pods=250", "pods=1000", "containers-of=110"} {
		name := "BenchmarkSweep/tree=" + tree + "/" + row
		fmt.Fprintf(&b, "%s/podjoule-2  500  2000000 ns/op  0 B/op  0 allocs/op\n", name)
		fmt.Fprintf(&b, "%s/ratio-2  300  %d ns/pod  17004 ns/pod-pread  1.%d04 x-pread\n", name, 18000+1000*i, i)
		fmt.Fprintf(&b, "%s/containerd-2  6  484779 ns/pod-containerd  16.93 x-podjoule  9 B/op  %d allocs/op\n", name, 3191*(i+1))
	}
	b.WriteString("BenchmarkSweep/tree=" + tree + "/pods=1000/growth-2  7  1.124 x-110\n")
	b.WriteString("BenchmarkSweep/tree=" + tree + "/pods=1000/growth-pread-2  7  1.106 x-110\n")
	return b.String()
}

func TestBenchSectionsOfResults(t *testing.T) {
	const birth = "BenchmarkBirth-2  300  1119589 ns/op  0.3128 ms/birth  1.531 ms/birth-p99\n"
	const v1 = `
Control groups of version 1, 2 processors, AMD EPYC, Linux 6.1.0-30, Go 1.26.8.

| pods | a sweep, times a bare ` + "`pread`" + ` | containerd/cgroups, times a sweep | allocations of a sweep | of containerd/cgroups | µs a pod | bare ` + "`pread`" + ` | containerd/cgroups |
| --- | --- | --- | --- | --- | --- | --- | --- |
| 10 | 1.00 | 16.9 | 0 | 3,191 | 18.0 | 17.0 | 485 |
| 110 | 1.10 | 16.9 | 0 | 6,382 | 19.0 | 17.0 | 485 |
| 250 | 1.20 | 16.9 | 0 | 9,573 | 20.0 | 17.0 | 485 |
| 1,000 | 1.30 | 16.9 | 0 | 12,764 | 21.0 | 17.0 | 485 |
| 110 and their 330 containers | 1.40 | 16.9 | 0 | 15,955 | 22.0 | 17.0 | 485 |

A pod of 1,000 costs 1.12 times what one of 110 costs; with a bare ` + "`pread`" + `, 1.11 times.

`
	const emulated = `
Control groups of version 2, 2 processors, emulated, of a guest with Linux 6.1.0-30, Go 1.26.8.

| pods | a sweep, times a bare ` + "`pread`" + ` | containerd/cgroups, times a sweep | allocations of a sweep | of containerd/cgroups |
| --- | --- | --- | --- | --- |
| 10 | 1.00 | 16.9 | 0 | 3,191 |
| 110 | 1.10 | 16.9 | 0 | 6,382 |
| 250 | 1.20 | 16.9 | 0 | 9,573 |
| 1,000 | 1.30 | 16.9 | 0 | 12,764 |
| 110 and their 330 containers | 1.40 | 16.9 | 0 | 15,955 |

A pod of 1,000 costs 1.12 times what one of 110 costs; with a bare ` + "`pread`" + `, 1.11 times.

`
	tests := []struct {
		name, text string
		want       map[string]string
		fault      string
	}{
		{"version 1", sweepResults("v1"), map[string]string{"sweep": v1}, ""},
		{"a birth", sweepResults("v1") + birth, map[string]string{"sweep": v1, "birth": "\n0.31 ms in the median, and 1.53 ms in the slowest but one of a hundred, " +
			"on this machine: 2 processors, AMD EPYC, Linux 6.1.0-30, Go 1.26.8.\n\n"}, ""},
		{"version 2, emulated", "emulated: yes\n" + sweepResults("v2"), map[string]string{"sweep-v2": emulated}, ""},
		{"of both versions", sweepResults("hybrid"), nil, `a tree that is "hybrid"`},
		{"no real cgroups", sweepResults("plain"), nil, `a tree that is "plain"`},
		{"no sweep", birth, nil, "no sweep was measured"},
		{"one size alone", strings.ReplaceAll(sweepResults("v1"), "pods=250", "pods=251"), nil, "lack: BenchmarkSweep/tree=v1/pods=250/ratio x-pread"},
		{"no word of the kernel", strings.TrimPrefix(sweepResults("v1"), "kernel: 6.1.0-30\n"), nil, "lack: kernel"},
		{"nothing", "", nil, "no benchmark has run"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := benchSections(tt.text)
			if tt.fault != "" {
				if err == nil || !strings.Contains(err.Error(), tt.fault) {
					t.Fatalf("got error %v, want one with %q", err, tt.fault)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestBenchSectionsAreWhole holds the tables in the document against the titles that they
// would have now: what they say is from another time, but it has to be all.
func TestBenchSectionsAreWhole(t *testing.T) {
	text, err := os.ReadFile(performance)
	if err != nil {
		t.Fatal(err)
	}
	for name, remedy := range remedies() {
		_, section, _, err := cutSection(string(text), name)
		if err != nil {
			t.Errorf("%s: %v", performance, err)
			continue
		}
		want := []string{" ms in the median"}
		if strings.HasPrefix(name, "sweep") {
			titles := sweepTitles(strings.Contains(section, "emulated"))
			want = []string{"| " + strings.Join(titles, " | ") + " |\n", "\n| 10 |", "\n| 110 |", "\n| 250 |", "\n| 1,000 |", "times what one of 110 costs"}
		}
		if name == "points" {
			want = pointsTitles()
		}
		for _, part := range want {
			if !strings.Contains(section, part) {
				t.Errorf("section %s of %s lacks %q; write it with: %s", name, performance, part, remedy)
			}
		}
	}
}
