package systemd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The files are installed where README.md says, by its own commands, and what the unit and
// the files name is then there.
func TestReadmeInstalls(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	// What is built stands for itself.
	for _, built := range []string{"bin/podjoule", "dist/man/podjoule.1", "dist/man/podjoule.toml.5"} {
		file := filepath.Join(root, built)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(built), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "usr/bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "deploy"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(here, filepath.Join(root, "deploy", "systemd")); err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^ +sudo (install .*)$`).FindAllStringSubmatch(string(text), -1)
	if len(commands) < 8 {
		t.Fatalf("README.md has %d commands that install", len(commands))
	}
	for _, c := range commands {
		install := exec.CommandContext(t.Context(), "bash", "-c", strings.NewReplacer(" /usr/", " usr/", " /etc/", " etc/").Replace(c[1]))
		install.Dir = root
		if said, err := install.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", c[1], err, said)
		}
	}
	for to, from := range map[string]string{
		"etc/systemd/system/podjoule.service":               unitFile,
		"etc/systemd/system/podjoule.service.d/energy.conf": "energy-group.conf",
		"etc/podjoule/config.toml":                          "config.toml",
		"etc/sysusers.d/podjoule.conf":                      "podjoule.sysusers",
		"etc/udev/rules.d/90-podjoule.rules":                "90-podjoule.rules",
	} {
		want, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(root, to))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not %s: %v", to, from, err)
		}
		if !strings.Contains(string(text), "("+from+")") {
			t.Errorf("README.md has no line about %s", from)
		}
	}
	program, _, _ := strings.Cut(read(t, unitFile)["Service.ExecStart"][0], " ")
	if info, err := os.Stat(filepath.Join(root, program)); err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the unit runs %s: %v, %v", program, info, err)
	}
	for _, page := range []string{"man1/podjoule.1", "man5/podjoule.toml.5"} {
		if _, err := os.Stat(filepath.Join(root, "usr/local/share/man", page)); err != nil {
			t.Error(err)
		}
	}
}
