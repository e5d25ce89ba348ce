package simnode

// Ranges of counters of 32 bits, in µJ.
const (
	// IntelRange is that of units of 2^-14 J.
	IntelRange = 262_143_328_850
	// AMDRange is that of units of 2^-16 J.
	AMDRange = 65_532_610_987
)

const watt = 1_000_000 // in µW

// IntelClient is a laptop: one package with cores and graphics, the platform, and the
// package once more by another way.
func IntelClient() []PowercapZone {
	return []PowercapZone{
		{Folder: "intel-rapl:0", Name: "package-0", Range: IntelRange, MaxPower: 15 * watt},
		{Folder: "intel-rapl:0:0", Name: "core", Range: IntelRange},
		{Folder: "intel-rapl:0:1", Name: "uncore", Range: IntelRange},
		{Folder: "intel-rapl:1", Name: "psys", Range: IntelRange, MaxPower: 60 * watt},
		{Folder: "intel-rapl-mmio:0", Name: "package-0", Range: IntelRange, MaxPower: 15 * watt},
	}
}

// TwoSocketServer is an Intel server: two packages, each with its memory.
func TwoSocketServer() []PowercapZone {
	return []PowercapZone{
		{Folder: "intel-rapl:0", Name: "package-0", Range: IntelRange, MaxPower: 205 * watt},
		{Folder: "intel-rapl:0:0", Name: "dram", Range: AMDRange, MaxPower: 40 * watt},
		{Folder: "intel-rapl:1", Name: "package-1", Range: IntelRange, MaxPower: 205 * watt},
		{Folder: "intel-rapl:1:0", Name: "dram", Range: AMDRange, MaxPower: 40 * watt},
	}
}

// AMDServer is a server with two packages and their cores, without any constraints.
func AMDServer() []PowercapZone {
	return []PowercapZone{
		{Folder: "intel-rapl:0", Name: "package-0", Range: AMDRange},
		{Folder: "intel-rapl:0:0", Name: "core", Range: AMDRange},
		{Folder: "intel-rapl:1", Name: "package-1", Range: AMDRange},
		{Folder: "intel-rapl:1:0", Name: "core", Range: AMDRange},
	}
}

// MultiDie is an Intel server with two packages of two dies each.
func MultiDie() []PowercapZone {
	var all []PowercapZone
	for i, name := range []string{"package-0-die-0", "package-0-die-1", "package-1-die-0", "package-1-die-1"} {
		folder := "intel-rapl:" + string(rune('0'+i))
		all = append(all,
			PowercapZone{Folder: folder, Name: name, Range: IntelRange, MaxPower: 200 * watt},
			PowercapZone{Folder: folder + ":0", Name: "dram", Range: AMDRange})
	}
	return all
}
