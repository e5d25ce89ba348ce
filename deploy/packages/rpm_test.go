package main

import (
	"os/exec"
	"strings"
	"testing"
)

// RPM itself reads the package: files, scripts, and a check of its digests.
func TestReadByRPM(t *testing.T) {
	if _, err := exec.LookPath("rpm"); err != nil {
		t.Skip("there is no rpm here")
	}
	m := packed(t)
	want, err := readRPM(m.rpm)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(name string, args ...string) string {
		t.Helper()
		said, err := exec.CommandContext(t.Context(), name, append(args, m.rpm)...).CombinedOutput()
		if err != nil {
			t.Errorf("%s %v: %v: %s", name, args, err, said)
		}
		return string(said)
	}
	files := ask("rpm", "-qpl")
	for name := range want.files {
		if !strings.Contains(files, strings.TrimSuffix(name, "/")+"\n") {
			t.Errorf("rpm finds no %s in it", name)
		}
	}
	if got := strings.Count(files, "\n"); got != len(want.files) {
		t.Errorf("rpm finds %d files, want %d", got, len(want.files))
	}
	said := ask("rpm", "-qp", "--scripts")
	for name, heading := range map[string]string{"post": "postinstall", "preun": "preuninstall", "postun": "postuninstall"} {
		if !strings.Contains(said, heading+" scriptlet (using /bin/sh):\n"+strings.TrimSpace(want.scripts[name])) {
			t.Errorf("rpm finds no %s: %s", heading, said)
		}
	}
	if got := ask("rpm", "-qpc"); got != "/etc/podjoule/config.toml\n" {
		t.Errorf("the configuration is %q", got)
	}
	if got := ask("rpmkeys", "--checksig", "--nosignature"); !strings.HasSuffix(got, "digests OK\n") {
		t.Errorf("rpmkeys: %s", got)
	}
	if got := ask("rpm", "-qp", "--requires"); got != "" {
		t.Errorf("it needs %s", got)
	}
}
