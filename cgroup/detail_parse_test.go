package cgroup

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// wants fails unless an error is there exactly where a text is wanted of it.
func wants(t *testing.T, what string, err error, text string) {
	t.Helper()
	if (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
		t.Errorf("%s: error %v, want %q", what, err, text)
	}
}

// No limit is not a huge one.
func TestParseLimit(t *testing.T) {
	f := func(text string, want Value, wantErr string) {
		t.Helper()
		got, err := parseLimit([]byte(text))
		if got != want {
			t.Errorf("parseLimit(%q) = %v, want %v", text, got, want)
		}
		wants(t, text, err, wantErr)
	}
	f("max\n", Value{}, "")
	f("max", Value{}, "")
	f("0\n", val(0), "")
	f("67108864\n", val(67108864), "")
	f("9223372036854771712\n", Value{}, "")  // pages of 4 KiB
	f("9223372036854710272\n", Value{}, "")  // of 64 KiB
	f("9223372036854775807\n", Value{}, "")  // before Linux 3.19
	f("18446744073709551615\n", Value{}, "") // the largest number
	f("8796093018112\n", Value{}, "")        // a 32-bit kernel
	f("8796093022208\n", val(8796093022208), "")
	f("4611686018427387903\n", val(4611686018427387903), "")
	f("", Value{}, "empty")
	f("maximum\n", Value{}, "want a number")
	f("-1\n", Value{}, "want a number")
}

func TestParsePressure(t *testing.T) {
	f := func(text string, want Stalls, wantErr string) {
		t.Helper()
		var got Stalls
		err := parsePressure([]byte(text), &got)
		if got != want {
			t.Errorf("parsePressure(%q) = %v, want %v", text, got, want)
		}
		wants(t, text, err, wantErr)
	}
	f("some avg10=2.17 avg60=0.39 avg300=0.08 total=255459\nfull avg10=1.99 avg60=0.35 avg300=0.07 total=236782\n",
		Stalls{val(255459000), val(236782000)}, "")
	f("some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n", Stalls{Some: val(0)}, "") // CPU before 5.13
	f("full total=2\nsome total=1 later=9", Stalls{val(1000), val(2000)}, "")
	f("some total=1\nirq total=7\n", Stalls{Some: val(1000)}, "")
	f("some avg10=0.00\nfull total=2\n", Stalls{Full: val(2000)}, "after some")
	f("some total=x\n", Stalls{}, "after some")
	f("some total=\n", Stalls{}, "after some")
	f("some total=18446744073709552\n", Stalls{}, "after some") // overflows in ns
	f("full total=2\n", Stalls{Full: val(2000)}, "no line")
	f("<html>\n", Stalls{}, "no line")
	f("\n", Stalls{}, "no line")
	f("", Stalls{}, "empty")
}

func TestParseThrottling(t *testing.T) {
	f := func(parse func([]byte, *Throttling) error, text string, want Throttling, wantErr string) {
		t.Helper()
		var got Throttling
		err := parse([]byte(text), &got)
		if got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
		wants(t, text, err, wantErr)
	}
	f(parseThrottling, "usage_usec 9\nnr_periods 11\nnr_throttled 7\nthrottled_usec 886311\nnr_bursts 0\n", Throttling{val(11), val(7), val(886311000)}, "")
	f(parseThrottling, "usage_usec 9\nuser_usec 1\n", Throttling{}, "") // the controller is off
	f(parseThrottling, "nr_periods 1\nnr_throttled x\nthrottled_usec 2\n", Throttling{Periods: val(1), Time: val(2000)}, "nr_throttled")
	f(parseThrottling, "", Throttling{}, "empty")
	f(parseThrottlingV1, "nr_periods 11\nnr_throttled 7\nthrottled_time 886311311\nnr_bursts 0\nburst_time 0\n", Throttling{val(11), val(7), val(886311311)}, "")
	f(parseThrottlingV1, "", Throttling{}, "empty")
}

func TestParseIOStat(t *testing.T) {
	f := func(text string, want []DeviceIO, wantErr string) {
		t.Helper()
		var got IO
		err := parseIOStat([]byte(text), &got)
		if diff := cmp.Diff(want, got.Devices); diff != "" {
			t.Errorf("parseIOStat(%q): -want +got\n%s", text, diff)
		}
		wants(t, text, err, wantErr)
	}
	all := DeviceIO{Device{254, 0}, val(1), val(2), val(3), val(4)}
	f("254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n", []DeviceIO{all}, "")
	f("254:0 dios=6 wios=4 cost.vrate=100.00 rios=3 wbytes=2 rbytes=1", []DeviceIO{all}, "")
	f("254:0 rbytes=1 wbytes=2 rios=3 wios=4\n8:16 rbytes=7\n", []DeviceIO{all, {Device: Device{8, 16}, ReadBytes: val(7)}}, "")
	f("", nil, "")                              // no traffic so far
	f("253:10 \n253:5 cost.usage=3\n", nil, "") // a device without values
	f("253:10 254:0 rbytes=1 wbytes=2 rios=3 wios=4\n", []DeviceIO{all}, "")
	f("254:0 rbytes=x wbytes=2\n", []DeviceIO{{Device: Device{254, 0}, WriteBytes: val(2)}}, "rbytes")
	f("(unknown) rbytes=1\nrbytes=2\n254: rbytes=3\n4294967296:0 rbytes=4\n", nil, "")
}

