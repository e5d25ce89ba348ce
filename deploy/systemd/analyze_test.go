package systemd_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// exposureLimit is what systemd may say of the unit at most, of 10: below 2 is "OK", and what is
// left is the network and the machine's own /proc.
const exposureLimit = 2.0

// installed is a copy of the unit with at most one drop-in, each as some change makes it, of a
// program that is there. It skips where there is no systemd.
func installed(t *testing.T, dropIn string, change func(unit string) string) (file string) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze")
	}
	folder := t.TempDir()
	file = filepath.Join(folder, unitFile)
	copied := func(from, to string, change func(string) string) {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(change(string(text))), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	copied(unitFile, file, func(text string) string {
		return strings.ReplaceAll(change(text), "/usr/bin/podjoule", "/bin/true")
	})
	if dropIn != "" {
		copied(dropIn, filepath.Join(folder, unitFile+".d", "energy.conf"), func(text string) string { return text })
	}
	return file
}

func asItIs(text string) string { return text }

// analyze runs systemd-analyze, which a machine needs not be started with.
func analyze(t *testing.T, args ...string) (said string, failed error) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", append([]string{"--no-pager"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// systemd reads the unit and each drop-in without a complaint, and complains when there
// is a reason.
func TestUnitIsVerified(t *testing.T) {
	for _, dropIn := range []string{"", "energy-group.conf", "energy-capability.conf"} {
		file := installed(t, dropIn, asItIs)
		// Whatever it says counts: it ends with 0 for keys that it does not know.
		if said, err := analyze(t, "verify", "--man=no", file); err != nil || about(said, unitFile) != "" {
			t.Errorf("with %q: %v: %s", dropIn, err, said)
		}
	}
	wrong := installed(t, "", func(unit string) string { return strings.Replace(unit, "DynamicUser", "DynamicUsers", 1) })
	if said, _ := analyze(t, "verify", "--man=no", wrong); !strings.Contains(about(said, unitFile), "DynamicUsers") {
		t.Errorf("a misspelt key is not found: %s", said)
	}
}

// about returns the lines that name a unit: systemd may have something to say of others,
// which this machine has.
func about(said, unit string) string {
	var lines []string
	for line := range strings.Lines(said) {
		if strings.Contains(line, unit) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// systemd finds little to object to, also with a drop-in, and more without each of the
// strongest protections.
func TestExposure(t *testing.T) {
	least := exposure(t, installed(t, "", asItIs))
	t.Logf("exposure %.1f", least)
	for _, dropIn := range []string{"", "energy-group.conf", "energy-capability.conf"} {
		if got := exposure(t, installed(t, dropIn, asItIs)); got >= exposureLimit {
			t.Errorf("with %q the exposure is %.1f, want below %.1f", dropIn, got, exposureLimit)
		}
	}
	for _, key := range []string{"CapabilityBoundingSet", "SystemCallFilter", "PrivateDevices", "ProtectKernelTunables", "RestrictNamespaces", "ProtectHome", "PrivateUsers"} {
		without := installed(t, "", func(unit string) string { return regexp.MustCompile(`(?m)^`+key+`=.*\n`).ReplaceAllString(unit, "") })
		if got := exposure(t, without); got <= least {
			t.Errorf("without %s the exposure is %.1f, with it %.1f", key, got, least)
		}
	}
}

// exposure is systemd's figure for a unit.
func exposure(t *testing.T, file string) float64 {
	t.Helper()
	said, err := analyze(t, "security", "--offline=true", file)
	if strings.Contains(said, "unrecognized option") {
		t.Skip("systemd is older than 250: it looks at units that run only")
	}
	level := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(said)
	if err != nil || level == nil {
		t.Fatalf("systemd-analyze security: %v: %s", err, said)
	}
	figure, err := strconv.ParseFloat(level[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return figure
}
