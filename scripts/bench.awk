# Checks the results of scripts/bench, and prints what a sweep costs as its last line.
#
# At 110 pods a sweep, and a whole tick of the k8s plugin, may take at most 1.3 times
# what a pread of the same files takes, in the median of the runs, and at no number of
# pods may it allocate in any run. Nor may a tick of the whole agent in the best run,
# because there the process does other things now and then. A pod's baseline is taken
# within 100 ms of its birth. A point is encoded for OTLP within 1 µs; a scrape takes 1 ms of
# CPU time, and 300 kB before compression: times are those of the best run, since other
# programs take time away. With full=1 a pod of 1,000 has to cost less than 1.3 times
# one of 110 in the best run: where other programs keep the processor's caches busy, a
# bare pread of them costs more than that already. With sweep=1 there are no results but
# those of sweeps.
#
# Ratios have a limit where real control groups are read by a real processor: a plain file
# costs the kernel nearly nothing, and the reader one call more, which tells whether it was
# removed; and an emulator has prices of its own.

BEGIN {
	sweep110 = "BenchmarkSweep/pods=110"
	ratio[sweep110 "/ratio"]
	still[sweep110 "/podjoule"]
	if (!sweep) {
		ratio["BenchmarkPoll/ratio"]
		still["BenchmarkPoll/poll"]
		agent["BenchmarkTick10ms/sources"]
		agent["BenchmarkTick10ms/prometheus"]
		most["BenchmarkPoints/otlp=delta ns/point"] = 1000
		most["BenchmarkPoints/otlp=cumulative ns/point"] = 1000
		most["BenchmarkScrape/openmetrics cpu-ms/scrape"] = 1
		most["BenchmarkScrape/text cpu-ms/scrape"] = 1
		most["BenchmarkScrape/openmetrics B/page"] = 300000
		most["BenchmarkScrape/text B/page"] = 300000
	}
}

/^emulated: ./ { unlimited = "by an emulated processor" }

/^Benchmark/ {
	if ($1 ~ /\/tree=plain\//) unlimited = "of plain files, which are read without root"
	name = $1
	sub(/-[0-9]+$/, "", name) # the number of processors
	sub(/\/tree=[^\/]*/, "", name)
	if (name ~ /^BenchmarkSweep\/.*\/podjoule$/) still[name]
	for (i = 4; i <= NF; i += 2) {
		key = name " " $i
		value = $(i - 1) + 0
		if (!(key in best) || value < best[key]) best[key] = value
		if (!(key in worst) || value > worst[key]) worst[key] = value
		values[key, ++runs[key]] = value
	}
}

END {
	for (name in ratio) {
		key = name " x-pread"
		if (!runs[key]) fault(name " reported no x-pread: did it run?")
		else if (median(key) > 1.3 && !unlimited) fault(name ": a sweep costs " median(key) " times a bare pread of the same files; the limit is 1.3")
	}
	for (name in still) {
		key = name " allocs/op"
		if (!runs[key]) fault(name " reported no allocs/op: did it run?")
		else if (worst[key] > 0) fault(name ": " worst[key] " allocations a sweep; the limit is 0")
	}
	for (name in agent) {
		key = name " allocs/op"
		if (!runs[key]) fault(name " reported no allocs/op: did it run?")
		else if (best[key] > 0) fault(name ": " best[key] " allocations a tick; the limit is 0")
	}
	for (key in most) {
		split(key, word, " ")
		if (!runs[key]) fault(word[1] " reported no " word[2] ": did it run?")
		else if (best[key] > most[key]) fault(word[1] ": " best[key] " " word[2] "; the limit is " most[key])
	}
	birth = "BenchmarkBirth ms/birth-p99"
	if (birth in best && best[birth] > 100) fault("from a birth to its baseline: " best[birth] " ms; the limit is 100 ms")
	if (full) {
		name = "BenchmarkSweep/pods=1000/growth"
		key = name " x-110"
		if (!runs[key]) fault(name " reported no x-110: did it run?")
		else if (best[key] >= 1.3 && !unlimited) fault(name ": a pod of 1,000 costs " best[key] " times one of 110; the limit is 1.3")
	}
	if (unlimited) print "these are ratios " unlimited ": they have no limit"
	if (!faults) print "the benchmarks are within their limits"
	key = sweep110 "/ratio x-pread"
	if (runs[key]) printf "sweep/floor at 110 pods: %.2f\n", median(key)
	if (faults) exit 1
}

# median returns the median of a key's values, the mean of the two in the middle where
# their number is even.
function median(key, n, i, j, held, sorted) {
	n = runs[key]
	for (i = 1; i <= n; i++) {
		held = values[key, i]
		for (j = i - 1; j > 0 && sorted[j] > held; j--) sorted[j + 1] = sorted[j]
		sorted[j + 1] = held
	}
	return (sorted[int((n + 1) / 2)] + sorted[int(n / 2) + 1]) / 2
}

function fault(text) {
	print "bench: " text > "/dev/stderr"
	faults++
}