func TestParseBlkio(t *testing.T) {
	f := func(text string, want []DeviceIO, wantErr string) {
		t.Helper()
		var got IO
		err := parseBlkio([]byte(text), &got, func(d *DeviceIO) (read, write *Value) { return &d.ReadBytes, &d.WriteBytes })
		if diff := cmp.Diff(want, got.Devices); diff != "" {
			t.Errorf("parseBlkio(%q): -want +got\n%s", text, diff)
		}
		wants(t, text, err, wantErr)
	}
	f("8:0 Read 123\n8:0 Write 45\n8:0 Sync 168\n8:0 Async 0\n8:0 Discard 0\n8:0 Total 168\n254:1 Read 6\nTotal 174\n",
		[]DeviceIO{{Device: Device{8, 0}, ReadBytes: val(123), WriteBytes: val(45)}, {Device: Device{254, 1}, ReadBytes: val(6)}}, "")
	f("Total 0\n", nil, "")
	f("(unknown) Read 1\n8:0 Read 2 3\n8:0 Write\n", nil, "8:0 ")
	f("", nil, "empty")
}

// The keys of the detail may come in any order, beside those of Memory.
func TestParseMemoryStatDetail(t *testing.T) {
	v2 := []string{"anon 1", "file 2", "kernel_stack 3", "pagetables 4", "inactive_file 5", "slab_reclaimable 6", "slab_unreclaimable 7", "slab 13", "pgfault 8", "pgmajfault 9", "pgfault_other 1"}
	v1 := []string{"cache 0", "inactive_file 0", "swap 0", "pgfault 0", "pgmajfault 0", "total_cache 2", "total_rss 1", "total_swap 6", "total_pgfault 8", "total_pgmajfault 9", "total_inactive_file 5"}
	want2 := MemoryDetail{SlabReclaimable: val(6), SlabUnreclaimable: val(7), PageFaults: val(8), MajorPageFaults: val(9)}
	want1 := MemoryDetail{SwapCurrent: val(6), PageFaults: val(8), MajorPageFaults: val(9)}
	f := func(parse func([]byte, *Memory, *MemoryDetail, *Value) error, lines []string, wantM Memory, want MemoryDetail) {
		t.Helper()
		for i := range lines {
			text := strings.Join(append(append([]string(nil), lines[i:]...), lines[:i]...), "\n") + "\n"
			var m Memory
			var d MemoryDetail
			var inactive Value
			if err := parse([]byte(text), &m, &d, &inactive); err != nil {
				t.Errorf("%q: %v", text, err)
			}
			if d != want || m != wantM || inactive != val(5) {
				t.Errorf("%q: %+v %+v %v", text, m, d, inactive)
			}
		}
	}
	f(parseMemoryStatDetail, v2, Memory{Anonymous: val(1), File: val(2), KernelStack: val(3), PageTables: val(4)}, want2)
	f(parseMemoryStatDetailV1, v1, Memory{Anonymous: val(1), File: val(2)}, want1)
}

func TestWorkingSet(t *testing.T) {
	f := func(usage, inactive, want Value) {
		t.Helper()
		if got := workingSet(usage, inactive); got != want {
			t.Errorf("workingSet(%v, %v) = %v, want %v", usage, inactive, got, want)
		}
	}
	f(val(10), val(3), val(7))
	f(val(3), val(3), val(0))
	f(val(3), val(10), val(0)) // never negative, and no huge number
	f(val(3), Value{}, Value{})
	f(Value{}, val(3), Value{})
}

func FuzzParseLimit(f *testing.F) {
	f.Add([]byte("max\n"))
	f.Add([]byte("9223372036854771712\n"))
	f.Add([]byte("67108864\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parseLimit(text)
		if got.N >= unlimited || got.Known && err != nil || !got.Known && got.N != 0 {
			t.Errorf("parseLimit(%q) = %v, %v", text, got, err)
		}
	})
}

