package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Whoever packs the same commit has the same bytes: from another folder, with files that
// were made at another time with other modes, in another zone, with settings of their own.
func TestTwoBuildsAreTheSame(t *testing.T) {
	m := packed(t)
	source := filepath.Join(t.TempDir(), "another folder", "checkout")
	if err := copyCheckout(source); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"deploy/systemd/config.toml": 0o600, "deploy/systemd/podjoule.service": 0o664} {
		file := filepath.Join(source, name)
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, time.Unix(1, 0), time.Unix(1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("TZ", "Asia/Tokyo")
	t.Setenv("SOURCE_DATE_EPOCH", "86400")
	t.Setenv("LC_ALL", "tr_TR.UTF-8")
	for _, first := range []string{m.deb, m.rpm} {
		second := filepath.Join(t.TempDir(), "second"+filepath.Ext(first))
		if err := build("-source", source, "-program", m.program(), "-o", second); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(read(t, first), read(t, second)) {
			t.Errorf("two packages are not the same: %s", first)
		}
	}
}
