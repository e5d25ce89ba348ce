package simnode

// The machines of powercap_layout.go once more, with the events and scopes that the kernel
// gives them (arch/x86/events/rapl.c).

// IntelClientPMUs are those of IntelClient.
func IntelClientPMUs() []PMU {
	return []PMU{{"power", []string{"energy-pkg", "energy-cores", "energy-gpu", "energy-psys"}, []PMUCPU{{CPU: 0}}}}
}

// TwoSocketServerPMUs are those of TwoSocketServer.
func TwoSocketServerPMUs() []PMU {
	return []PMU{{"power", []string{"energy-pkg", "energy-ram"}, []PMUCPU{{CPU: 0}, {CPU: 28, Socket: 1}}}}
}

// AMDServerPMUs are those of AMDServer, with two cores for each socket, whose numbers are
// the same on both.
func AMDServerPMUs() []PMU {
	return []PMU{
		{"power", []string{"energy-pkg"}, []PMUCPU{{CPU: 0}, {CPU: 64, Socket: 1}}},
		{"power_core", []string{"energy-core"}, []PMUCPU{
			{CPU: 0}, {CPU: 1, Core: 1}, {CPU: 64, Socket: 1}, {CPU: 65, Socket: 1, Core: 1},
		}},
	}
}

// MultiDiePMUs are those of MultiDie.
func MultiDiePMUs() []PMU {
	return []PMU{{"power", []string{"energy-pkg", "energy-ram"}, []PMUCPU{
		{CPU: 0}, {CPU: 24, Die: 1}, {CPU: 48, Socket: 1}, {CPU: 72, Socket: 1, Die: 1},
	}}}
}