func FuzzParsePressure(f *testing.F) {
	f.Add([]byte("some avg10=2.17 avg60=0.39 avg300=0.08 total=255459\nfull avg10=1.99 avg60=0.35 avg300=0.07 total=236782\n"))
	f.Add([]byte("some total=x\nfull total=18446744073709552"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s Stalls
		err := parsePressure(text, &s)
		if err == nil && !s.Some.Known {
			t.Errorf("%q: no error, and nothing known", text)
		}
		for word, v := range map[string]Value{"some": s.Some, "full": s.Full} {
			if !v.Known {
				continue
			}
			// What is told stands in a line of that kind, in microseconds.
			found := false
			for line := range strings.SplitSeq(string(text), "\n") {
				fields := strings.Split(line, " ")
				for _, field := range fields[1:] {
					digits, ok := strings.CutPrefix(field, "total=")
					n, err := strconv.ParseUint(digits, 10, 64)
					found = found || ok && fields[0] == word && err == nil && n <= math.MaxUint64/1000 && n*1000 == v.N
				}
			}
			if !found {
				t.Errorf("%q: %s %v comes from nowhere", text, word, v)
			}
		}
	})
}

func FuzzParseThrottling(f *testing.F) {
	f.Add([]byte("usage_usec 9\nnr_periods 11\nnr_throttled 7\nthrottled_usec 886311\n"))
	f.Add([]byte("nr_periods 11\nnr_throttled 7\nthrottled_time 886311311\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var v1, v2 Throttling
		err1, err2 := parseThrottlingV1(text, &v1), parseThrottling(text, &v2)
		if len(text) == 0 && (err1 == nil || err2 == nil) {
			t.Error("an empty file is taken")
		}
		if v1.Periods != v2.Periods || v1.Throttled != v2.Throttled {
			t.Errorf("%q: %v as version 1, %v as version 2", text, v1, v2)
		}
		if v2.Time.N%1000 != 0 {
			t.Errorf("%q: %v is no number of microseconds", text, v2.Time)
		}
	})
}

func FuzzParseMemoryStatDetail(f *testing.F) {
	f.Add([]byte("anon 1\nfile 2\nkernel_stack 3\npagetables 4\ninactive_file 5\nslab_reclaimable 6\nslab_unreclaimable 7\npgfault 8\npgmajfault 9\n"))
	f.Add([]byte("total_rss 1\ntotal_cache 2\ntotal_swap 3\ntotal_pgfault 4\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		// What the groups share is the same, whichever of them is read.
		var alone, both Memory
		var d MemoryDetail
		var inactive Value
		_ = parseMemoryStat(text, &alone) // an error of the one file is looked at elsewhere
		_ = parseMemoryStatDetail(text, &both, &d, &inactive)
		if alone != both {
			t.Errorf("%q: %v alone, %v with the detail", text, alone, both)
		}
		alone, both = Memory{}, Memory{}
		_ = parseMemoryStatV1(text, &alone)
		_ = parseMemoryStatDetailV1(text, &both, &d, &inactive)
		if alone != both {
			t.Errorf("%q: %v alone, %v with the detail, version 1", text, alone, both)
		}
	})
}

// checkDevices fails for devices that are there twice, and for values of none.
func checkDevices(t *testing.T, text []byte, io *IO) {
	t.Helper()
	seen := make(map[Device]bool)
	for _, d := range io.Devices {
		if seen[d.Device] {
			t.Errorf("%q: %s is there twice", text, d.Device)
		}
		seen[d.Device] = true
		if !d.ReadBytes.Known && !d.WriteBytes.Known && !d.Reads.Known && !d.Writes.Known {
			t.Errorf("%q: nothing is known of %s", text, d.Device)
		}
		if major, minor, _ := strings.Cut(d.String(), ":"); !strings.Contains(string(text), strings.TrimLeft(major, "0")) || !strings.Contains(string(text), strings.TrimLeft(minor, "0")) {
			t.Errorf("%q: %s comes from nowhere", text, d.Device)
		}
	}
}

func FuzzParseIOStat(f *testing.F) {
	f.Add([]byte("254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n8:0 rbytes=1\n"))
	f.Add([]byte("253:10 253:5 rbytes=1\n(unknown) wios=\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var io IO
		_ = parseIOStat(text, &io) // what could be read counts
		checkDevices(t, text, &io)
	})
}

func FuzzParseBlkio(f *testing.F) {
	f.Add([]byte("8:0 Read 123\n8:0 Write 45\n8:0 Sync 168\n8:0 Total 168\n254:1 Read 6\nTotal 174\n"))
	f.Add([]byte("8:0 Read x\nTotal"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var io IO
		_ = parseBlkio(text, &io, func(d *DeviceIO) (read, write *Value) { return &d.Reads, &d.Writes })
		checkDevices(t, text, &io)
	})
}
