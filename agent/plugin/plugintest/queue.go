package plugintest

import (
	"os"
	"path/filepath"
	"testing"
)

// QueueSize returns the bytes of all that waits in the folder of an output's queue; nothing
// without a folder.
func QueueSize(t testing.TB, dir string) int {
	t.Helper()
	if dir == "" {
		return 0
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for _, path := range files {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		size += int(info.Size())
	}
	return size
}
