package hwmon

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

// layouts are machines, how they are configured, and what is told of them.
func layouts() map[string]struct {
	chips  []simnode.HwmonChip
	meters []Meter
	want   map[string]string // quality, chip and label, by resource and domain
	unused int64             // other sensors
} {
	second := uint16(1)
	socket := func(i int) simnode.HwmonChip { return simnode.Grace()[i] }
	type layout = struct {
		chips  []simnode.HwmonChip
		meters []Meter
		want   map[string]string
		unused int64
	}
	return map[string]layout{
		"a meter of ACPI":              {chips: simnode.ACPIMeter(false), want: map[string]string{"local_machine machine": "derived power_meter"}},
		"one in its device's folder":   {chips: simnode.ACPIMeter(true), want: map[string]string{"local_machine machine": "derived power_meter"}},
		"two of them, for who knows":   {chips: append(simnode.ACPIMeter(true), simnode.HwmonChip{Number: 9, Name: "power_meter", Device: "devices/ACPI000D:01", Sensors: simnode.ACPIMeter(true)[0].Sensors}), unused: 2},
		"one of a battery":             {chips: acpiWith("is_battery", "1"), unused: 1},
		"one with the vendor's text":   {chips: acpiWith("oem_info", "Total"), want: map[string]string{"local_machine machine": "derived power_meter Total"}},
		"one of sockets only":          {chips: acpiWith("oem_info", "GPU Power Socket 0"), unused: 1},
		"one that tells both":          {chips: withInput(), want: map[string]string{"local_machine machine": "derived power_meter"}},
		"no chip":                      {},
		"what any machine has":         {chips: simnode.OtherSensors(), unused: 5},
		"rails that nobody has named":  {chips: simnode.Jetson(), unused: 3},
		"a superchip of Grace":         {chips: simnode.Grace(), want: graceWant()},
		"one socket's meter is double": {chips: append(simnode.Grace(), simnode.HwmonChip{Number: 30, Name: "power_meter", Device: "devices/ACPI000D:99", Sensors: socket(2).Sensors}), want: without(graceWant(), "cpu_package 0 cpu"), unused: 2},
		"AMD's driver": {chips: simnode.AMDEnergy(4, 2), unused: 4, want: map[string]string{
			"cpu_package 0 package": "measured amd_energy Esocket0", "cpu_package 1 package": "measured amd_energy Esocket1",
		}},
		"all of it": {chips: slices.Concat(simnode.AMDEnergy(2, 1), simnode.ACPIMeter(true), simnode.OtherSensors(), simnode.Jetson()), unused: 10,
			want: map[string]string{"cpu_package 0 package": "measured amd_energy Esocket0", "local_machine machine": "derived power_meter"}},
		"rails that are named": {
			chips:  slices.Concat(simnode.Jetson(), simnode.OtherSensors(), simnode.ACPIMeter(true)),
			meters: []Meter{{Chip: "ina3221", Device: "1-0040", Label: "VDD_CPU_CV", Domain: "package"}, {Chip: "ina3221", Label: "VIN_SYS_5V0", Domain: "machine"}},
			want:   map[string]string{"cpu_package 0 package": "derived ina3221 VDD_CPU_CV", "local_machine machine": "derived ina3221 VIN_SYS_5V0"}, unused: 7,
		},
		"by chip, channel and socket": {
			chips: append(simnode.OtherSensors(), simnode.AMDEnergy(2, 1)...),
			meters: []Meter{{Chip: "BAT0", Label: "power1", Domain: "machine"}, {Chip: "amdgpu", Domain: "gpu"},
				{Chip: "amd_energy", Label: "Ecore001", Domain: "core", Socket: &second}},
			want: map[string]string{"local_machine machine": "derived BAT0", "local_machine gpu": "derived amdgpu PPT", "cpu_package 1 core": "measured amd_energy Ecore001"}, unused: 5,
		},
	}
}

func acpiWith(what, text string) []simnode.HwmonChip {
	chips := simnode.ACPIMeter(true)
	chips[0].Sensors[0].Beside[what] = text
	return chips
}

func withInput() []simnode.HwmonChip {
	chips := simnode.ACPIMeter(false)
	chips[0].Sensors = append(chips[0].Sensors, simnode.HwmonSensor{File: "power1_input", Start: 1})
	return chips
}

func graceWant() map[string]string {
	want := make(map[string]string)
	for _, socket := range []string{"0", "1"} {
		for domain, what := range map[string]string{"module": "Module", "grace": "Grace", "cpu": "CPU", "sysio": "SysIO"} {
			want["cpu_package "+socket+" "+domain] = "derived power_meter " + what + " Power Socket " + socket
		}
	}
	return want
}

func without(m map[string]string, key string) map[string]string {
	delete(m, key)
	return m
}

