# Checks the results of scripts/bench: a sweep may cost at most 1.5 times what a
# pread of the same files costs, and it may not allocate. Of several runs, the
# best ratio counts, because a busy machine only makes it worse; every one must
# be free of allocations. So must a tick of the whole agent, in the best run, because
# there the process does other things now and then. A pod's baseline is taken within
# 100 ms of its birth.

BEGIN {
	ratio["BenchmarkSweep/ratio"]
	ratio["BenchmarkPoll/ratio"]
	still["BenchmarkSweep/podjoule"]
	still["BenchmarkPoll/poll"]
	agent["BenchmarkTick10ms/sources"]
	agent["BenchmarkTick10ms/prometheus"]
}

/^Benchmark/ {
	name = $1
	sub(/-[0-9]+$/, "", name) # the number of processors
	for (i = 4; i <= NF; i += 2) {
		key = name " " $i
		value = $(i - 1) + 0
		if (!(key in best) || value < best[key]) best[key] = value
		if (!(key in worst) || value > worst[key]) worst[key] = value
	}
}

END {
	for (name in ratio) {
		key = name " x-pread"
		if (!(key in best)) fault(name " reported no x-pread: did it run?")
		else if (best[key] > 1.5) fault(name ": a sweep costs " best[key] " times a bare pread of the same files; the limit is 1.5")
	}
	for (name in still) {
		key = name " allocs/op"
		if (!(key in worst)) fault(name " reported no allocs/op: did it run?")
		else if (worst[key] > 0) fault(name ": " worst[key] " allocations a sweep; the limit is 0")
	}
	for (name in agent) {
		key = name " allocs/op"
		if (!(key in best)) fault(name " reported no allocs/op: did it run?")
		else if (best[key] > 0) fault(name ": " best[key] " allocations a tick; the limit is 0")
	}
	birth = "BenchmarkBirth ms/birth-p99"
	if (birth in best && best[birth] > 100) fault("from a birth to its baseline: " best[birth] " ms; the limit is 100 ms")
	if (faults) exit 1
	print "the benchmarks are within their limits"
}

function fault(text) {
	print "bench: " text > "/dev/stderr"
	faults++
}
