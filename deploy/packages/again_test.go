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

// The script takes names of files as they are from where it is called, in each form that
// flags have.
func TestScriptFindsFiles(t *testing.T) {
	m := packed(t)
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "a folder")
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(m.source, filepath.Join(folder, "checkout")); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(here, "build")
	t.Chdir(folder)
	for i, args := range [][]string{{"-source=checkout", "-program", m.program(), "-o", "one/made"}, {"-source", "checkout", "--program=" + m.program(), "--o=made"}} {
		if err := command(t.TempDir(), script, append([]string{"files"}, args...)...); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(folder, []string{"one/made", "made"}[i], "man", "podjoule.1.gz")); err != nil {
			t.Error(err)
		}
	}
}
