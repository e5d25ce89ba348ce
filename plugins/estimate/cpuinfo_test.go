package estimate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// x86 is the beginning of /proc/cpuinfo as Linux writes it on x86.
func x86(vendor, family, model, name, stepping string) string {
	one := "vendor_id\t: " + vendor + "\ncpu family\t: " + family + "\nmodel\t\t: " + model + "\nmodel name\t: " + name +
		"\nstepping\t: " + stepping + "\nmicrocode\t: 0xd0003b9\ncpu MHz\t\t: 2900.000\ncache size\t: 55296 KB\nphysical id\t: 0\n" +
		"flags\t\t: fpu vme de pse hypervisor model\nbugs\t\t: spectre_v1\nbogomips\t: 5800.00\n" +
		"address sizes\t: 46 bits physical, 57 bits virtual\npower management:\n\n"
	return "processor\t: 0\n" + one + "processor\t: 1\n" + one
}

// arm64 is the same on ARM, where there is no name.
func arm64(implementer, part string) string {
	one := "BogoMIPS\t: 243.75\nFeatures\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics cpuid\n" +
		"CPU implementer\t: " + implementer + "\nCPU architecture: 8\nCPU variant\t: 0x3\nCPU part\t: " + part + "\nCPU revision\t: 1\n\n"
	return "processor\t: 0\n" + one + "processor\t: 1\n" + one
}

// captured is of a virtual machine, whose hypervisor hides the CPU's name; its flags are
// cut short.
const captured = `processor	: 0
vendor_id	: AuthenticAMD
cpu family	: 25
model		: 1
model name	: AMD EPYC
stepping	: 1
microcode	: 0x1000065
cpu MHz		: 2445.422
cache size	: 512 KB
physical id	: 0
siblings	: 2
core id		: 0
cpu cores	: 2
apicid		: 0
initial apicid	: 0
fpu		: yes
fpu_exception	: yes
cpuid level	: 13
wp		: yes
flags		: fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat hypervisor
bugs		: sysret_ss_attrs null_seg spectre_v1 spectre_v2 spec_store_bypass srso spectre_v2_user
bogomips	: 4890.84
TLB size	: 2560 4K pages
clflush size	: 64
cache_alignment	: 64
address sizes	: 48 bits physical, 48 bits virtual
power management:

`

