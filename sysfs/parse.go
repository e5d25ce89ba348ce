package sysfs

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

var errEmpty = errors.New("the file is empty")

// ParseNumber parses a file that holds one number and a newline.
func ParseNumber(text []byte) (uint64, error) {
	text, _ = bytes.CutSuffix(text, []byte{'\n'})
	if len(text) == 0 {
		return 0, errEmpty
	}
	var n uint64
	for _, c := range text {
		d := uint64(c - '0')
		if d > 9 || n > (math.MaxUint64-d)/10 {
			return 0, fmt.Errorf("want a number of 64 bits, have %.40q", text)
		}
		n = 10*n + d
	}
	return n, nil
}

// ParseIndex parses a number in a name as the kernel writes it, without sign or leading
// zeros.
func ParseIndex(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 32)
	return n, err == nil && strconv.FormatUint(n, 10) == text
}

// longestName is what is kept of a name; the kernel's own have 30 bytes at most.
const longestName = 64

// Name makes a name of a file's text. Bytes that no output could show become U+FFFD. It is
// empty where the file says nothing.
func Name(text []byte) string {
	return Printable(strings.TrimSpace(string(text[:min(len(text), longestName)])))
}

// Printable replaces what no output could show by U+FFFD.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
