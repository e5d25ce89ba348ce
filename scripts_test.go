package main_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestBenchLimits shows the check of make bench results that are within and
// beyond its limits, and such that lack something.
func TestBenchLimits(t *testing.T) {
	good := []string{
		"goos: linux",
		"BenchmarkSweep/podjoule-2  500  2000000 ns/op  0 B/op  0 allocs/op",
		"BenchmarkSweep/pread-2     500  1800000 ns/op  0 B/op  0 allocs/op",
		"BenchmarkSweep/ratio-2     300  3800000 ns/op  1.490 x-pread",
		"BenchmarkSweep/containerd  20  50000000 ns/op  9 B/op  35093 allocs/op",
		"PASS",
		"BenchmarkPoll/poll-16      500  2000000 ns/op  16 B/op  0 allocs/op",
		"BenchmarkPoll/ratio        300  3800000 ns/op  1.130 x-pread",
		"BenchmarkTick10ms/sources-2     100  10000000 ns/op  99.1 %-held  9 B/op  0 allocs/op",
		"BenchmarkTick10ms/prometheus-2  100  10000000 ns/op  99.1 %-held  9 B/op  0 allocs/op",
	}
	without := func(name string) []string {
		var lines []string
		for _, line := range good {
			if !strings.HasPrefix(line, name) {
				lines = append(lines, line)
			}
		}
		return lines
	}
	with := func(line string) []string { return append(without("no line"), line) }
	tests := []struct {
		name  string
		lines []string
		want  string // "": within the limits
	}{
		{"within", good, ""},
		{"one slow run of several", with("BenchmarkSweep/ratio-2  300  5700000 ns/op  2.130 x-pread"), ""},
		{"slow", append(without("BenchmarkSweep/ratio"), "BenchmarkSweep/ratio-2  300  5700000 ns/op  1.510 x-pread"),
			"bench: BenchmarkSweep/ratio: a sweep costs 1.51 times a bare pread of the same files; the limit is 1.5"},
		{"one run of several allocates", with("BenchmarkPoll/poll-16  500  2000000 ns/op  16 B/op  2 allocs/op"),
			"bench: BenchmarkPoll/poll: 2 allocations a sweep; the limit is 0"},
		{"no ratio", without("BenchmarkPoll/ratio"), "bench: BenchmarkPoll/ratio reported no x-pread: did it run?"},
		{"no allocations told", append(without("BenchmarkSweep/podjoule"), "BenchmarkSweep/podjoule-2  500  2000000 ns/op"),
			"bench: BenchmarkSweep/podjoule reported no allocs/op: did it run?"},
		{"one run of the agent does something else", with("BenchmarkTick10ms/sources-2  30  10000000 ns/op  99.1 %-held  900 B/op  3 allocs/op"), ""},
		{"every tick of the agent allocates", append(without("BenchmarkTick10ms/prometheus"), "BenchmarkTick10ms/prometheus-2  30  10000000 ns/op  99.1 %-held  900 B/op  3 allocs/op"),
			"bench: BenchmarkTick10ms/prometheus: 3 allocations a tick; the limit is 0"},
		{"no ticks of the agent", without("BenchmarkTick10ms/sources"), "bench: BenchmarkTick10ms/sources reported no allocs/op: did it run?"},
		{"nothing ran", []string{"PASS"}, "did it run?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "awk", "-f", "scripts/bench.awk")
			cmd.Stdin = strings.NewReader(strings.Join(tt.lines, "\n") + "\n")
			out, err := cmd.CombinedOutput()
			if (err == nil) != (tt.want == "") || !strings.Contains(string(out), tt.want) {
				t.Errorf("got %v and %q, want %q", err, out, tt.want)
			}
		})
	}
}