func TestFamilyOfCPUInfo(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"a virtual machine without a name", captured, "amd-epyc-gen3"},
		{"EPYC gen 1", x86(amd, "23", "1", "AMD EPYC 7571", "2"), "amd-epyc-gen1"},
		{"EPYC gen 2", x86(amd, "23", "49", "AMD EPYC 7R32", "0"), "amd-epyc-gen2"},
		{"EPYC gen 3 of QEMU", x86(amd, "25", "1", "AMD EPYC-Milan Processor", "1"), "amd-epyc-gen3"},
		{"EPYC gen 4", x86(amd, "25", "17", "AMD EPYC 9R14", "1"), "amd-epyc-gen4"},
		{"EPYC gen 4, small cores", x86(amd, "25", "160", "AMD EPYC 9754 128-Core Processor", "2"), "amd-epyc-gen4c"},
		{"EPYC 8004", x86(amd, "25", "160", "AMD EPYC 8534P 64-Core Processor", "2"), "amd-epyc-gen4"},
		{"EPYC gen 5", x86(amd, "26", "2", "AMD EPYC 9R05", "1"), "amd-epyc-gen5"},
		{"EPYC gen 5, small cores", x86(amd, "26", "17", "AMD EPYC 9965 192-Core Processor", "0"), "amd-epyc-gen5"},
		{"EPYC gen 5 without a model", x86(amd, "26", "", "AMD EPYC", "0"), ""},
		{"Ryzen of gen 1", x86(amd, "23", "1", "AMD Ryzen 7 1800X Eight-Core Processor", "1"), ""},
		{"Threadripper of gen 2", x86(amd, "23", "49", "AMD Ryzen Threadripper 3990X 64-Core Processor", "0"), ""},
		{"EPYC 4004, a desktop's", x86(amd, "25", "97", "AMD EPYC 4344P 8-Core Processor", "2"), ""},
		{"Opteron", x86(amd, "21", "2", "AMD Opteron(tm) Processor 6380", "0"), ""},
		{"Hygon", x86("HygonGenuine", "24", "1", "Hygon C86 7185 32-core Processor", "1"), ""},

		{"Sandy Bridge", x86(intel, "6", "45", "Intel(R) Xeon(R) CPU E5-2660 0 @ 2.20GHz", "7"), "intel-sandybridge"},
		{"Ivy Bridge", x86(intel, "6", "62", "Intel(R) Xeon(R) CPU E5-2670 v2 @ 2.50GHz", "4"), "intel-ivybridge"},
		{"Haswell", x86(intel, "6", "63", "Intel(R) Xeon(R) CPU E5-2676 v3 @ 2.40GHz", "2"), "intel-haswell"},
		{"Broadwell", x86(intel, "6", "79", "Intel(R) Xeon(R) CPU E5-2686 v4 @ 2.30GHz", "1"), "intel-broadwell"},
		{"Skylake", x86(intel, "6", "85", "Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz", "4"), "intel-skylake-server"},
		{"Cascade Lake", x86(intel, "6", "85", "Intel(R) Xeon(R) CPU @ 2.80GHz", "7"), "intel-cascadelake"},
		{"Cooper Lake", x86(intel, "6", "85", "Intel(R) Xeon(R) Platinum 8380H CPU @ 2.90GHz", "11"), "intel-cooperlake"},
		{"model 85 without stepping", x86(intel, "6", "85", "Intel(R) Xeon(R)", ""), ""},
		{"small Skylake", x86(intel, "6", "94", "Intel(R) Xeon(R) CPU E3-1240L v5 @ 2.10GHz", "3"), "intel-skylake-client"},
		{"Coffee Lake", x86(intel, "6", "158", "Intel(R) Xeon(R) E-2176G CPU @ 3.70GHz", "10"), "intel-coffeelake"},
		{"Kaby Lake", x86(intel, "6", "158", "Intel(R) Xeon(R) CPU E3-1230 v6 @ 3.50GHz", "9"), ""},
		{"Ice Lake", x86(intel, "6", "106", "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", "6"), "intel-icelake"},
		{"Sapphire Rapids", x86(intel, "6", "143", "Intel(R) Xeon(R) Platinum 8488C", "8"), "intel-sapphirerapids"},
		{"Emerald Rapids", x86(intel, "6", "207", "INTEL(R) XEON(R) PLATINUM 8581C CPU @ 2.60GHz", "2"), "intel-emeraldrapids"},
		{"Granite Rapids", x86(intel, "6", "173", "Intel(R) Xeon(R) 6975P-C", "1"), "intel-graniterapids"},
		{"Sierra Forest", x86(intel, "6", "175", "Intel(R) Xeon(R) 6780E", "3"), "intel-sierraforest"},
		{"a laptop of Broadwell's family", x86(intel, "6", "71", "Intel(R) Core(TM) i7-5775C CPU @ 3.30GHz", "1"), ""},
		{"a laptop", x86(intel, "6", "140", "11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "1"), ""},
		{"an emulated CPU", x86(intel, "15", "6", "Common KVM processor", "1"), ""},
		{"another emulated CPU", x86(amd, "15", "107", "QEMU Virtual CPU version 2.5+", "1"), ""},
		{"AMD's numbers of Intel", x86(intel, "25", "1", "who knows", "1"), ""},

		{"Ampere Altra and Graviton 2", arm64("0x41", "0xd0c"), "arm-neoverse-n1"},
		{"Graviton 3", arm64("0x41", "0xd40"), ""},
		{"Grace and Graviton 4", arm64("0x41", "0xd4f"), ""},
		{"part of another vendor", arm64("0xc0", "0xd0c"), ""},
		{"AmpereOne", arm64("0xc0", "0xac3"), ""},

		{"POWER", "processor\t: 0\ncpu\t\t: POWER9 (architected), altivec supported\nclock\t\t: 2200.000000MHz\nrevision\t: 2.2 (pvr 004e 0202)\n\n", ""},
		{"s390x", "vendor_id       : IBM/S390\n# processors    : 2\nbogomips per cpu: 3033.00\nprocessor 0: version = FF,  identification = 030F88,  machine = 3931\n", ""},
		{"empty", "", ""},
		{"garbled", "\x00\xff: \n:::\nvendor_id\t: AuthenticAMD\nmodel\t: -1\ncpu family\t: 99999999999999999999\n", ""},
		{"numbers missing", "vendor_id\t: AuthenticAMD\nmodel name\t: AMD EPYC\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			found := parseCPUInfo([]byte(tt.text))
			if got := familyOf(found); got != tt.want {
				t.Errorf("%v is %q, want %q", found, got, tt.want)
			}
		})
	}
}

