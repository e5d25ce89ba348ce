package hwmon

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/sysfs"
)

// Chips that are known.
const (
	chipACPI    = "power_meter" // a meter of the firmware's: ACPI device ACPI000D
	chipAMD     = "amd_energy"  // AMD's driver for its energy counters, outside of Linux since 5.13
	chipINA3221 = "ina3221"     // used where the configuration names it
)

// known returns the sensors of which it is known what they measure. Of two that would
// measure the same, none is used.
func known(found []sensor, root string) (chosen []choice, refused []refusal) {
	var meters []*sensor // of ACPI, that may be the machine's
	sockets := false     // there are meters of ACPI for single sockets
	packages := make(map[place]bool)
	for i := range found {
		f := &found[i]
		switch f.chip {
		case chipACPI:
			if p, ok := placeOfGrace(f.label); ok {
				chosen = append(chosen, choice{f, p})
			}
			sockets = sockets || strings.Contains(f.label, " Socket ")
			if !f.battery && !f.part {
				meters = append(meters, f)
			}
		case chipAMD:
			// Its sockets are NUMA nodes: all those of one package show its counter.
			if p, ok := placeOfAMD(f.label, root); ok && !packages[p] {
				packages[p] = true
				chosen = append(chosen, choice{f, p})
			}
		}
	}
	if len(meters) == 1 && !sockets {
		chosen = append(chosen, choice{meters[0], place{measure.Resource{Kind: measure.LocalMachine}, domainMachine}})
	}
	return unique(chosen)
}

// unique leaves out choices that would measure the same.
func unique(all []choice) (chosen []choice, refused []refusal) {
	by := make(map[place][]choice)
	for _, c := range all {
		by[c.place] = append(by[c.place], c)
	}
	for _, c := range all {
		if same := by[c.place]; len(same) == 1 {
			chosen = append(chosen, c)
		} else if same[0] == c {
			refused = append(refused, refusal{statusAmbiguous, fmt.Errorf("sensors %s and %s both tell of domain %s: name one in meters",
				same[0].sensor, same[1].sensor, c.place.domain)})
		}
	}
	return chosen, refused
}

// placeOfGrace tells what an ACPI meter of NVIDIA's Grace measures from its label, as in
// "CPU Power Socket 0".
func placeOfGrace(label string) (place, bool) {
	what, number, ok := strings.Cut(label, " Power Socket ")
	socket, numbered := sysfs.ParseIndex(number)
	domain, known := map[string]string{
		"Module": domainModule, "Grace": domainGrace, "CPU": domainCPU, "SysIO": domainSysIO,
	}[what]
	return place{resourceOf(kindPackage, socket), domain}, ok && numbered && known
}

// placeOfAMD tells what a sensor of amd_energy measures from its label, as in "Esocket0".
// Those of cores, as "Ecore000", are parts of it.
func placeOfAMD(label, root string) (place, bool) {
	number, ok := strings.CutPrefix(label, "Esocket")
	node, numbered := sysfs.ParseIndex(number)
	if !ok || !numbered {
		return place{}, false
	}
	return place{resourceOf(kindPackage, packageOf(root, node)), domainPackage}, true
}

// packageOf returns the package of a NUMA node's first CPU, and the node's own number where
// the tree does not tell.
func packageOf(root string, node uint64) uint64 {
	devices := filepath.Join(root, "devices/system")
	text, err := os.ReadFile(filepath.Join(devices, fmt.Sprintf("node/node%d/cpulist", node)))
	if err != nil {
		return node
	}
	first, ok := firstCPU(text)
	if !ok {
		return node
	}
	text, err = os.ReadFile(filepath.Join(devices, fmt.Sprintf("cpu/cpu%d/topology/physical_package_id", first)))
	if err != nil {
		return node
	}
	n, ok := sysfs.ParseIndex(string(bytes.TrimSpace(text)))
	if !ok {
		return node
	}
	return n
}

// firstCPU returns the first CPU of a list as "0-7,16-23".
func firstCPU(list []byte) (uint64, bool) {
	list = bytes.TrimSpace(list)
	if end := bytes.IndexAny(list, ",-"); end >= 0 {
		list = list[:end]
	}
	return sysfs.ParseIndex(string(list))
}
