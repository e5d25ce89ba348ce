package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// Value is a number that the kernel may or may not tell. What it does not tell
// is absent, not zero.
type Value struct {
	N     uint64
	Known bool
}

var errEmpty = errors.New("the file is empty")

// parseNumber parses a file that holds one number and a newline.
func parseNumber(text []byte) (Value, error) {
	if len(text) == 0 {
		return Value{}, errEmpty
	}
	text, _ = bytes.CutSuffix(text, []byte{'\n'})
	n, ok := digits(text)
	if !ok {
		return Value{}, fmt.Errorf("want a number, have %s", excerpt(text))
	}
	return Value{N: n, Known: true}, nil
}

// keyed names a key and where its value goes.
type keyed struct {
	key  string
	into *Value
}

// parseKeyed parses a file of lines "key value" and multiplies the values by
// scale. It ends when all wanted keys were found. Lines may come in any order,
// since the kernel adds new ones in any place. A value that is no number is an
// error and stays absent; the others are still taken.
func parseKeyed(text []byte, scale uint64, want ...keyed) (err error) {
	if len(text) == 0 {
		return errEmpty
	}
	for left := len(want); len(text) > 0 && left > 0; {
		line, rest := text, []byte(nil)
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, rest = text[:i], text[i+1:]
		}
		text = rest
		key, value := line, []byte(nil)
		if i := bytes.IndexByte(line, ' '); i >= 0 {
			key, value = line[:i], line[i+1:]
		}
		for _, w := range want {
			if string(key) != w.key || w.into.Known {
				continue
			}
			n, ok := digits(value)
			if !ok || n > math.MaxUint64/scale {
				err = fmt.Errorf("want a number after %s, have %s", key, excerpt(value))
				break
			}
			*w.into = Value{N: n * scale, Known: true}
			left--
			break
		}
	}
	return err
}

// cutLine takes the first line off a text, without its end.
func cutLine(text *[]byte) []byte { return cutAt(text, '\n') }

// cutWord takes the first word off a line, and the space behind it.
func cutWord(line *[]byte) []byte { return cutAt(line, ' ') }

func cutAt(text *[]byte, end byte) []byte {
	all := *text
	if i := bytes.IndexByte(all, end); i >= 0 {
		*text = all[i+1:]
		return all[:i]
	}
	*text = nil
	return all
}

// digits parses a decimal number that consists of nothing but digits.
func digits(b []byte) (uint64, bool) {
	if len(b) == 0 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		d := uint64(c - '0')
		if d > 9 || n > math.MaxUint64/10 {
			return 0, false
		}
		if n = n*10 + d; n < d {
			return 0, false
		}
	}
	return n, true
}

// excerpt quotes the beginning of a text for an error.
func excerpt(b []byte) string {
	const most = 40
	switch {
	case len(b) == 0:
		return "nothing"
	case len(b) > most:
		return strconv.Quote(string(b[:most])) + "…"
	}
	return strconv.Quote(string(b))
}
