package cgroup

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func val(n uint64) Value { return Value{N: n, Known: true} }

func TestParseNumber(t *testing.T) {
	f := func(text string, want uint64) {
		t.Helper()
		got, err := parseNumber([]byte(text))
		if err != nil || got != val(want) {
			t.Errorf("parseNumber(%q) = %v, %v; want %d", text, got, err, want)
		}
	}
	f("0\n", 0)
	f("123\n", 123)
	f("123", 123)
	f("18446744073709551615\n", math.MaxUint64)
	f("00000000000000000000000042\n", 42)
	bad := func(text string) {
		t.Helper()
		if got, err := parseNumber([]byte(text)); err == nil || got.Known {
			t.Errorf("parseNumber(%q) = %v, want an error", text, got)
		}
	}
	bad("")
	bad("\n")
	bad("max\n")
	bad("-1\n")
	bad("1 2\n")
	bad("12\n34\n")
	bad("1e3\n")
	bad("\x00\x01")
	bad("18446744073709551616\n")
	bad("99999999999999999999\n")
}

func TestParseCPUStat(t *testing.T) {
	f := func(text string, want CPU, wantErr string) {
		t.Helper()
		var got CPU
		err := parseCPUStat([]byte(text), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("parseCPUStat(%q): -want +got\n%s", text, diff)
		}
		if (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
			t.Errorf("parseCPUStat(%q): error %v, want %q", text, err, wantErr)
		}
	}
	f("usage_usec 12\nuser_usec 7\nsystem_usec 5\nnr_periods 0\n", CPU{val(12_000), val(7_000), val(5_000)}, "")
	f("nice_usec 3\nsystem_usec 5\nfuture_usec 1\nuser_usec 7\nusage_usec 12", CPU{val(12_000), val(7_000), val(5_000)}, "")
	f("usage_usec 12\n", CPU{Total: val(12_000)}, "")
	f("nr_periods 5\n", CPU{}, "")
	f("", CPU{}, "empty")
	f("usage_usec\nuser_usec 7\n", CPU{User: val(7_000)}, "after usage_usec, have nothing")
	f("usage_usec x\nuser_usec 7\n", CPU{User: val(7_000)}, `have "x"`)
	f("usage_usec 18446744073709552\n", CPU{}, "usage_usec") // overflows in ns
	f("usage_usec 18446744073709551\n", CPU{Total: val(18446744073709551000)}, "")
}

func TestParseCPUAcctStat(t *testing.T) {
	var got CPU
	if err := parseCPUAcctStat([]byte("user 3\nsystem 14\n"), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(CPU{User: val(30_000_000), System: val(140_000_000)}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestParseMemoryStat(t *testing.T) {
	v2 := "anon 1\nfile 2\nkernel 99\nkernel_stack 3\npagetables 4\nsec_pagetables 5\n"
	var got Memory
	if err := parseMemoryStat([]byte(v2), &got); err != nil {
		t.Fatal(err)
	}
	want := Memory{Anonymous: val(1), File: val(2), KernelStack: val(3), PageTables: val(4)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	got = Memory{}
	if err := parseMemoryStatV1([]byte("cache 0\nrss 0\ntotal_cache 8\ntotal_rss 9\ntotal_rss_huge 7\n"), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Memory{Anonymous: val(9), File: val(8)}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// The kernel says that keys may move: no order may change the result.
func TestMemoryStatInAnyOrder(t *testing.T) {
	lines := []string{"anon 1", "file 2", "kernel_stack 3", "pagetables 4", "slab 5", "anon_thp 6", "file_mapped 7"}
	want := Memory{Anonymous: val(1), File: val(2), KernelStack: val(3), PageTables: val(4)}
	for i := range lines {
		rotated := append(append([]string(nil), lines[i:]...), lines[:i]...)
		for _, newline := range []string{"", "\n"} {
			var got Memory
			if err := parseMemoryStat([]byte(strings.Join(rotated, "\n")+newline), &got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v: -want +got\n%s", rotated, diff)
			}
		}
	}
}

func FuzzParseNumber(f *testing.F) {
	f.Add([]byte("123\n"))
	f.Add([]byte("18446744073709551616"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseNumber(text)
		want, wantErr := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 64)
		if strings.HasPrefix(string(text), "+") {
			return // the kernel writes none, and neither do we take it
		}
		if (err == nil) != (wantErr == nil) || err == nil && got != val(want) {
			t.Errorf("parseNumber(%q) = %v, %v; strconv has %d, %v", text, got, err, want, wantErr)
		}
	})
}

func FuzzParseKeyed(f *testing.F) {
	f.Add([]byte("usage_usec 12\nuser_usec 7\nsystem_usec 5\n"))
	f.Add([]byte("anon 1\nfile 2\nkernel_stack 3\npagetables 4\n"))
	f.Add([]byte("total_cache 8\ntotal_rss 9"))
	f.Add([]byte("user x\nsystem\n\n\n 3"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var cpu CPU
		var m Memory
		errs := []error{parseCPUStat(text, &cpu), parseCPUAcctStat(text, &cpu), parseMemoryStat(text, &m), parseMemoryStatV1(text, &m)}
		if len(text) == 0 {
			for i, err := range errs {
				if err == nil {
					t.Errorf("parser %d takes an empty file", i)
				}
			}
		}
		// A plain reading of the same text agrees where each key stands once.
		values := make(map[string][]string)
		for line := range strings.SplitSeq(string(text), "\n") {
			key, value, _ := strings.Cut(line, " ")
			values[key] = append(values[key], value)
		}
		var again Memory
		_ = parseMemoryStat(text, &again) // its error was looked at above
		if len(values["anon"]) == 1 && len(values["file"]) == 1 && len(values["kernel_stack"]) == 1 && len(values["pagetables"]) == 1 {
			want, err := strconv.ParseUint(values["anon"][0], 10, 64)
			if ok := err == nil && !strings.HasPrefix(values["anon"][0], "+"); ok != again.Anonymous.Known || ok && again.Anonymous.N != want {
				t.Errorf("anon in %q: %+v, want %d, %v", text, again.Anonymous, want, err)
			}
		}
	})
}
