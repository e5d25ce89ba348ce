package plugin

import (
	"strings"

	"github.com/podjoule/podjoule/agent/measure"
)

// Metered is a source of energy that can list the meters that it knows of, for people who
// ask what their machine has: those that it reads, and those that it does not, with the
// reason. Sources need not have it.
type Metered interface {
	Source
	// Meters returns the meters as the last Poll found them, in an order that stays. It
	// is not called while Poll is running. A kind of meter of which the machine has
	// none is one Meter, whose state is MeterAbsent.
	Meters() []Meter
}

// Meter is an energy meter as a source sees it.
type Meter struct {
	// Name is what the machine calls it, such as "package-0 (intel-rapl:0)", or, where
	// there is none, the kind of meter.
	Name string
	// Domain and Resource are what it measures. They are empty where that is not known.
	Domain   string
	Resource measure.Resource
	// State says whether it is used.
	State MeterState
	// Why is the reason of any state but MeterUsed, in which it may tell what to know
	// about the numbers. Remedy is what would make the meter usable; empty is nothing.
	Why, Remedy string
	// Energy are the series that together are what the meter tells. A meter that is not
	// read has none.
	Energy []*measure.Series
}

// MeterState says whether a meter is used.
type MeterState string

// A meter is used, or it shows what another one that is used does, or it is there and
// cannot be read, or it is not there, or it is not needed, as another one does better, or
// it is there and nothing says what it measures.
const (
	MeterUsed       MeterState = "used"
	MeterDuplicate  MeterState = "duplicate"
	MeterUnreadable MeterState = "unreadable"
	MeterAbsent     MeterState = "absent"
	MeterNotNeeded  MeterState = "not needed"
	MeterUnknown    MeterState = "unknown"
)

// Apart takes an error apart that says what is wrong and, after its first semicolon, what
// helps.
func Apart(err error) (why, remedy string) {
	why, remedy, _ = strings.Cut(err.Error(), "; ")
	return why, remedy
}