// The first processor counts: it is the one that the node's name stands for.
func TestParseCPUInfo(t *testing.T) {
	want := cpu{vendor: intel, name: "Intel(R) Xeon(R) @ 2.8 GHz: fast", family: 6, model: 106, stepping: 6, implementer: -1, part: -1}
	text := x86(intel, "6", "106", "Intel(R) Xeon(R) @ 2.8 GHz: fast", "6")
	for name, text := range map[string]string{
		"as it is":              text,
		"cut in the second one": text[:len(text)-80],
		"with an empty line":    "\n" + text,
		"another one follows":   text + x86(amd, "25", "1", "AMD EPYC", "1"),
		"lines end in CR LF":    strings.ReplaceAll(text, "\n", "\r\n"),
	} {
		if diff := cmp.Diff(want, parseCPUInfo([]byte(text)), cmp.AllowUnexported(cpu{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if got := parseCPUInfo([]byte(arm64("0x41", "0xd40"))).String(); got != "implementer 0x41, part 0xd40" {
		t.Error(got)
	}
	if got := parseCPUInfo(nil).String(); got != "no vendor and no name" {
		t.Error(got)
	}
}

// Every family that is recognised is in the table, and every one in the table is
// recognised: each has a line above.
func TestFamiliesAreInTheTable(t *testing.T) {
	recognised := make(map[string]bool)
	for model := range 256 {
		for family := range 32 {
			for stepping := range 16 {
				for _, vendor := range []string{amd, intel} {
					for _, name := range []string{"AMD EPYC 8", "a server's"} {
						recognised[familyOf(cpu{vendor, name, family, model, stepping, -1, -1})] = true
					}
				}
			}
		}
	}
	recognised[familyOf(parseCPUInfo([]byte(arm64("0x41", "0xd0c"))))] = true
	delete(recognised, "")
	for family := range recognised {
		if _, known := rowNamed(family); !known {
			t.Errorf("%s is recognised, and not in the table", family)
		}
	}
	for _, family := range modelNames() {
		if !recognised[family] && family != everything {
			t.Errorf("%s is in the table, and never recognised", family)
		}
	}
}

func FuzzParseCPUInfo(f *testing.F) {
	for _, seed := range []string{captured, x86(intel, "6", "85", "Intel(R) Xeon(R)", "7"), arm64("0x41", "0xd0c"), "", "model\t: 0x\n", ":\n:"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c := parseCPUInfo(text)
		for _, n := range []int{c.family, c.model, c.stepping, c.implementer, c.part} {
			if n < -1 {
				t.Errorf("%+v has a number below -1", c)
			}
		}
		if family := familyOf(c); family != "" {
			if _, known := rowNamed(family); !known {
				t.Errorf("%+v is of %s, which is not in the table", c, family)
			}
		}
		if c.String() == "" {
			t.Error("a CPU without a description")
		}
	})
}
