package rapl

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/podjoule/podjoule/sysfs"
)

// Where limits.told comes from.
const (
	fromZone    = "zone"    // its own constraints
	fromParent  = "parent"  // those of the zone above
	fromDefault = "default" // neither tells
)

// Powers in µW. The defaults are generous: the largest sockets of today are sold for
// 500 W and draw somewhat more for moments.
const (
	watt            = 1_000_000
	headroom        = 2 // a zone may draw more than its limit for moments
	leastTold       = 100 * watt
	socketDefault   = 1_000 * watt
	socketMost      = 2_000 * watt
	platformDefault = 4_000 * watt
	platformMost    = 8_000 * watt
)

// limitsOf reads what a zone tells of its counter and its power. above are the limits of
// the zone above, nil for none. With an error the limits are the defaults for what could
// not be read.
func limitsOf(folder string, p place, above *limits) (limits, error) {
	l := defaultLimits(p)
	highest := highestPower(folder)
	switch {
	case highest > 0:
		l.told, l.from = max(leastTold, headroom*min(highest, l.most/headroom)), fromZone
	case above != nil && above.from != fromDefault:
		l.told, l.from = above.told, fromParent
	}
	file := filepath.Join(folder, "max_energy_range_uj")
	text, err := os.ReadFile(file)
	if err == nil {
		if l.span, err = sysfs.ParseNumber(text); err == nil && l.span == 0 {
			err = errors.New("it is 0")
		}
	}
	if err != nil {
		l.span = 0
		return l, fmt.Errorf("read %s: %w; without it, a counter that wraps counts as reset", file, err)
	}
	return l, nil
}

// defaultLimits are those of a zone that tells none.
func defaultLimits(p place) limits {
	if p.resource.Kind == kindPackage || p.resource.Kind == kindDRAM {
		return limits{told: socketDefault, most: socketMost, from: fromDefault}
	}
	return limits{told: platformDefault, most: platformMost, from: fromDefault}
}

// highestPower is the highest of the powers in a zone's constraints: the design power of
// the part, and the limits that are set. It is 0 when none is told; firmware leaves out
// any of them, or writes 0.
func highestPower(folder string) uint64 {
	var highest uint64
	for i := range 8 {
		found := false
		for _, what := range []string{"max_power_uw", "power_limit_uw"} {
			text, err := os.ReadFile(filepath.Join(folder, fmt.Sprintf("constraint_%d_%s", i, what)))
			found = found || !errors.Is(err, fs.ErrNotExist)
			if err != nil {
				continue
			}
			if n, err := sysfs.ParseNumber(text); err == nil {
				highest = max(highest, n)
			}
		}
		if !found {
			break
		}
	}
	return highest
}
