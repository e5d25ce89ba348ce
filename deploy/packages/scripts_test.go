package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scripts are those of both packages, in this folder.
func scripts(t *testing.T) []string {
	t.Helper()
	all, err := filepath.Glob("[dr][ep][bm]/*")
	if err != nil || len(all) != 6 {
		t.Fatalf("the scripts are %q, %v", all, err)
	}
	return all
}

// The shell can read the scripts.
func TestScriptsAreRight(t *testing.T) {
	for _, script := range scripts(t) {
		if said, err := exec.CommandContext(t.Context(), "sh", "-n", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", script, err, said)
		}
	}
}

// Nor has shellcheck anything to say.
func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("there is no shellcheck")
	}
	for _, script := range scripts(t) {
		if said, err := exec.CommandContext(t.Context(), "shellcheck", "--shell=sh", script).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", script, err, said)
		}
	}
}

// called runs a script as a package manager does, on a machine with systemd or without, and
// returns what it called. What it calls fails as it is told.
func called(t *testing.T, script, argument, before string, running bool, fails, environment string) (calls []string, failed error) {
	t.Helper()
	folder := t.TempDir()
	bin, log := filepath.Join(folder, "bin"), filepath.Join(folder, "log")
	if err := os.Mkdir(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"systemctl", "systemd-sysusers", "udevadm", "deb-systemd-helper", "deb-systemd-invoke", "rm", "rmdir"} {
		text := "#!/bin/sh\necho " + name + ` "$@" >>"` + log + "\"\n"
		if name == fails {
			text += "exit 1\n"
		}
		file := filepath.Join(bin, name)
		write(t, file, text)
		if err := os.Chmod(file, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, log, "")
	runs := filepath.Join(folder, "systemd")
	if running {
		if err := os.Mkdir(runs, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Whether this machine's systemd runs is not asked, nor is what lies in its /etc.
	text := strings.ReplaceAll(string(read(t, script)), "/run/systemd/system", runs)
	copied := filepath.Join(folder, "script")
	write(t, copied, strings.ReplaceAll(text, `[ -d "$DPKG_ROOT/etc/podjoule" ]`, "true"))
	cmd := exec.CommandContext(t.Context(), "sh", copied, argument, before)
	cmd.Env = []string{"PATH=" + bin, environment}
	if said, err := cmd.CombinedOutput(); err != nil {
		return nil, err
	} else if fails == "" && len(said) > 0 {
		t.Errorf("%s %s said %s", script, argument, said)
	}
	return strings.Split(strings.TrimSuffix(string(read(t, log)), "\n"), "\n"), nil
}

const (
	sysusers = "systemd-sysusers podjoule.conf"
	wasOn    = "deb-systemd-helper --quiet was-enabled podjoule.service"
	enable   = "deb-systemd-helper enable podjoule.service"
	reload   = "systemctl --system daemon-reload"
	rules    = "udevadm control --reload"
	trigger  = "udevadm trigger --action=add --subsystem-match=powercap"
)

// Each script calls what it has to, in its order: a new service is started on Debian, where
// it is enabled; on others their preset counts. Nothing is called where no systemd runs, but
// what works on files.
func TestScriptsCalls(t *testing.T) {
	for _, tt := range []struct {
		script, argument, before string
		running                  bool
		fails                    string
		environment              string
		want                     []string
	}{
		{"deb/postinst", "configure", "", true, "", "", []string{sysusers, wasOn, enable, reload, rules, trigger, "deb-systemd-invoke start podjoule.service"}},
		{"deb/postinst", "configure", "1.2.3-1", true, "", "", []string{sysusers, wasOn, enable, reload, rules, trigger, "deb-systemd-invoke restart podjoule.service"}},
		{"deb/postinst", "abort-remove", "", true, "", "", []string{sysusers, wasOn, enable, reload, rules, trigger, "deb-systemd-invoke start podjoule.service"}},
		{"deb/postinst", "configure", "", false, "", "", []string{sysusers, wasOn, enable}},
		{"deb/postinst", "configure", "", true, "", "DPKG_ROOT=/target", []string{"systemd-sysusers --root=/target podjoule.conf", wasOn, enable}},
		{"deb/postinst", "triggered", "", true, "", "", []string{""}},
		{"deb/prerm", "remove", "", true, "", "", []string{"deb-systemd-invoke stop podjoule.service"}},
		{"deb/prerm", "upgrade", "1.3.0-1", true, "", "", []string{""}},
		{"deb/prerm", "remove", "", false, "", "", []string{""}},
		{"deb/prerm", "remove", "", true, "", "DPKG_ROOT=/target", []string{""}},
		{"deb/postrm", "remove", "", true, "", "", []string{reload}},
		{"deb/postrm", "upgrade", "1.3.0-1", true, "", "", []string{""}},
		{"deb/postrm", "purge", "", true, "", "", []string{
			"deb-systemd-helper purge podjoule.service", "rm -rf /var/lib/podjoule /var/lib/private/podjoule",
			"rm -f /etc/podjoule/environment /etc/podjoule/kubeconfig", "rmdir --ignore-fail-on-non-empty /etc/podjoule",
		}},
		{"rpm/post", "1", "", true, "", "", []string{sysusers, "systemctl --no-reload preset podjoule.service", "systemctl daemon-reload", rules, trigger}},
		{"rpm/post", "2", "", true, "", "", []string{sysusers, "systemctl daemon-reload", rules, trigger}},
		{"rpm/post", "1", "", false, "", "", []string{sysusers, "systemctl --no-reload preset podjoule.service"}},
		{"rpm/preun", "0", "", true, "", "", []string{"systemctl --no-reload disable --now podjoule.service"}},
		{"rpm/preun", "0", "", false, "", "", []string{"systemctl --no-reload disable podjoule.service"}},
		{"rpm/preun", "1", "", true, "", "", []string{""}},
		{"rpm/postun", "1", "", true, "", "", []string{"systemctl daemon-reload", "systemctl try-restart podjoule.service"}},
		{"rpm/postun", "0", "", true, "", "", []string{"systemctl daemon-reload"}},
		{"rpm/postun", "1", "", false, "", "", []string{""}},

		// What fails costs that alone.
		{"deb/postinst", "configure", "", true, "systemd-sysusers", "", []string{sysusers, wasOn, enable, reload, rules, trigger, "deb-systemd-invoke start podjoule.service"}},
		{"deb/postinst", "configure", "", true, "udevadm", "", []string{sysusers, wasOn, enable, reload, rules, trigger, "deb-systemd-invoke start podjoule.service"}},
		{"deb/postinst", "configure", "", true, "systemctl", "", []string{sysusers, wasOn, enable, reload, rules, trigger, "deb-systemd-invoke start podjoule.service"}},
		{"deb/postinst", "configure", "", true, "deb-systemd-invoke", "", []string{sysusers, wasOn, enable, reload, rules, trigger, "deb-systemd-invoke start podjoule.service"}},
		{"deb/prerm", "remove", "", true, "deb-systemd-invoke", "", []string{"deb-systemd-invoke stop podjoule.service"}},
		{"deb/postrm", "remove", "", true, "systemctl", "", []string{reload}},
		{"rpm/post", "1", "", true, "systemctl", "", []string{sysusers, "systemctl --no-reload preset podjoule.service", "systemctl daemon-reload", rules, trigger}},
		{"rpm/post", "2", "", true, "systemd-sysusers", "", []string{sysusers, "systemctl daemon-reload", rules, trigger}},
		{"rpm/preun", "0", "", true, "systemctl", "", []string{"systemctl --no-reload disable --now podjoule.service"}},
		{"rpm/postun", "1", "", true, "systemctl", "", []string{"systemctl daemon-reload", "systemctl try-restart podjoule.service"}},
	} {
		got, err := called(t, tt.script, tt.argument, tt.before, tt.running, tt.fails, tt.environment)
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s %s %s, systemd %v, %q fails, %q: %v, -want +got\n%s", tt.script, tt.argument, tt.before, tt.running, tt.fails, tt.environment, err, diff)
		}
	}
	// A service that was disabled stays so.
	got, err := called(t, "deb/postinst", "configure", "1.2.3-1", false, "deb-systemd-helper", "")
	if err == nil {
		t.Errorf("Debian's own part failed, and nobody was told: %q", got)
	}
}
