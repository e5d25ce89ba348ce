package rapl

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/podjoule/podjoule/sysfs"
)

// position tells where a CPU is.
type position struct {
	cpu                 int
	socket              uint64 // the number of its package
	die, core           uint64
	knownDie, knownCore bool
}

// topologyOf asks sysfs where a CPU is. Its place in a list of CPUs says nothing of it.
func topologyOf(root string, cpu int) (position, error) {
	folder := filepath.Join(root, "devices/system/cpu", fmt.Sprintf("cpu%d", cpu), "topology")
	number := func(name string) (uint64, error) {
		text, err := readText(filepath.Join(folder, name))
		if err != nil {
			return 0, err
		}
		n, ok := sysfs.ParseIndex(text)
		if !ok {
			return 0, fmt.Errorf("read %s: want a number, have %.40q", filepath.Join(folder, name), text)
		}
		return n, nil
	}
	c := position{cpu: cpu}
	var err error
	if c.socket, err = number("physical_package_id"); err != nil {
		return c, fmt.Errorf("find the socket of CPU %d: %w", cpu, err)
	}
	// Kernels before 5.2 know no dies. A number that makes no sense is as good as none.
	if die, err := number("die_id"); err == nil {
		c.die, c.knownDie = die, true
	}
	if core, err := number("core_id"); err == nil {
		c.core, c.knownCore = core, true
	}
	return c, nil
}

// readText returns the text of a file of sysfs, without the newline at its end.
func readText(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// countsByPackage tells whether all CPUs of a package share its counter, as those of AMD
// and Hygon do, whose kernels have at times listed a CPU of each die all the same. Intel's
// count by die (the kernel's arch/x86/events/rapl.c). A vendor that is not told is taken
// for Intel.
func countsByPackage(procfs string) bool {
	file, err := os.Open(filepath.Join(procfs, "cpuinfo"))
	if err != nil {
		return false
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(file, 4096)) // the first CPU's, whatever came of the rest
	vendor := vendorOf(string(text))
	return vendor == "AuthenticAMD" || vendor == "HygonGenuine"
}

// vendorOf returns the first vendor that a text as that of cpuinfo names.
func vendorOf(text string) string {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "vendor_id" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
