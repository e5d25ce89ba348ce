package cgrouptest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Limited runs a test again as a process in a user namespace of its own, in which
// the kernel's limit is another one, and reports whether this is that process.
func Limited(t *testing.T, limit, value string) bool {
	t.Helper()
	const inside = "PODJOULE_TEST_LIMITED"
	if os.Getenv(inside) != "" {
		if err := os.WriteFile(filepath.Join("/proc/sys/user", limit), []byte(value), 0); err != nil {
			t.Fatal(err)
		}
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-test.v", "-test.run=^" + t.Name() + "$"}
	for _, arg := range os.Args[1:] {
		if !strings.HasPrefix(arg, "-test.") { // a flag of the test itself
			args = append(args, arg)
		}
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Skipf("no user namespace to be had: %v", err)
	}
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a user namespace with %s = %s: %v\n%s", limit, value, err, out)
	}
	return false
}
