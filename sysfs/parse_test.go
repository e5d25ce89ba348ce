package sysfs

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseNumber(t *testing.T) {
	f := func(text string, want uint64, ok bool) {
		t.Helper()
		if got, err := ParseNumber([]byte(text)); got != want || (err == nil) != ok {
			t.Errorf("%q: %d, %v; want %d, %v", text, got, err, want, ok)
		}
	}
	f("0\n", 0, true)
	f("262143328850\n", 262_143_328_850, true)
	f("00007", 7, true)
	f("18446744073709551615\n", math.MaxUint64, true)
	for _, bad := range []string{"", "\n", "-1\n", "+1\n", "1 \n", "1\n\n", "1.5\n", "0x1\n", "18446744073709551616\n", "99999999999999999999999\n", "１\n"} {
		f(bad, 0, false)
	}
}

func FuzzParseNumber(f *testing.F) {
	for _, seed := range []string{"0\n", "262143328850\n", "18446744073709551616", "", "1\n2"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseNumber(text)
		want, wantErr := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 64)
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%q: %d, %v; want %d, %v", text, got, err, want, wantErr)
		}
	})
}

func TestParseIndex(t *testing.T) {
	f := func(text string, want uint64, ok bool) {
		t.Helper()
		if got, is := ParseIndex(text); is != ok || ok && got != want {
			t.Errorf("%q: %d, %v; want %d, %v", text, got, is, want, ok)
		}
	}
	f("0", 0, true)
	f("4294967295", math.MaxUint32, true)
	for _, bad := range []string{"", "00", "01", "+1", "-1", " 1", "1 ", "0x1", "4294967296"} {
		f(bad, 0, false)
	}
}

func FuzzName(f *testing.F) {
	for _, seed := range []string{"package-0\n", "\xff\n\n", "", "a\x00b", strings.Repeat("é", 40)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		name := Name(text)
		if !utf8.ValidString(name) || strings.ContainsAny(name, "\n\x00\x7f") || strings.TrimSpace(name) != name {
			t.Errorf("%q becomes %q, which is no name", text, name)
		}
		if name == "" && strings.TrimSpace(string(text[:min(len(text), longestName)])) != "" {
			t.Errorf("%q has no name", text)
		}
	})
}
