package estimate

import "strings"

// The vendors of x86, as /proc/cpuinfo has them.
const (
	amd   = "AuthenticAMD"
	intel = "GenuineIntel"
)

// familyOf returns the micro-architecture of a server's CPU as the table names it, and ""
// for any other. It goes by the numbers of the CPU, which a virtual machine shows too, and
// not by the name, which clouds choose as they like. Numbers: Linux,
// arch/x86/include/asm/intel-family.h, arch/x86/kernel/cpu/amd.c, arch/arm64/include/asm/cputype.h.
func familyOf(c cpu) string {
	switch {
	case isConsumers(c.name):
		return ""
	case c.vendor == amd:
		return epyc(c)
	case c.vendor == intel && c.family == 6:
		return xeon(c)
	case c.implementer == 0x41 && c.part == 0xd0c:
		return "arm-neoverse-n1"
	}
	return ""
}

// isConsumers tells CPUs of laptops and desktops, which share their numbers with those of
// servers, and not their power supplies, fans and idle states.
func isConsumers(name string) bool {
	for _, brand := range []string{"Core(TM)", "Celeron", "Pentium", "Atom", "Ryzen", "Threadripper", "Athlon"} {
		if strings.Contains(name, brand) {
			return true
		}
	}
	return false
}

func epyc(c cpu) string {
	switch {
	case c.family == 0x17 && c.model == 0x01:
		return "amd-epyc-gen1"
	case c.family == 0x17 && c.model == 0x31:
		return "amd-epyc-gen2"
	case c.family == 0x19 && c.model == 0x01:
		return "amd-epyc-gen3"
	case c.family == 0x19 && c.model == 0x11:
		return "amd-epyc-gen4"
	case c.family == 0x19 && c.model >= 0xa0 && c.model <= 0xaf:
		// The 8004 series has the small cores too, and is counted among the fourth
		// generation in the results.
		if strings.Contains(c.name, "EPYC 8") {
			return "amd-epyc-gen4"
		}
		return "amd-epyc-gen4c"
	case c.family == 0x1a && c.model <= 0x1f && c.model >= 0:
		return "amd-epyc-gen5"
	}
	return ""
}

func xeon(c cpu) string {
	switch c.model {
	case 42, 45:
		return "intel-sandybridge"
	case 58, 62:
		return "intel-ivybridge"
	case 60, 63:
		return "intel-haswell"
	case 71, 79, 86:
		return "intel-broadwell"
	case 94:
		return "intel-skylake-client"
	case 85:
		return skylakeServer(c.stepping)
	case 158:
		if c.stepping >= 10 { // below it is Kaby Lake
			return "intel-coffeelake"
		}
	case 106, 108:
		return "intel-icelake"
	case 143:
		return "intel-sapphirerapids"
	case 207:
		return "intel-emeraldrapids"
	case 173, 174:
		return "intel-graniterapids"
	case 175:
		return "intel-sierraforest"
	}
	return ""
}

// skylakeServer tells three generations of one model number by the stepping.
func skylakeServer(stepping int) string {
	switch {
	case stepping >= 10:
		return "intel-cooperlake"
	case stepping >= 5:
		return "intel-cascadelake"
	case stepping >= 0:
		return "intel-skylake-server"
	}
	return ""
}
