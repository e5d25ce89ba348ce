package cgroup

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParsePerCPU(t *testing.T) {
	for text, want := range map[string][]uint64{
		"0 \n":                          {0},
		"1 2 18446744073709551615 0 \n": {1, 2, 18446744073709551615, 0},
		"7 8":                           {7, 8},
		"":                              nil,
		"\n":                            nil,
		"1  2 \n":                       nil,
		"1 -2 \n":                       nil,
		"1 18446744073709551616 \n":     nil,
		"1 2\n3 \n":                     nil,
	} {
		got, err := parsePerCPU([]byte(text), make([]uint64, 9))
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestParseCPUs(t *testing.T) {
	const bad = "bad"
	for text, want := range map[string]string{
		"0\n": "0-0", "0-3,8\n": "0-3 8-8", "65535": "65535-65535", "\n": "", "": "",
		"0-3,": bad, ",1": bad, "3-0": bad, "0-65536": bad, "1,1": bad, "0-4,3": bad, "0-": bad, "-1": bad, "a": bad, "0-1-2": bad, "0 1": bad, "0-10:2/4": bad,
	} {
		ranges, err := ParseCPUs([]byte(text), make([]CPURange, 3))
		got := bad
		if err == nil {
			got = rangesText(ranges)
		}
		if got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
}

func rangesText(ranges []CPURange) string {
	var all []string
	for _, r := range ranges {
		all = append(all, strconv.Itoa(r.First)+"-"+strconv.Itoa(r.Last))
	}
	return strings.Join(all, " ")
}

// What is taken can be written again in the kernel's way and means the same.
func FuzzParseCPUs(f *testing.F) {
	for _, seed := range []string{"0-3,8\n", "", "0-65535", "1,", "00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := ParseCPUs(text, nil)
		if err != nil {
			return
		}
		again, err := ParseCPUs([]byte(strings.ReplaceAll(rangesText(got), " ", ",")), nil)
		if err != nil || !slices.Equal(again, got) {
			t.Errorf("%q: %v, then %v, %v", text, got, again, err)
		}
		for i, r := range got {
			if r.First > r.Last || r.Last >= mostCPUs || i > 0 && r.First <= got[i-1].Last {
				t.Errorf("%q: %v", text, got)
			}
		}
	})
}

func FuzzParsePerCPU(f *testing.F) {
	for _, seed := range []string{"1 2 3 \n", "0", "", "1  2", "18446744073709551616"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parsePerCPU(text, nil)
		if (err == nil) != (len(got) > 0) {
			t.Fatalf("%q: %v, %v", text, got, err)
		}
		var again []string
		for _, n := range got {
			again = append(again, strconv.FormatUint(n, 10))
		}
		if back, err := parsePerCPU([]byte(strings.Join(again, " ")+" \n"), nil); len(got) > 0 && (err != nil || !slices.Equal(back, got)) {
			t.Errorf("%q: %v, then %v, %v", text, got, back, err)
		}
	})
}

// On a hybrid node the CPU time is told by CPU where version 1 counts it, and where
// version 2 does, a set is told where its tree has one.
func TestTellsPerCPU(t *testing.T) {
	for version, want := range map[string]bool{"v1": true, "v2": false} {
		if got := open(t, detailTree(t, version)).TellsPerCPU(); got != want {
			t.Errorf("%s: %v, want %v", version, got, want)
		}
	}
}
