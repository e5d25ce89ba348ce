package simnode

import "fmt"

// ACPIMeter is a server whose firmware has one power meter for all of it, with a mean of a
// second; as older drivers show it, all is in the device's folder.
func ACPIMeter(inDevice bool) []HwmonChip {
	return []HwmonChip{acpi(2, "ACPI000D:00", inDevice, 200*watt, map[string]string{"average_interval": "1000", "is_battery": "0", "oem_info": ""})}
}

func acpi(number int, device string, inDevice bool, power uint64, beside map[string]string) HwmonChip {
	return HwmonChip{
		Number: number, Name: "power_meter", Device: "devices/LNXSYSTM:00/LNXSYBUS:00/" + device, InDevice: inDevice,
		Sensors: []HwmonSensor{{File: "power1_average", Start: power, Beside: beside}},
	}
}

// Grace is a superchip of two sockets. Each has four meters of ACPI, which hold one another.
func Grace() []HwmonChip {
	var chips []HwmonChip
	for socket := range 2 {
		for i, what := range []string{"Module", "Grace", "CPU", "SysIO"} {
			n := 4*socket + i
			chips = append(chips, acpi(n+3, fmt.Sprintf("ACPI000D:%02d", n), true, uint64(400-100*i)*watt, map[string]string{
				"average_interval": "50", "is_battery": "0", "oem_info": fmt.Sprintf("%s Power Socket %d", what, socket),
			}))
		}
	}
	return chips
}

// AMDEnergy is a server with AMD's own driver: counters of cores, and of NUMA nodes.
func AMDEnergy(cores, nodes int) []HwmonChip {
	chip := HwmonChip{Number: 1, Name: "amd_energy", Device: "devices/platform/amd_energy.0"}
	for i := range cores + nodes {
		label := fmt.Sprintf("Ecore%03d", i)
		if i >= cores {
			label = fmt.Sprintf("Esocket%d", i-cores)
		}
		chip.Sensors = append(chip.Sensors, HwmonSensor{
			File: fmt.Sprintf("energy%d_input", i+1), Start: uint64(i) * watt, Beside: map[string]string{"label": label},
		})
	}
	return []HwmonChip{chip}
}

// Jetson is a board whose rails a chip measures by voltage and current.
func Jetson() []HwmonChip {
	chip := HwmonChip{Number: 4, Name: "ina3221", Device: "devices/platform/c240000.i2c/i2c-1/1-0040"}
	for i, rail := range []string{"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"} {
		chip.Sensors = append(chip.Sensors,
			HwmonSensor{File: fmt.Sprintf("in%d_input", i+1), Start: 5000, Beside: map[string]string{"label": rail}},
			HwmonSensor{File: fmt.Sprintf("curr%d_input", i+1), Start: uint64(1000 * (i + 1))})
	}
	return []HwmonChip{chip}
}

// OtherSensors are chips that any machine may have: a disk, a network card, a graphics
// card, a power supply and a battery, whose power is not that of the CPUs.
func OtherSensors() []HwmonChip {
	one := func(number int, name, device, file, label string) HwmonChip {
		return HwmonChip{Number: number, Name: name, Device: device, Sensors: []HwmonSensor{
			{File: "temp1_input", Start: 40_000},
			{File: file, Start: 7 * watt, Beside: map[string]string{"label": label}},
		}}
	}
	return []HwmonChip{
		one(20, "nvme", "devices/pci0000:00/0000:00:1b.0/nvme/nvme0", "power1_input", "Composite"),
		one(21, "mlx5", "devices/pci0000:00/0000:01:00.0", "power1_input", "module0"),
		one(22, "amdgpu", "devices/pci0000:00/0000:03:00.0", "power1_average", "PPT"),
		one(23, "corsairpsu", "devices/pci0000:00/usb1/1-7", "power1_input", "power total"),
		one(24, "BAT0", "devices/LNXSYSTM:00/PNP0C0A:00/power_supply/BAT0", "power1_input", ""),
		{Number: 25, Name: "coretemp", Device: "devices/platform/coretemp.0", Sensors: []HwmonSensor{{File: "temp1_input", Start: 50_000}}},
	}
}
