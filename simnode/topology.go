package simnode

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// TreeCPUs is how many CPUs the machine of a Tree has.
const TreeCPUs = 4

const allCPUs = "0-3" // of a Tree

// WriteTopology writes below a folder, which stands for /sys, to which CPU package each
// CPU belongs. A CPU whose package is below 0 is offline: the kernel does not tell it.
func WriteTopology(sysfs string, packages ...int) error {
	dir := filepath.Join(sysfs, "devices/system/cpu")
	online := ""
	for cpu, id := range packages {
		topology := filepath.Join(dir, fmt.Sprint("cpu", cpu), "topology")
		if id < 0 {
			if err := os.RemoveAll(topology); err != nil {
				return fmt.Errorf("take CPU %d offline: %w", cpu, err)
			}
			continue
		}
		if online != "" {
			online += ","
		}
		online += strconv.Itoa(cpu)
		if err := writeTopology(topology, "physical_package_id", id); err != nil {
			return err
		}
	}
	if err := writeTopology(dir, "online", online); err != nil {
		return err
	}
	return writeTopology(dir, "possible", fmt.Sprint("0-", len(packages)-1))
}

func writeTopology(dir, name string, value any) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write the topology of CPUs: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), fmt.Appendln(nil, value), 0o644); err != nil {
		return fmt.Errorf("write the topology of CPUs: %w", err)
	}
	return nil
}
