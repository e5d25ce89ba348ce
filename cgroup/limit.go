package cgroup

import "bytes"

const (
	// unlimited is what version 1 writes at least where there is no limit: the
	// largest int64, rounded down to whole pages of the machine.
	unlimited = 1 << 62
	// unlimited32 is what a 32-bit kernel writes: the largest int32 of pages.
	unlimited32 = 0x7fff_ffff_000
)

// parseLimit parses a file that holds a limit. Where there is none, which
// version 2 calls "max", the value is not known.
func parseLimit(text []byte) (Value, error) {
	if word, _ := bytes.CutSuffix(text, []byte{'\n'}); string(word) == "max" {
		return Value{}, nil
	}
	v, err := parseNumber(text)
	if v.N >= unlimited || v.N == unlimited32 {
		return Value{}, err
	}
	return v, err
}
