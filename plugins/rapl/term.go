package rapl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/podjoule/podjoule/sysfs"
)

// field is where a term of an event stands in the number that the kernel wants: width bits
// from the one whose number is low.
type field struct{ low, width uint64 }

// eventField is where the term event stands unless the kernel says otherwise.
func eventField() field { return field{0, 8} }

// parseFormat parses what the kernel says of a term's place, such as "config:0-7".
func parseFormat(text string) (field, error) {
	bits, ok := strings.CutPrefix(text, "config:")
	from, to, isRange := strings.Cut(bits, "-")
	low, fine := sysfs.ParseIndex(from)
	high := low
	if fine && isRange {
		high, fine = sysfs.ParseIndex(to)
	}
	if !ok || !fine || high < low || high > 63 {
		return field{}, fmt.Errorf("want a place such as config:0-7, have %.64q", text)
	}
	return field{low, high - low + 1}, nil
}

// parseEvent parses the text of an event, such as "event=0x02", and returns its number
// for the kernel. An event that has other terms is not one of energy.
func parseEvent(text string, at field) (uint64, error) {
	value, ok := strings.CutPrefix(text, "event=")
	n, err := strconv.ParseUint(value, 0, 64)
	if !ok || err != nil || strings.Contains(value, "_") {
		return 0, fmt.Errorf("want a term such as event=0x02 and no other, have %.64q", text)
	}
	if at.width < 64 && n>>at.width != 0 {
		return 0, fmt.Errorf("%.64q does not fit into %d bits", text, at.width)
	}
	return n << at.low, nil
}