// K11: of all that shows power, what is known or named is taken, and nothing else; the rest
// is listed. The first tick tells nothing, K8.
func TestEveryLayout(t *testing.T) {
	for name, l := range layouts() {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMachine(t, only(l.meters...), l.chips...)
				m.run()
				if got := m.ticked(); len(got) != 0 {
					t.Errorf("the first tick tells %v", got)
				}
				time.Sleep(5 * time.Second)
				told := m.ticked()
				got := make(map[string]string)
				for _, x := range m.source.meters {
					got[nameOf(x.series)] = describe(x.series)
					if _, there := told[nameOf(x.series)]; !there {
						t.Errorf("nothing is told of %s", nameOf(x.series))
					}
				}
				if diff := cmp.Diff(l.want, got); diff != "" && len(l.want)+len(got) > 0 {
					t.Errorf("-want +got\n%s", diff)
				}
				if n := m.uses(unused); n != l.unused {
					t.Errorf("%d sensors are unused, want %d", n, l.unused)
				}
				if n := m.uses("ok"); n != int64(len(l.want)) {
					t.Errorf("%d sensors are used, want %d", n, len(l.want))
				}
			})
		})
	}
}

// describe tells quality, chip and label of a series.
func describe(s *measure.Series) string {
	var parts []string
	for _, key := range []string{keyQuality, keyChip, keyLabel} {
		if value, ok := s.Attribute(key); ok {
			parts = append(parts, value)
		}
	}
	return strings.Join(parts, " ")
}

// Attribution tells a pod's parts of two meters apart by resource, domain, quality and
// source: no two meters share them. S9: the unit is the one that is said.
func TestSeriesAreApart(t *testing.T) {
	for name, l := range layouts() {
		seen := make(map[string]bool)
		m := newMachine(t, only(l.meters...), l.chips...)
		m.ticked()
		for _, x := range m.source.meters {
			id := nameOf(x.series)
			if source, _ := x.series.Attribute(keySource); source != "hwmon" || seen[id] {
				t.Errorf("%s: %s of source %q is there twice, or of another source", name, id, source)
			}
			seen[id] = true
			if !slices.IsSortedFunc(x.series.Attributes, func(a, b measure.Attribute) int { return strings.Compare(a.Key, b.Key) }) {
				t.Errorf("%s: attributes are not sorted: %v", name, x.series.Attributes)
			}
			for _, a := range x.series.Attributes {
				if !slices.Contains(consumedEnergy.Attributes, a.Key) {
					t.Errorf("%s: attribute %s is not declared", name, a.Key)
				}
			}
		}
	}
	if !strings.HasSuffix(consumedEnergy.Name, "_energy") || consumedEnergy.Unit != measure.Microjoule || consumedEnergy.Kind != measure.Delta {
		t.Errorf("%+v is not divided among pods", consumedEnergy)
	}
}

// The sockets of AMD's driver are NUMA nodes. Those of one package show the same counter,
// which counts once.
func TestNodesOfOnePackage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMachine(t, nil, simnode.AMDEnergy(8, 4)...)
		for node, cpu := range []string{"0", "2", "4", "6"} {
			devices := m.host.SysfsRoot + "/devices/system"
			write(t, cpu+"-7\n", devices, "node/node"+string(rune('0'+node)), "cpulist")
			write(t, string(rune('0'+node/2))+"\n", devices, "cpu/cpu"+cpu, "topology/physical_package_id")
		}
		m.ticked()
		for _, file := range []string{"energy9_input", "energy10_input"} {
			m.must(m.Spend("amd_energy.0", file, 3*joule))
		}
		for _, file := range []string{"energy11_input", "energy12_input"} {
			m.must(m.Spend("amd_energy.0", file, 4*joule))
		}
		time.Sleep(time.Second)
		want := map[string]uint64{"cpu_package 0 package": 3 * joule, "cpu_package 1 package": 4 * joule}
		if diff := cmp.Diff(want, m.ticked()); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
}

// A meter of ACPI that says it measures devices of its own is not the machine's.
func TestMeterOfParts(t *testing.T) {
	f := func(want int, measures ...string) {
		t.Helper()
		for _, inDevice := range []bool{true, false} {
			m := newMachine(t, nil, simnode.ACPIMeter(inDevice)...)
			for _, name := range measures {
				write(t, "", m.host.SysfsRoot, simnode.ACPIMeter(true)[0].Device, "measures", name)
			}
			m.ticked()
			if got := len(m.source.meters); got != want {
				t.Errorf("a meter of %q is used %d times, want %d", measures, got, want)
			}
		}
	}
	f(1)
	f(1, "LNXSYBUS:00")
	f(0, "device:0a")
	f(0, "LNXCPU:00", "LNXCPU:01")
	f(1, "device:0a", "LNXSYBUS:00")
}
