package estimate

import (
	"fmt"
	"slices"
	"strings"
)

// row is what the servers of one CPU micro-architecture took, for each hardware thread.
type row struct {
	family   string
	machines int
	// idle and full are without work and under full load; dynamic is the difference of
	// the two, machine by machine.
	idle, full, dynamic spread
}

// spread is in mW: the 10th, 50th and 90th percentile of the machines, and their mean.
type spread struct{ low, median, high, mean uint64 }

// everything is the family of the row over all others, for a CPU that is not known.
const everything = "unknown"

// rowNamed returns the row of a family.
func rowNamed(family string) (row, bool) {
	rows := table()
	i := slices.IndexFunc(rows, func(r row) bool { return r.family == family })
	if i < 0 {
		return row{}, false
	}
	return rows[i], true
}

// modelNames returns what `model` may be.
func modelNames() []string {
	var names []string
	for _, r := range table() {
		names = append(names, r.family)
	}
	return names
}

// model is what is known of a thread's power.
type model struct {
	// name is the family with the version of the table, as series tell it.
	name string
	// power is in µW for each hardware thread: idle for every moment, dynamic for those
	// in which it is busy besides.
	power [levels][parts]uint64
	// levels is how many of them there are: without a band only the middle.
	levels   int
	machines int // behind it; 0 is not known
}

// model returns the estimate of a row, with its band. The middle is the line between the
// medians of idle and full. The ends of the band are those of idle and of dynamic alone,
// so that each part has a band of its own, and the band of the whole is their sum.
func (r row) model() model {
	m := model{name: r.family + "-" + tableVersion, levels: levels, machines: r.machines}
	m.power[levelMiddle] = [parts]uint64{partIdle: r.idle.median, partDynamic: r.full.median - r.idle.median}
	m.power[levelLow] = [parts]uint64{partIdle: r.idle.low, partDynamic: r.dynamic.low}
	m.power[levelHigh] = [parts]uint64{partIdle: r.idle.high, partDynamic: r.dynamic.high}
	for level := range m.power {
		for part := range m.power[level] {
			m.power[level][part] *= 1000 // mW to µW
		}
	}
	return m
}

// unknownModel is the one of a CPU that is not in the table: that of all servers in it.
func unknownModel() model {
	r, _ := rowNamed(everything)
	return r.model()
}

// configuredModel has what the configuration says, in µW for each thread, and no band.
func configuredModel(idle, full uint64) model {
	m := model{name: "configured", levels: 1}
	m.power[levelMiddle] = [parts]uint64{partIdle: idle, partDynamic: full - idle}
	return m
}

// doubt is what Ready says of a CPU that is not known, and what helps.
func doubt(format string, args ...any) error {
	return fmt.Errorf("the CPU is not known, so that the range of all servers is published: "+format+
		"; set model to the nearest of "+strings.Join(modelNames(), ", ")+
		", or idle_watts_per_thread and full_watts_per_thread to what is known of the server", args...)
}
