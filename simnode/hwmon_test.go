package simnode

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// shows reads what a file of a tree says.
func shows(t *testing.T, path ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(path...))
	must(t, err)
	return strings.TrimLeft(strings.TrimSpace(string(text)), "0")
}

func TestHwmon(t *testing.T) {
	sysfs := t.TempDir()
	h, err := NewHwmon(sysfs, append(AMDEnergy(2, 1), ACPIMeter(true)...)...)
	must(t, err)
	t.Cleanup(func() { must(t, h.Close()) })
	class := filepath.Join(sysfs, "class/hwmon")
	must(t, h.Spend("amd_energy.0", "energy3_input", 7))
	if got, spent := shows(t, class, "hwmon1/energy3_input"), h.Spent("amd_energy.0", "energy3_input"); got != "2000007" || spent != 7 {
		t.Errorf("shows %q after %d, want 2000007 after 7", got, spent)
	}
	must(t, h.Show("amd_energy.0", "energy3_input", 5))
	if got, label := shows(t, class, "hwmon1/energy3_input"), shows(t, class, "hwmon1/energy3_label"); got != "5" || label != "Esocket0" {
		t.Errorf("%s shows %q, want 5 of Esocket0", label, got)
	}
	if got := shows(t, class, "hwmon2/device/power1_average"); got != "200000000" {
		t.Errorf("the machine takes %q µW", got)
	}
	// Under another number all is as before.
	for _, chip := range []string{"amd_energy.0", "ACPI000D:00"} {
		must(t, h.Move(chip, 7))
		must(t, h.Move(chip, map[string]int{"amd_energy.0": 8, "ACPI000D:00": 9}[chip]))
	}
	if got, power := shows(t, class, "hwmon8/energy3_input"), shows(t, class, "hwmon9/device/power1_average"); got != "5" || power != "200000000" {
		t.Errorf("moved, they show %q and %q", got, power)
	}
	if got := shows(t, h.Path("amd_energy.0"), "name"); got != "amd_energy" {
		t.Errorf("the name is %q", got)
	}
	if _, err := os.Lstat(filepath.Join(class, "hwmon1")); err == nil {
		t.Error("the old number is there")
	}
	if h.Show("x", "power1_input", 1) == nil || h.Spend("x", "energy1_input", 1) == nil || h.Move("x", 1) == nil || h.Spent("x", "y") != 0 || h.Path("x") != "" {
		t.Error("a chip that is not there has values")
	}
}

func TestHwmonThatCannotBe(t *testing.T) {
	for name, chips := range map[string][]HwmonChip{
		"no name":            {{Device: "devices/x"}},
		"no device":          {{Name: "x", InDevice: true}},
		"twice":              append(Jetson(), Jetson()...),
		"one number":         {{Name: "x"}, {Name: "y"}},
		"one file two times": {{Name: "x", Sensors: []HwmonSensor{{File: "power1_input"}, {File: "power1_input"}}}},
	} {
		if _, err := NewHwmon(t.TempDir(), chips...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Every layout is one that can be made, alone and with what any machine may have.
func TestHwmonLayouts(t *testing.T) {
	for _, chips := range [][]HwmonChip{ACPIMeter(false), ACPIMeter(true), Grace(), AMDEnergy(4, 2), Jetson()} {
		h, err := NewHwmon(t.TempDir(), append(chips, OtherSensors()...)...)
		must(t, err)
		for _, c := range chips {
			if got := shows(t, h.Path(c.id()), "name"); got != c.Name {
				t.Errorf("%s is called %q", c.Name, got)
			}
		}
		must(t, h.Close())
	}
}
