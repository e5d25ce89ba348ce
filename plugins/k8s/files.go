package k8s

import (
	"fmt"

	"golang.org/x/sys/unix"
)

const (
	// maxPods is how many pods a kubelet admits unless it is told otherwise, and
	// podContainers how many containers a pod is thought to have, its sandbox
	// included.
	maxPods       = 110
	podContainers = 4
	// otherFiles is what the rest of the agent may hold open.
	otherFiles = 100
)

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

// checkFiles tells when the limit of open files does not allow to measure all
// cgroups of this node, or those of a full one.
func (s *source) checkFiles() error {
	targets, what := maxPods, fmt.Sprintf("a node of %d pods needs", maxPods)
	if s.measuresContainers {
		targets *= 1 + podContainers
	}
	if now := len(s.targets); now > targets {
		targets, what = now, "the pods of this node need"
	}
	need := uint64(targets*s.hierarchy.Files() + otherFiles)
	if need <= s.files {
		return nil
	}
	return fmt.Errorf("%s %d open files, and the limit is %d: raise it (LimitNOFILE of the service, ulimit -n, or the container runtime's default)", what, need, s.files)
}
