package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// goreleaser returns where scripts/goreleaser has it. It is not built here, as that takes
// minutes: who wants it for certain says so with PODJOULE_GORELEASER=yes.
func goreleaser(t *testing.T) string {
	t.Helper()
	where, err := exec.CommandContext(t.Context(), "../../scripts/goreleaser", "where").Output()
	if err != nil {
		t.Fatalf("scripts/goreleaser: %v", err)
	}
	program := strings.TrimSpace(string(where))
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("PODJOULE_GORELEASER") != "" {
			t.Fatalf("goreleaser is not built: scripts/goreleaser --version builds it")
		}
		t.Skip("goreleaser is not built, which takes some minutes: scripts/goreleaser --version")
	}
	return program
}

// A snapshot by goreleaser has archives, packages, lists of modules and checksums, for both
// architectures. Its packages for this machine are to the byte those that deploy/packages
// makes, although they were built in another folder: nobody has to look at both.
func TestSnapshot(t *testing.T) {
	program := goreleaser(t)
	m := packed(t)
	source := filepath.Join(t.TempDir(), "snapshot")
	if err := copyCheckout(source); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"check"}, {"release", "--snapshot", "--clean"}} {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = source
		if said, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(said), "deprecated") {
			t.Fatalf("goreleaser %v: %v: %s", args, err, said)
		}
	}
	dist := filepath.Join(source, "dist", "release")
	version := strings.TrimSuffix(m.version, "-1")
	names := func(pattern string, values ...any) string {
		return filepath.Join(dist, fmt.Sprintf(pattern, values...))
	}
	upstream := strings.Replace(version, "~", "-", 1)
	checksums := names("podjoule_%s_checksums.txt", upstream)
	want := []string{checksums}
	machines := map[string]string{"amd64": "x86_64", "arm64": "aarch64"}
	for _, architecture := range []string{"amd64", "arm64"} {
		deb, rpm := names("podjoule_%s_%s.deb", m.version, architecture), names("podjoule-%s.%s.rpm", m.version, machines[architecture])
		archive, modules := names("podjoule_%s_linux_%s.tar.gz", upstream, architecture), names("podjoule_%s_linux_%s.cdx.json", upstream, architecture)
		want = append(want, deb, rpm, archive, modules)
		checkPackages(t, m, deb, rpm, architecture)
		checkArchive(t, archive, architecture)
		checkModules(t, modules, "v"+upstream)
		if architecture != runtime.GOARCH {
			continue
		}
		for ours, theirs := range map[string]string{m.deb: deb, m.rpm: rpm} {
			if !bytes.Equal(read(t, ours), read(t, theirs)) {
				t.Errorf("goreleaser's %s is not what deploy/packages makes", filepath.Base(theirs))
			}
		}
	}
	checkSums(t, checksums, dist)
	got, err := filepath.Glob(filepath.Join(dist, "podjoule*.*"))
	if err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, func(name string) bool { return filepath.Ext(name) == ".0" }) // a folder with a program
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("there is %q, want %q", got, want)
	}
	if notes := string(read(t, filepath.Join(source, generated, "notes.md"))); !strings.Contains(notes, "### Added") || strings.Contains(notes, "\n## ") {
		t.Errorf("the notes of the release are %.200s", notes)
	}
	if changed, err := git(t.Context(), source, "status", "--porcelain"); err != nil || changed != "" {
		t.Errorf("a release changes the checkout: %s, %v", changed, err)
	}
}

// checkPackages compares packages with what was reviewed, and the programs in them with what they
// say to be for.
func checkPackages(t *testing.T, m *made, deb, rpm, architecture string) {
	t.Helper()
	for format, p := range both(t, &made{deb: deb, rpm: rpm}) {
		checkListing(t, format, p, m.version, architecture)
		file := filepath.Join(t.TempDir(), "podjoule")
		write(t, file, string(p.files["/usr/bin/podjoule"].content))
		if got, err := architectureOf(file); err != nil || got != architecture {
			t.Errorf("%s: the program is for %s, %v, want %s", format, got, err, architecture)
		}
	}
}

// checkArchive compares an archive with what was reviewed.
func checkArchive(t *testing.T, file, architecture string) {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(read(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	folder := strings.TrimSuffix(filepath.Base(file), ".tar.gz") + "/"
	var b strings.Builder
	for archive := tar.NewReader(r); ; {
		header, err := archive.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		name, inside := strings.CutPrefix(header.Name, folder)
		if !inside || header.ModTime.Unix() != 1782900000 {
			t.Errorf("%s: %s of %v is not in %s, or not of the time of the commit", architecture, header.Name, header.ModTime, folder)
		}
		fmt.Fprintf(&b, "%04o %s:%s %s\n", header.Mode, header.Uname, header.Gname, name)
	}
	golden(t, "archive.txt", b.String())
}

// checkModules looks at a list of modules.
func checkModules(t *testing.T, file, version string) {
	t.Helper()
	var bill struct {
		Format   string `json:"bomFormat"`
		Metadata struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal(read(t, file), &bill); err != nil {
		t.Fatal(err)
	}
	main := bill.Metadata.Component
	if bill.Format != "CycloneDX" || main.Name != "github.com/podjoule/podjoule" || main.Version != version {
		t.Errorf("%s is a %s of %s %s, want %s", file, bill.Format, main.Name, main.Version, version)
	}
	versions := make(map[string]string)
	for _, c := range bill.Components {
		versions[c.Name] = c.Version
	}
	required := regexp.MustCompile(`(?m)^\t(k8s\.io/client-go|github\.com/BurntSushi/toml) (\S+)`).FindAllStringSubmatch(string(read(t, "../../go.mod")), -1)
	if len(required) != 2 {
		t.Fatalf("go.mod has %q", required)
	}
	for _, r := range required {
		if versions[r[1]] != r[2] {
			t.Errorf("%s has %s %q, go.mod %s", file, r[1], versions[r[1]], r[2])
		}
	}
	if _, there := versions["golang.org/x/crypto/x509roots/fallback"]; there {
		t.Error("the program alone has no certificate authorities")
	}
}

// checkSums compares the checksums with the files.
func checkSums(t *testing.T, file, dist string) {
	t.Helper()
	sums := make(map[string]string)
	for line := range strings.Lines(string(read(t, file))) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		sums[name] = sum
	}
	if len(sums) != 8 {
		t.Errorf("there are checksums of %q", slices.Sorted(maps.Keys(sums)))
	}
	for name, sum := range sums {
		if got := fmt.Sprintf("%x", sha256.Sum256(read(t, filepath.Join(dist, name)))); got != sum {
			t.Errorf("%s has the checksum %s, want %s", name, sum, got)
		}
	}
}
