package cgroup

// CPU is the CPU time that a cgroup and all its descendants have used since it
// was made, the dead ones included, in nanoseconds.
//
// None of the values can be derived from the others. Version 2 rounds each one
// down to microseconds on its own, so that user and system can add up to 1 µs
// less than the total; version 1 samples them at the kernel's ticks, so that
// they can add up to some ticks more or less.
type CPU struct {
	// Total is all time, User and System what of it was spent where.
	Total, User, System Value
}

const (
	nsPerMicrosecond = 1_000
	// nsPerTick is the unit of version 1's cpuacct.stat: USER_HZ is 100 on
	// every architecture that Go runs on.
	nsPerTick = 10_000_000
)

// parseCPUStat parses version 2's cpu.stat.
func parseCPUStat(text []byte, cpu *CPU) error {
	return parseKeyed(text, nsPerMicrosecond,
		keyed{"usage_usec", &cpu.Total}, keyed{"user_usec", &cpu.User}, keyed{"system_usec", &cpu.System})
}

// parseCPUAcctStat parses version 1's cpuacct.stat.
func parseCPUAcctStat(text []byte, cpu *CPU) error {
	return parseKeyed(text, nsPerTick, keyed{"user", &cpu.User}, keyed{"system", &cpu.System})
}
