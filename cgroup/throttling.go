package cgroup

import (
	"errors"
)

// Throttling is what the quota of a cgroup's CPU time, its CPU limit, did to it
// since it was made. Quotas of cgroups below and above it are told there.
type Throttling struct {
	// Periods counts the periods of the quota in which something ran, Throttled
	// those among them in which the quota was used up.
	Periods, Throttled Value
	// Time is how long it was kept from running, in nanoseconds, summed over
	// the machine's CPUs. Version 2 rounds it down to microseconds.
	Time Value
}

func throttlingFiles() []string { return []string{"cpu.stat"} }

// CPUAndThrottling reads the CPU time and the throttling, which share a file on
// version 2, on the same terms as CPU. With a nil cpu, only the latter is
// wanted.
func (r *Reader) CPUAndThrottling(buf *Buffer, cpu *CPU, t *Throttling) error {
	*t = Throttling{}
	if r.h.sharesCPUStat() {
		return r.cpuStat(buf, cpu, t)
	}
	var err error
	if cpu != nil {
		if err = r.CPU(buf, cpu); err != nil && errors.Is(err, ErrGone) {
			return err
		}
	}
	if r.h.throttling.dir == "" {
		return err
	}
	f := r.files(&r.throttling, r.h.throttling, throttlingFiles())
	return join(err, r.parseAside(&f[0], buf, func(text []byte) error {
		if r.h.throttling.v2 {
			return parseThrottling(text, t)
		}
		return parseThrottlingV1(text, t)
	}))
}

// cpuStat reads version 2's cpu.stat, for CPU time, for throttling, or for both.
func (r *Reader) cpuStat(buf *Buffer, cpu *CPU, t *Throttling) error {
	if cpu != nil {
		*cpu = CPU{}
	}
	return r.parse(&r.cpuTotal, buf, func(text []byte) error {
		if cpu == nil {
			return parseThrottling(text, t)
		}
		err := parseCPUStat(text, cpu)
		if err == nil && !cpu.Total.Known {
			err = errNoUsage
		}
		if t == nil {
			return err
		}
		return join(err, parseThrottling(text, t))
	})
}

// parseThrottling parses version 2's cpu.stat, which has the keys where the cpu
// controller is on.
func parseThrottling(text []byte, t *Throttling) error {
	return join(
		parseKeyed(text, 1, keyed{"nr_periods", &t.Periods}, keyed{"nr_throttled", &t.Throttled}),
		parseKeyed(text, nsPerMicrosecond, keyed{"throttled_usec", &t.Time}))
}

// parseThrottlingV1 parses version 1's cpu.stat.
func parseThrottlingV1(text []byte, t *Throttling) error {
	return parseKeyed(text, 1,
		keyed{"nr_periods", &t.Periods}, keyed{"nr_throttled", &t.Throttled}, keyed{"throttled_time", &t.Time})
}
