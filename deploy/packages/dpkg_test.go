package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// root is a folder that dpkg takes for another machine, which does not run.
type root struct {
	t      *testing.T
	folder string
}

func newRoot(t *testing.T) *root {
	t.Helper()
	for _, needed := range []string{"dpkg", "deb-systemd-helper", "systemd-sysusers"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skipf("there is no %s here to install the package with", needed)
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("dpkg gives files to root: needs root")
	}
	r := &root{t, filepath.Join(t.TempDir(), "root")}
	for _, folder := range []string{"etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers"} {
		if err := os.MkdirAll(r.path(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, r.path("var/lib/dpkg/status"), "")
	return r
}

func (r *root) path(name string) string { return filepath.Join(r.folder, name) }

// dpkg runs it on the folder, and returns what it said.
func (r *root) dpkg(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "dpkg", append([]string{"--root=" + r.folder, "--force-script-chrootless", "--log=/dev/null"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	said, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("dpkg %v: %v: %s", args, err, said)
	}
	return string(said)
}

// left lists what is there of the package: files, and links of systemd.
func (r *root) left() (names []string) {
	r.t.Helper()
	err := filepath.WalkDir(r.folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, r.folder)
		if !entry.IsDir() && strings.Contains(name, "podjoule") && !strings.HasPrefix(name, "/var/lib/dpkg/") {
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func (r *root) has(name string) bool {
	r.t.Helper()
	_, err := os.Lstat(r.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.t.Fatal(err)
	}
	return err == nil
}

const (
	enabled = "/etc/systemd/system/multi-user.target.wants/podjoule.service"
	config  = "/etc/podjoule/config.toml"
)

// The life of a package on a machine: it comes enabled; an upgrade leaves alone what was
// changed, and that it was disabled; after removal configuration and state are there, after a purge
// nothing.
func TestInstalledByDpkg(t *testing.T) {
	m := packed(t)
	r := newRoot(t)
	r.dpkg("--install", m.deb)
	want, err := readDeb(m.deb)
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range want.files {
		info, err := os.Lstat(r.path(name))
		if err != nil || int64(info.Mode().Perm()) != f.mode {
			t.Errorf("%s: %v, %v, want mode %o", name, info, err, f.mode)
		}
	}
	if to, err := os.Readlink(r.path(enabled)); err != nil || to != "/usr/lib/systemd/system/podjoule.service" && to != "/lib/systemd/system/podjoule.service" {
		t.Errorf("it is enabled by %s: %q, %v", enabled, to, err)
	}
	if groups := string(read(t, r.path("etc/group"))); !strings.HasPrefix(groups, "podjoule-energy:x:") || !strings.HasSuffix(groups, ":\n") {
		t.Errorf("the groups are %q, want podjoule-energy without members", groups)
	}

	// What people and the agent leave there.
	changed := string(read(t, r.path(config))) + "\n[plugins.csv]\n"
	write(t, r.path(config), changed)
	for _, name := range []string{"/etc/podjoule/environment", "/etc/podjoule/kubeconfig", "/etc/podjoule/own.pem", "/var/lib/private/podjoule/otlp/queue"} {
		if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, r.path(name), name)
	}
	if err := os.Symlink("private/podjoule", r.path("var/lib/podjoule")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(r.path(enabled)); err != nil { // as systemctl disable does
		t.Fatal(err)
	}

	next := filepath.Join(t.TempDir(), "next.deb")
	if err := build("-source", m.source, "-program", m.program(), "-version", "1.3.0", "-o", next); err != nil {
		t.Fatal(err)
	}
	r.dpkg("--install", next)
	if version := r.dpkg("--status", "podjoule"); !strings.Contains(version, "Version: 1.3.0-1\n") {
		t.Errorf("after the upgrade: %s", version)
	}
	if got := string(read(t, r.path(config))); got != changed {
		t.Errorf("the upgrade changed the configuration: %s", got)
	}
	if r.has(enabled) {
		t.Error("the upgrade enabled what was disabled")
	}

	r.dpkg("--remove", "podjoule")
	kept := []string{config, "/etc/podjoule/environment", "/etc/podjoule/kubeconfig", "/etc/podjoule/own.pem", "/var/lib/podjoule", "/var/lib/private/podjoule/otlp/queue"}
	left := slices.DeleteFunc(r.left(), func(name string) bool { return strings.HasPrefix(name, "/var/lib/systemd/") }) // what Debian knows of it being enabled
	if !slices.Equal(left, kept) {
		t.Errorf("after removal there is %q, want %q", left, kept)
	}
	r.dpkg("--purge", "podjoule")
	if left := r.left(); !slices.Equal(left, []string{"/etc/podjoule/own.pem"}) {
		t.Errorf("after the purge there is %q, want what is nobody's but the administrator's", left)
	}
}

// A purge leaves no folder either, and one of a package that was removed before does as
// much.
func TestPurgeLeavesNothing(t *testing.T) {
	m := packed(t)
	r := newRoot(t)
	r.dpkg("--install", m.deb)
	if !r.has(enabled) {
		t.Error("it is not enabled")
	}
	r.dpkg("--purge", "podjoule")
	if left := r.left(); len(left) > 0 || r.has("/etc/podjoule") || r.has(enabled) {
		t.Errorf("after the purge there is %q", left)
	}
	r.dpkg("--install", m.deb)
	r.dpkg("--remove", "podjoule")
	r.dpkg("--install", m.deb)
	if !r.has(enabled) || !r.has(config) {
		t.Errorf("installed once more it is not whole: %q", r.left())
	}
}
