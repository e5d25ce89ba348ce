package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/podjoule/podjoule/deploy/licenses"
)

// both reads the packages.
func both(t *testing.T, m *made) map[string]*inside {
	t.Helper()
	deb, err := readDeb(m.deb)
	if err != nil {
		t.Fatal(err)
	}
	rpm, err := readRPM(m.rpm)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]*inside{"deb": deb, "rpm": rpm}
}

// A package has what was reviewed: files with modes and owners, what is configuration, scripts,
// what it needs, and for which machines it is.
func TestListings(t *testing.T) {
	m := packed(t)
	for format, p := range both(t, m) {
		checkListing(t, format, p, m.version, runtime.GOARCH)
	}
}

// checkListing compares a package with what was reviewed, in which the architecture is told
// as amd64.
func checkListing(t *testing.T, format string, p *inside, version, architecture string) {
	t.Helper()
	got := p.listing(version)
	if format == "rpm" {
		got = p.listing(strings.TrimSuffix(version, "-1"))
	}
	if architecture == "arm64" {
		got = strings.NewReplacer("Architecture: arm64\n", "Architecture: amd64\nArchitecture-Variant: amd64v1\n", "aarch64", "x86_64").Replace(got)
	}
	golden(t, format+".txt", got)
}

// Every file is one of the checkout's, or what the program prints.
func TestFilesAreTheRepositorys(t *testing.T) {
	m := packed(t)
	prints := func(args ...string) string {
		said, err := exec.CommandContext(t.Context(), m.program(), args...).Output()
		if err != nil {
			t.Fatalf("podjoule %v: %v", args, err)
		}
		return string(said)
	}
	pages := t.TempDir()
	prints("man", pages)
	checkout := func(name string) string { return string(read(t, filepath.Join("..", "..", name))) }
	want := map[string]string{
		"/etc/podjoule/config.toml":                          checkout("deploy/systemd/config.toml"),
		"/usr/lib/systemd/system/podjoule.service":           checkout("deploy/systemd/podjoule.service"),
		"/usr/lib/sysusers.d/podjoule.conf":                  checkout("deploy/systemd/podjoule.sysusers"),
		"/usr/lib/udev/rules.d/90-podjoule.rules":            checkout("deploy/systemd/90-podjoule.rules"),
		"/usr/share/podjoule/energy-group.conf":              checkout("deploy/systemd/energy-group.conf"),
		"/usr/share/podjoule/energy-capability.conf":         checkout("deploy/systemd/energy-capability.conf"),
		"/usr/share/bash-completion/completions/podjoule":    prints("completion", "bash"),
		"/usr/share/fish/vendor_completions.d/podjoule.fish": prints("completion", "fish"),
		"/usr/share/zsh/vendor-completions/_podjoule":        prints("completion", "zsh"),
		"/usr/share/zsh/site-functions/_podjoule":            prints("completion", "zsh"),
		"/usr/share/doc/podjoule/copyright":                  checkout("deploy/packages/copyright"),
		"/usr/share/doc/podjoule/changelog":                  checkout("CHANGELOG.md"),
		"/usr/share/doc/podjoule/CHANGELOG.md":               checkout("CHANGELOG.md"),
		"/usr/share/licenses/podjoule/LICENSE":               checkout("LICENSE"),
		"/usr/bin/podjoule":                                  string(read(t, m.program())),
		"/usr/share/doc/podjoule/changelog.Debian": fmt.Sprintf("podjoule (%s) unstable; urgency=medium\n\n  * podjoule v%s: see changelog.gz.\n\n"+
			" -- podjoule maintainers <podjoule@users.noreply.github.com>  Wed, 01 Jul 2026 10:00:00 +0000\n",
			m.version, strings.TrimSuffix(strings.Replace(m.version, "~", "-", 1), "-1")),
	}
	theirs, err := licenses.Of(t.Context(), m.source, m.program())
	if err != nil {
		t.Fatal(err)
	}
	want["/usr/share/doc/podjoule/licenses.txt"], want["/usr/share/licenses/podjoule/licenses.txt"] = string(theirs), string(theirs)
	names, err := filepath.Glob(filepath.Join(pages, "*"))
	if err != nil || len(names) < 5 {
		t.Fatalf("the program has the man pages %q, %v", names, err)
	}
	for _, name := range names {
		section := strings.TrimPrefix(filepath.Ext(name), ".")
		want[path.Join("/usr/share/man/man"+section, filepath.Base(name))] = string(read(t, name))
	}
	seen := make(map[string]bool)
	for format, p := range both(t, m) {
		for name, f := range p.files {
			if strings.HasSuffix(name, "/") {
				continue
			}
			short, zipped := strings.CutSuffix(name, ".gz")
			content := f.content
			if zipped {
				content = unzip(t, name, content)
			}
			text, known := want[short]
			if !known || text != string(content) {
				t.Errorf("%s: %s is not what the checkout and the program have (%v)", format, name, known)
			}
			seen[short] = true
			if f.at != 1782900000 {
				t.Errorf("%s: %s is of %v, want the time of the commit", format, name, time.Unix(f.at, 0))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !seen[name] {
			t.Errorf("no package has %s", name)
		}
	}
}

// unzip returns what was compressed as by gzip -9n: without a name and a time.
func unzip(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	// RFC 1952: the flags, the time, and which way was taken.
	if len(content) < 10 || !bytes.Equal(content[3:9], []byte{0, 0, 0, 0, 0, 2}) {
		t.Errorf("%s has the header %x", name, content[:min(10, len(content))])
	}
	r, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The program takes the configuration that is packed with it, and knows its version.
func TestConfigurationIsTaken(t *testing.T) {
	m := packed(t)
	for format, p := range both(t, m) {
		file := filepath.Join(t.TempDir(), "config.toml")
		write(t, file, string(p.files["/etc/podjoule/config.toml"].content))
		said, err := exec.CommandContext(t.Context(), m.program(), "config", "check", "--config", file).CombinedOutput()
		if err != nil || string(said) != "source     k8s, every 5s\noutput     prometheus\n" {
			t.Errorf("%s: %v: %s", format, err, said)
		}
	}
	said, err := exec.CommandContext(t.Context(), m.program(), "version").CombinedOutput()
	for _, want := range []string{"podjoule v1.2.4-dev.1782900000+", "date      2026-07-01T10:00:00Z", "modified  no"} {
		if err != nil || !strings.Contains(string(said), want) {
			t.Errorf("podjoule version: %v: %s: want %s in it", err, said, want)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
