package rapl

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// scale is what one count of an event is worth: num/den µJ, exactly. What is converted is
// the total, so that no rounding adds up: a delta is the difference of two totals, each of
// them rounded down.
type scale struct {
	num, den uint64
	// wide is the same where a fraction of 64 bits cannot hold it; else nil.
	wide *big.Rat
}

// Bounds of the text of a scale; the kernel's own has 28 bytes.
const (
	longestScale    = 64
	largestExponent = 40
)

// parseScale parses the joules of one count, a decimal number such as
// "2.3283064365386962890625e-10", which is 2^-32.
func parseScale(text string) (scale, error) {
	wrong := fmt.Errorf("want the joules of one count as a decimal number above 0, have %.*q", longestScale, text)
	mantissa, exponent, has := strings.Cut(strings.ToLower(text), "e")
	if len(text) > longestScale || strings.Trim(mantissa, "0123456789.") != "" || strings.Count(mantissa, ".") > 1 ||
		strings.Trim(mantissa, ".") == "" {
		return scale{}, wrong
	}
	if has { // bounded, as it is how many digits a number gets
		if n, err := strconv.Atoi(exponent); err != nil || n < -largestExponent || n > largestExponent {
			return scale{}, wrong
		}
	}
	joules, ok := new(big.Rat).SetString(text)
	if !ok || joules.Sign() <= 0 {
		return scale{}, wrong
	}
	worth := joules.Mul(joules, big.NewRat(1_000_000, 1))
	if worth.Num().IsUint64() && worth.Denom().IsUint64() {
		return scale{num: worth.Num().Uint64(), den: worth.Denom().Uint64()}, nil
	}
	return scale{wide: worth}, nil
}

// microjoules returns what a number of counts is worth, rounded down. Beyond 64 bits it
// goes on at 0.
func (s *scale) microjoules(count uint64) uint64 {
	if s.wide != nil {
		n := s.floor(new(big.Int).SetUint64(count))
		return n.And(n, new(big.Int).SetUint64(math.MaxUint64)).Uint64()
	}
	high, low := bits.Mul64(count, s.num)
	n, _ := bits.Div64(high%s.den, low, s.den)
	return n
}

// span returns what a counter of 64 bits counts until it begins at 0 again, in µJ: 136
// years at 1 W for the kernel's own scale, a hundred days at 500 W.
func (s *scale) span() uint64 {
	n := s.floor(new(big.Int).Lsh(big.NewInt(1), 64))
	if !n.IsUint64() {
		return math.MaxUint64
	}
	return n.Uint64()
}

// floor is microjoules in any size.
func (s *scale) floor(count *big.Int) *big.Int {
	worth := s.wide
	if worth == nil {
		worth = new(big.Rat).SetFrac(new(big.Int).SetUint64(s.num), new(big.Int).SetUint64(s.den))
	}
	n := new(big.Int).Mul(count, worth.Num())
	return n.Quo(n, worth.Denom())
}
