package k8s

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// otherFiles is what the rest of the agent may hold open: connections of servers and
// of those that scrape, inotify, the log. Under a limit that is not even twice that, it
// is left a half.
const otherFiles = 100

// fileLimit returns how many files this process may hold open. The Go runtime
// raises the soft limit to the hard one when the process starts, and gives child
// processes the old one.
func fileLimit() (uint64, error) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	return limit.Cur, nil
}

// keptFiles returns how many files of cgroups may stay open under a limit. Those
// beyond are opened for each reading: that is slower and nothing else, so that it is
// counted, and Ready does not tell of it.
func keptFiles(limit uint64) int {
	return int(min(limit-min(otherFiles, limit/2), math.MaxInt32))
}
