package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is wrong is told with its name and what helps, and leaves no package behind.
func TestWhatIsWrong(t *testing.T) {
	m := packed(t)
	folder := t.TempDir()
	changed := func(name, old, to string) string {
		t.Helper()
		source := filepath.Join(folder, name)
		if err := os.Mkdir(source, 0o755); err != nil {
			t.Fatal(err)
		}
		text := string(read(t, filepath.Join("..", "..", releaseFile)))
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %q", releaseFile, old)
		}
		write(t, filepath.Join(source, releaseFile), strings.Replace(text, old, to, 1))
		return source
	}
	text := filepath.Join(folder, "text")
	write(t, text, "#!/bin/sh\n")
	f := func(want []string, args ...string) {
		t.Helper()
		var out, errs bytes.Buffer
		err := run(t.Context(), args, &out, &errs)
		if err == nil {
			t.Errorf("packages %v: no error, want %q", args, want)
			return
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("packages %v: %v, want %q in it", args, err, part)
			}
		}
	}
	deb := filepath.Join(folder, "podjoule.deb")
	f([]string{"-nosuch"}, "-nosuch")
	f([]string{`"extra"`}, "-o", deb, "extra")
	f([]string{"-o has to be there"})
	f([]string{"podjoule.apk", ".deb, .rpm"}, "-source", m.source, "-o", filepath.Join(folder, "podjoule.apk"))
	f([]string{"-program and -o"}, "files", "-o", folder)
	f([]string{releaseFile, "-source"}, "-source", filepath.Join(folder, "nosuch"), "-o", deb)
	f([]string{"nfpms", "dependency", "has to learn"}, "-source", changed("unknown", "\n    bindir:", "\n    dependency: [a]\n    bindir:"), "-o", deb)
	f([]string{"nfpms", "script", "has to learn"}, "-source", changed("deep", "postremove: deploy/packages/deb", "script: deploy/packages/deb"), "-o", deb)
	f([]string{"parse"}, "-source", changed("broken", "\nbuilds:", "\nbuilds: {"), "-o", deb)
	f([]string{"want one of each"}, "-source", changed("none", "\nnfpms:", "\nother:"), "-o", deb)
	f([]string{"find the commit", "not a git repository"}, "-source", changed("no git", "podjoule", "podjoule"), "-o", deb)
	f([]string{"read the program " + text}, "-source", m.source, "-program", text, "-o", deb)
	f([]string{"nosuch"}, "-source", m.source, "-program", filepath.Join(folder, "nosuch"), "-o", deb)
	f([]string{"write the package"}, "-source", m.source, "-program", m.program(), "-o", filepath.Join(folder, "nosuch", "podjoule.deb"))
	if left, _ := filepath.Glob(filepath.Join(folder, "*.deb*")); len(left) > 0 {
		t.Errorf("there is %q", left)
	}
}

// Versions are ordered by package managers as releases follow each other.
func TestDebianVersion(t *testing.T) {
	for version, want := range map[string]string{
		"v1.2.3":                                 "1.2.3-1",
		"1.2.3":                                  "1.2.3-1",
		"v1.2.3-dirty":                           "1.2.3-1",
		"v1.2.3-rc.1":                            "1.2.3~rc.1-1",
		"v1.2.4-dev.1782900000+0123abc":          "1.2.4~dev.1782900000+0123abc-1",
		"v1.2.4-dev.1782900000+0123abc-dirty":    "1.2.4~dev.1782900000+0123abc-1",
		"v0.0.1-dev.1782900000+1234567":          "0.0.1~dev.1782900000+1234567-1",
		"devel":                                  "",
		"b4689c6":                                "",
		"v1.2.3\n\n  * an entry; urgency=medium": "",
	} {
		got, err := debianVersion(version)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("debianVersion(%q) = %q, %v, want %q", version, got, err, want)
		}
	}
}

// The notes of a release are its part of the changelog.
func TestNotes(t *testing.T) {
	const changelog = "# Changelog\n\n## [Unreleased]\n\n- new\n\n## [1.1.0] - 2026-10-01\n\n### Added\n\n- a\n\n## [1.0.0] - 2026-09-01\n\n- b\n"
	got := make(map[string]string)
	for _, version := range []string{"1.1.0", "1.0.0", "1.1.1-dev.1"} {
		got[version] = notes(changelog, version)
	}
	want := map[string]string{"1.1.0": "### Added\n\n- a\n", "1.0.0": "- b\n", "1.1.1-dev.1": "- new\n"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got := notes("# Changelog\n", "1.0.0"); got != "" {
		t.Errorf("notes of nothing: %q", got)
	}
}

// What a dirty checkout is packed into says so, and that it is between releases.
func TestCommitOf(t *testing.T) {
	m := packed(t)
	const between = "{{ incpatch .Version }}-dev.{{ .CommitTimestamp }}+{{ .ShortCommit }}"
	g, err := commitOf(t.Context(), m.source, "", between)
	if err != nil || g.IsGitDirty || g.CommitDate != "2026-07-01T10:00:00Z" || g.Version != "1.2.4-dev.1782900000+"+g.ShortCommit || !strings.HasPrefix(g.FullCommit, g.ShortCommit) {
		t.Errorf("got %+v, %v", g, err)
	}
	g, err = commitOf(t.Context(), m.source, "v2.0.0", between)
	if err != nil || g.Version != "2.0.0" {
		t.Errorf("got %+v, %v", g, err)
	}
	if _, err := commitOf(t.Context(), m.source, "", "{{ .Nosuch }}"); err == nil || !strings.Contains(err.Error(), "Nosuch") {
		t.Errorf("a template that asks for what is not known: %v", err)
	}
	file := filepath.Join(t.TempDir(), "checkout")
	if err := os.CopyFS(file, os.DirFS(m.source)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(file, "README.md"), "changed\n")
	g, err = commitOf(t.Context(), file, "", between)
	if err != nil || !g.IsGitDirty {
		t.Errorf("a file was changed: %+v, %v", g, err)
	}
}
