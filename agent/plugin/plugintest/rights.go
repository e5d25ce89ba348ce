package plugintest

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// WithoutRights takes from the rest of the test, if it is root, the right to read what the
// files' modes do not allow.
func WithoutRights(t testing.TB) {
	t.Helper()
	runtime.LockOSThread() // and never unlocked: the thread ends with the test
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var rights [2]unix.CapUserData
	if err := unix.Capget(&header, &rights[0]); err != nil {
		t.Fatal(err)
	}
	rights[0].Effective, rights[1].Effective = 0, 0
	if err := unix.Capset(&header, &rights[0]); err != nil {
		t.Fatal(err)
	}
}
