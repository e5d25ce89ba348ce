package rapl

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

var errEmpty = errors.New("the file is empty")

// parseNumber parses a file that holds one number and a newline.
func parseNumber(text []byte) (uint64, error) {
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
