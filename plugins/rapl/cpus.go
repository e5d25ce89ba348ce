package rapl

import (
	"fmt"
	"slices"
	"strings"

	"github.com/podjoule/podjoule/sysfs"
)

// mostCPUs bounds the numbers of CPUs; the largest kernels know 8192.
const mostCPUs = 1 << 16

// parseCPUs parses a list of CPUs as the kernel writes it, such as "0,28-29", and returns
// them in order, each once.
func parseCPUs(text string) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var cpus []int
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, ok := sysfs.ParseIndex(from)
		last := first
		if ok && isRange {
			last, ok = sysfs.ParseIndex(to)
		}
		if !ok || last < first || last >= mostCPUs || len(cpus) > mostCPUs {
			return nil, fmt.Errorf("want a list of CPUs such as 0,28-29, have %.64q", text)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}
