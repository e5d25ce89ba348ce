package main_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestBenchLimits shows the check of make bench results that are within and
// beyond its limits, and such that lack something.
func TestBenchLimits(t *testing.T) {
	program, err := os.ReadFile("scripts/bench.awk") // read here, go test sees when it changes
	if err != nil {
		t.Fatal(err)
	}
	const sweep = "BenchmarkSweep/tree=v1/pods="
	good := []string{
		"goos: linux",
		sweep + "110/podjoule-2    500  2000000 ns/op  0 B/op  0 allocs/op",
		sweep + "110/ratio-2       300  18100 ns/pod  17000 ns/pod-pread  1.290 x-pread",
		sweep + "110/containerd-2  20  480000 ns/pod-containerd  16.9 x-podjoule  9 B/op  35093 allocs/op",
		"PASS",
		"BenchmarkPoll/poll-16      500  2000000 ns/op  16 B/op  0 allocs/op",
		"BenchmarkPoll/ratio        300  1.130 x-pread",
		"BenchmarkTick10ms/sources-2     100  10000000 ns/op  99.1 %-held  9 B/op  0 allocs/op",
		"BenchmarkTick10ms/prometheus-2  100  10000000 ns/op  99.1 %-held  9 B/op  0 allocs/op",
		"BenchmarkPoints/otlp=delta-2       9000  150.1 B/point  20.1 B/point-packed  31.1 ns/point  400 ns/point-packed",
		"BenchmarkPoints/otlp=cumulative-2  9000  150.1 B/point  20.1 B/point-packed  999.9 ns/point  400 ns/point-packed",
		"BenchmarkScrape/openmetrics-2  9000  300000 ns/op  299999 B/page  40000 B/scrape  0.999 cpu-ms/scrape",
		"BenchmarkScrape/text-2         9000  300000 ns/op  250000 B/page  40000 B/scrape  0.3 cpu-ms/scrape",
	}
	const (
		within = "the benchmarks are within their limits\n"
		last   = "sweep/floor at 110 pods: 1.29\n"
		slow   = sweep + "110/ratio-2  300  29000 ns/pod  17000 ns/pod-pread  1.310 x-pread"
		growth = sweep + "1000/growth-2  20  1.124 x-110"
	)
	without := func(name string) []string {
		var lines []string
		for _, line := range good {
			if !strings.HasPrefix(line, name) {
				lines = append(lines, line)
			}
		}
		return lines
	}
	with := func(lines ...string) []string { return append(without("no line"), lines...) }
	tests := []struct {
		name  string
		lines []string
		arg   string
		fault string // "": within the limits
		last  string // what it prints, and before it that all is within the limits
		free  bool   // ratios have no limit
	}{
		{"within", good, "", "", last, false},
		{"on another tree", []string{
			"BenchmarkSweep/tree=v2/pods=110/podjoule-2  500  2000000 ns/op  0 B/op  0 allocs/op",
			"BenchmarkSweep/tree=v2/pods=110/ratio-2     300  1.005 x-pread", strings.Replace(growth, "v1", "v2", 1),
		}, "sweep=1", "", "sweep/floor at 110 pods: 1.00\n", false},
		{"one slow run of three", with(slow, sweep+"110/ratio-2  300  1.100 x-pread"), "", "", last, false},
		{"two slow runs of three", with(slow, slow), "",
			"bench: BenchmarkSweep/pods=110/ratio: a sweep costs 1.31 times a bare pread of the same files; the limit is 1.3", "sweep/floor at 110 pods: 1.31\n", false},
		{"two runs", with(sweep + "110/ratio-2  300  1.270 x-pread"), "", "", "sweep/floor at 110 pods: 1.28\n", false},
		{"in order of their values", with(sweep+"110/ratio-2  3  9.1 x-pread", sweep+"110/ratio-2  3  10.2 x-pread", sweep+"110/ratio-2  3  1.2 x-pread",
			sweep+"110/ratio-2  3  1.21 x-pread"), "", "", last, false},
		{"a slow tick", append(without("BenchmarkPoll/ratio"), "BenchmarkPoll/ratio-2  300  1.400 x-pread"), "",
			"bench: BenchmarkPoll/ratio: a sweep costs 1.4 times a bare pread of the same files; the limit is 1.3", last, false},
		{"another number of pods is slow", with(sweep + "10/ratio-2  300  1.400 x-pread"), "", "", last, false},
		{"one run of several allocates", with("BenchmarkPoll/poll-16  500  2000000 ns/op  16 B/op  2 allocs/op"), "",
			"bench: BenchmarkPoll/poll: 2 allocations a sweep; the limit is 0", last, false},
		{"another number of pods allocates", with(sweep + "250/podjoule-16  500  2000000 ns/op  16 B/op  1 allocs/op"), "",
			"bench: BenchmarkSweep/pods=250/podjoule: 1 allocations a sweep; the limit is 0", last, false},
		{"no ratio", without("BenchmarkPoll/ratio"), "", "bench: BenchmarkPoll/ratio reported no x-pread: did it run?", last, false},
		{"no sweep", without(sweep + "110/ratio"), "", "bench: BenchmarkSweep/pods=110/ratio reported no x-pread: did it run?", "", false},
		{"no allocations told", append(without(sweep+"110/podjoule"), sweep+"110/podjoule-2  500  2000000 ns/op"), "",
			"bench: BenchmarkSweep/pods=110/podjoule reported no allocs/op: did it run?", last, false},
		{"one run of the agent does something else", with("BenchmarkTick10ms/sources-2  30  10000000 ns/op  99.1 %-held  900 B/op  3 allocs/op"), "", "", last, false},
		{"every tick of the agent allocates", append(without("BenchmarkTick10ms/prometheus"), "BenchmarkTick10ms/prometheus-2  30  10000000 ns/op  99.1 %-held  900 B/op  3 allocs/op"), "",
			"bench: BenchmarkTick10ms/prometheus: 3 allocations a tick; the limit is 0", last, false},
		{"no ticks of the agent", without("BenchmarkTick10ms/sources"), "", "bench: BenchmarkTick10ms/sources reported no allocs/op: did it run?", last, false},
		{"a quick birth", with("BenchmarkBirth-2  300  1119589 ns/op  0.3128 ms/birth  99.9 ms/birth-p99"), "", "", last, false},
		{"a slow birth", with("BenchmarkBirth-2  300  1119589 ns/op  0.3128 ms/birth  100.5 ms/birth-p99"), "",
			"bench: from a birth to its baseline: 100.5 ms; the limit is 100 ms", last, false},
		{"one slow run of points", with("BenchmarkPoints/otlp=delta-2  9000  1500.1 ns/point"), "", "", last, false},
		{"slow points", append(without("BenchmarkPoints/otlp=cumulative"), "BenchmarkPoints/otlp=cumulative-2  9000  1001 ns/point"), "",
			"bench: BenchmarkPoints/otlp=cumulative: 1001 ns/point; the limit is 1000", last, false},
		{"no points", without("BenchmarkPoints/otlp=delta"), "", "bench: BenchmarkPoints/otlp=delta reported no ns/point: did it run?", last, false},
		{"a slow scrape", append(without("BenchmarkScrape/text"), "BenchmarkScrape/text-2  9  250000 B/page  1.01 cpu-ms/scrape"), "",
			"bench: BenchmarkScrape/text: 1.01 cpu-ms/scrape; the limit is 1", last, false},
		{"a large page", append(without("BenchmarkScrape/openmetrics"), "BenchmarkScrape/openmetrics-2  9  300001 B/page  0.3 cpu-ms/scrape"), "",
			"bench: BenchmarkScrape/openmetrics: 300001 B/page; the limit is 300000", last, false},
		{"no scrape", without("BenchmarkScrape/text"), "", "bench: BenchmarkScrape/text reported no cpu-ms/scrape: did it run?", last, false},
		{"all sizes", with(growth), "full=1", "", last, false},
		{"one run in which the largest costs no more", with(strings.Replace(growth, "1.124", "1.400", 1), growth, strings.Replace(growth, "1.124", "1.310", 1)),
			"full=1", "", last, false},
		{"all sizes but the largest", good, "full=1", "bench: BenchmarkSweep/pods=1000/growth reported no x-110: did it run?", last, false},
		{"the largest costs more", with(strings.Replace(growth, "1.124", "1.300", 1)), "full=1",
			"bench: BenchmarkSweep/pods=1000/growth: a pod of 1,000 costs 1.3 times one of 110; the limit is 1.3", last, false},
		{"plain files", []string{
			"BenchmarkSweep/tree=plain/pods=110/podjoule-2  500  2000000 ns/op  0 B/op  0 allocs/op",
			"BenchmarkSweep/tree=plain/pods=110/ratio-2     300  2.1 x-pread", strings.NewReplacer("v1", "plain", "1.124", "1.5").Replace(growth),
		}, "sweep=1 full=1", "", "sweep/floor at 110 pods: 2.10\n", true},
		{"plain files, and an allocation", []string{
			"BenchmarkSweep/tree=plain/pods=110/podjoule-2  500  2000000 ns/op  9 B/op  1 allocs/op",
			"BenchmarkSweep/tree=plain/pods=110/ratio-2     300  2.1 x-pread",
		}, "sweep=1", "1 allocations a sweep", "sweep/floor at 110 pods: 2.10\n", true},
		{"emulated", append([]string{"emulated: yes"}, with(slow, slow)...), "", "", "sweep/floor at 110 pods: 1.31\n", true},
		{"not emulated", append([]string{"emulated: "}, with(slow, slow)...), "", "the limit is 1.3", "sweep/floor at 110 pods: 1.31\n", false},
		{"nothing ran", []string{"PASS"}, "", "did it run?", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			args := []string{string(program)}
			for _, set := range strings.Fields(tt.arg) {
				args = append([]string{"-v", set}, args...)
			}
			cmd := exec.CommandContext(t.Context(), "awk", args...)
			cmd.Stdin = strings.NewReader(strings.Join(tt.lines, "\n") + "\n")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if (err == nil) != (tt.fault == "") || !strings.Contains(stderr.String(), tt.fault) {
				t.Errorf("got %v and %q, want %q", err, stderr.String(), tt.fault)
			}
			want := tt.last
			if tt.fault == "" {
				want = within + want
			}
			if !strings.HasSuffix(string(out), want) || strings.Contains(string(out), within) != (tt.fault == "") {
				t.Errorf("it printed %q, want %q at its end", out, want)
			}
			if free := strings.Contains(string(out), "they have no limit"); free != tt.free {
				t.Errorf("it printed %q: ratios without a limit: %v, want %v", out, free, tt.free)
			}
		})
	}
}
