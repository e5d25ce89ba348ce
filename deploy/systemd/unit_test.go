// Package systemd_test tests the unit of systemd and what belongs to it, by what it says and by
// what systemd says of it.
package systemd_test

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const unitFile = "podjoule.service"

// settings are the keys of a unit, as "Service.User", with their values in order.
type settings map[string][]string

// read returns what a file of systemd says.
func read(t *testing.T, file string) settings {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	said := make(settings)
	section := ""
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		key, value, found := strings.Cut(line, "=")
		switch {
		case line == "", strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
			section = strings.Trim(line, "[]")
		case found && section != "" && !strings.HasSuffix(line, `\`) && key == strings.TrimSpace(key):
			said[section+"."+key] = append(said[section+"."+key], value)
		default:
			t.Errorf("%s:%d: %s", file, i+1, line)
		}
	}
	return said
}

// The unit runs the agent as the documents say: with its configuration, state and way to
// reload.
func TestUnitRunsTheAgent(t *testing.T) {
	said := read(t, unitFile)
	const config = " --config /etc/podjoule/config.toml"
	for key, want := range map[string][]string{
		"Service.ExecStart": {"/usr/bin/podjoule run" + config},
		// A wrong file is refused before the agent hears of it.
		"Service.ExecReload":               {"/usr/bin/podjoule config check" + config, "/bin/kill -HUP $MAINPID"},
		"Service.Restart":                  {"on-failure"},
		"Service.RestartPreventExitStatus": {"2"}, // bad usage or bad configuration
		"Service.StateDirectory":           {"podjoule"},
		"Service.ConfigurationDirectory":   {"podjoule"},
		"Service.WorkingDirectory":         {"/var/lib/podjoule"},
		"Service.EnvironmentFile":          {"-/etc/podjoule/environment"},
		"Unit.StartLimitIntervalSec":       {"0"},
		"Install.WantedBy":                 {"multi-user.target"},
	} {
		if diff := cmp.Diff(want, said[key]); diff != "" {
			t.Errorf("%s: -want +got\n%s", key, diff)
		}
	}
}

// Nothing hides from the agent what it measures, or whom it talks to.
func TestUnitLeavesWhatIsMeasured(t *testing.T) {
	for _, file := range []string{unitFile, "energy-group.conf", "energy-capability.conf"} {
		said := read(t, file)
		for _, hides := range []string{"PrivateNetwork", "ProcSubset", "RootDirectory", "RootImage", "PrivatePIDs", "NetworkNamespacePath"} {
			if value, found := said["Service."+hides]; found {
				t.Errorf("%s: %s=%v takes away what the agent needs", file, hides, value)
			}
		}
		// Other values than yes have a tree of its own.
		if got := said["Service.ProtectControlGroups"]; len(got) > 0 && got[0] != "yes" {
			t.Errorf("%s: ProtectControlGroups=%s", file, got)
		}
		for _, path := range slices.Concat(said["Service.InaccessiblePaths"], said["Service.TemporaryFileSystem"]) {
			for _, needed := range []string{"/sys", "/proc", "/etc/podjoule", "/etc/ssl", "/var/lib/podjoule"} {
				for hidden := range strings.FieldsSeq(path) {
					if hidden = strings.TrimLeft(hidden, "-+"); hidden == needed || strings.HasPrefix(needed, hidden+"/") {
						t.Errorf("%s: %s is hidden", file, needed)
					}
				}
			}
		}
	}
	if got := read(t, unitFile)["Service.RestrictAddressFamilies"]; !slices.Equal(got, []string{"AF_INET AF_INET6 AF_UNIX"}) {
		t.Errorf("RestrictAddressFamilies=%v", got)
	}
}

// Without a drop-in there is no capability; each drop-in adds one right, and leaves the
// rest as it is.
func TestDropInsAddOneRight(t *testing.T) {
	unit := read(t, unitFile)
	for _, key := range []string{"Service.CapabilityBoundingSet", "Service.AmbientCapabilities"} {
		if got := unit[key]; !slices.Equal(got, []string{""}) {
			t.Errorf("%s: %q, want none", key, got)
		}
	}
	for file, want := range map[string][]string{
		"energy-group.conf":      {"Service.PrivateUsers", "Service.SupplementaryGroups"},
		"energy-capability.conf": {"Service.AmbientCapabilities", "Service.CapabilityBoundingSet", "Service.InaccessiblePaths", "Service.PrivateUsers"},
	} {
		if diff := cmp.Diff(want, slices.Sorted(maps.Keys(read(t, file)))); diff != "" {
			t.Errorf("%s: -want +got\n%s", file, diff)
		}
	}
	capability := read(t, "energy-capability.conf")
	for _, key := range []string{"Service.CapabilityBoundingSet", "Service.AmbientCapabilities"} {
		if got := capability[key]; !slices.Equal(got, []string{"CAP_DAC_READ_SEARCH"}) {
			t.Errorf("%s: %q", key, got)
		}
	}
	// One name in the drop-in, in the list of groups and in the rule.
	group := read(t, "energy-group.conf")["Service.SupplementaryGroups"]
	for file, want := range map[string]string{"podjoule.sysusers": "\ng " + group[0] + " -", "90-podjoule.rules": "/bin/chgrp " + group[0] + " "} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %q", file, want)
		}
	}
}
