package k8s

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/simnode"
)

// A soft limit of open files is no limit: it is raised to the hard one.
func TestOpenFilesAreRaisedToTheHardLimit(t *testing.T) {
	const inside = "PODJOULE_TEST_FILES"
	if os.Getenv(inside) != "" {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			t.Fatal(err)
		}
		if files, err := fileLimit(); err != nil || files < 299 || limit.Max != 300 { // the runtime leaves one out
			t.Errorf("%d files may be open, %v; the hard limit is %d, want 300", files, err, limit.Max)
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", `ulimit -Sn 100 && ulimit -Hn 300 && exec "$0" "$@"`, self, "-test.v", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inside+"=1")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v\n%s", err, out)
	}
}

// A limit that a full node would meet is told at once, with what is needed.
func TestFewOpenFilesAreTold(t *testing.T) {
	f := func(version simnode.Version, containers bool, files uint64, want string) {
		t.Helper()
		tree, p, _ := onePod(t, version)
		s, _ := offline(t, tree.Root(), p)
		s.files, s.measuresContainers = files, containers
		pollAt(t, s, time.Now(), time.Now())
		err := s.Ready()
		if want == "" {
			if err != nil {
				t.Errorf("%v, containers %v, %d files: %v", version, containers, files, err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "LimitNOFILE") {
			t.Errorf("%v, containers %v, %d files: %v, want %q and the remedy", version, containers, files, err, want)
		}
	}
	f(simnode.V2, false, 430, "")
	f(simnode.V2, false, 429, "a node of 110 pods needs 430 open files, and the limit is 429")
	f(simnode.V1, false, 650, "")
	f(simnode.V1, false, 256, "a node of 110 pods needs 650")
	f(simnode.V1, true, 1024, "a node of 110 pods needs 2850")
}
