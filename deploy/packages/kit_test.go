package main

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata anew")

// scratch is where all that the tests share is made.
var scratch string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "podjoule-packages-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	scratch = folder
	status := m.Run()
	if err := os.RemoveAll(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(status)
}

// made is what the tests look at: packages that were built from a copy of this checkout,
// committed one day after a release.
type made struct {
	source  string // the copy
	deb     string
	rpm     string
	version string // as packages write it
}

// program is the one in the packages.
func (m *made) program() string { return filepath.Join(m.source, "..", "podjoule") }

// packed makes them once, with the Debian package's version of the program in both.
func packed(t *testing.T) *made {
	t.Helper()
	m, err := packOnce()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

var packOnce = sync.OnceValues(func() (*made, error) {
	m := &made{source: filepath.Join(scratch, "one", "checkout"), deb: filepath.Join(scratch, "one", "podjoule.deb"), rpm: filepath.Join(scratch, "one", "podjoule.rpm")}
	if err := copyCheckout(m.source); err != nil {
		return nil, err
	}
	// The program is taken out of the first package, so that it is built once.
	err := command(scratch, "./build", "-source", m.source, "-o", m.deb)
	if err != nil {
		return nil, err
	}
	p, err := readDeb(m.deb)
	if err != nil {
		return nil, err
	}
	m.version = p.field("Version")
	if err := os.WriteFile(m.program(), p.files["/usr/bin/podjoule"].content, 0o755); err != nil {
		return nil, err
	}
	return m, build("-source", m.source, "-program", m.program(), "-o", m.rpm)
})

// build makes a package without the script, which takes a moment to see that all is built.
func build(args ...string) error {
	var out, errs strings.Builder
	if err := run(context.Background(), args, &out, &errs); err != nil {
		return fmt.Errorf("packages %v: %w: %s", args, err, errs.String())
	}
	return nil
}

// command runs one in this folder with temporary files below another.
func command(temporary, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, said)
	}
	return nil
}

// copyCheckout copies the repository's files, as they are now, and commits them with a
// release before, on fixed days.
func copyCheckout(to string) error {
	top := filepath.Join("..", "..")
	err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(top, path)
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "dist"}, name):
			return fs.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !entry.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, info.Mode().Perm()|0o600)
	})
	if err != nil {
		return fmt.Errorf("copy the checkout: %w", err)
	}
	return commitAll(to)
}

func commitAll(folder string) error {
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"},
		{"remote", "add", "origin", "https://github.com/podjoule/podjoule.git"},
		{"commit", "-q", "--allow-empty", "-m", "a release"},
		{"tag", "v1.2.3"},
		{"add", "-A"},
		{"commit", "-q", "-m", "a change"},
	} {
		cmd := exec.Command("git", append([]string{"-C", folder}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_AUTHOR_NAME=test", "GIT_AUTHOR_EMAIL=test@localhost", "GIT_COMMITTER_NAME=test",
			"GIT_COMMITTER_EMAIL=test@localhost", "GIT_AUTHOR_DATE=1782900000 +0000", "GIT_COMMITTER_DATE=1782900000 +0000")
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %v: %w: %s", args, err, said)
		}
	}
	return nil
}

// golden compares a text with a file of testdata, or writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", file, diff)
	}
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return content
}
