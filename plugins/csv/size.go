package csv

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is a number of bytes in the configuration, written as a string such as
// "64MiB" or "1GB". A bare number has no unit and is refused.
type Size int64

// unit is a unit of sizes.
type unit struct {
	name  string
	bytes int64
}

// units are the units of sizes, the largest binary one first.
func units() []unit {
	return []unit{
		{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
		{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1},
	}
}

// UnmarshalTOML takes a whole number with a unit.
func (s *Size) UnmarshalTOML(v any) error {
	text, ok := v.(string)
	if !ok {
		return fmt.Errorf("want a size in quotes such as \"64MiB\", have %v", v)
	}
	for _, u := range units() {
		digits, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 63)
		if err != nil || n > uint64(math.MaxInt64/u.bytes) {
			break
		}
		*s = Size(int64(n) * u.bytes)
		return nil
	}
	return fmt.Errorf("want a size such as \"64MiB\", \"1GiB\" or \"500kB\", have %.30q", text)
}

// MarshalText writes the size as UnmarshalTOML reads it, with the largest binary
// unit that makes it a whole number.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range units()[:4] {
		if n := int64(s); n != 0 && n%u.bytes == 0 {
			return []byte(strconv.FormatInt(n/u.bytes, 10) + u.name), nil
		}
	}
	return []byte(strconv.FormatInt(int64(s), 10) + "B"), nil
}
