package rapl

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const kernelScale = "2.3283064365386962890625e-10"

func TestParseScale(t *testing.T) {
	f := func(text string, counts, want uint64) {
		t.Helper()
		s, err := parseScale(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			return
		}
		if got := s.microjoules(counts); got != want {
			t.Errorf("%s: %d counts are %d µJ, want %d", text, counts, got, want)
		}
	}
	s, err := parseScale(kernelScale)
	if err != nil || s.num != 15625 || s.den != 1<<26 || s.wide != nil || s.span() != 1_000_000<<32 {
		t.Errorf("%+v, %v: the kernel's scale is 2^-32 J", s, err)
	}
	f(kernelScale, 1<<32, 1_000_000)
	f(kernelScale, 1<<26, 15625)
	f(kernelScale, 4294, 0) // just below a microjoule
	f(kernelScale, 4295, 1)
	f(kernelScale, math.MaxUint64, 1_000_000<<32-1)
	f("1e-6", 7, 7)
	f("0.000001", 7, 7)
	f("1E-3", 7, 7000)
	f("1e-9", 1999, 1)
	f("6.103515625e-05", 1<<14, 1_000_000) // 2^-14 J
	f("1e-12", math.MaxUint64, 18_446_744_073_709)
	f("3e-7", 10, 3)
	f("1", 2, 2_000_000)
	f("1e10", 1, 10_000_000_000_000_000)
	f("1e+01", 1, 10_000_000)
	f("5.", 1, 5_000_000)
	f(".5", 1, 500_000)
	// More digits than a fraction of 64 bits holds: as exact.
	f("0.33333333333333333333333333333333", 3, 999_999)
	f("2.32830643653869628906250000000000000000000001e-10", 1<<32, 1_000_000)
	f("2.32830643653869628906249999999999999999999999e-10", 1<<32, 999_999)
	f("1e13", 1, 10_000_000_000_000_000_000)
	f("1e14", 1, 7_766_279_631_452_241_920) // beyond 64 bits: 10^20 - 5*2^64
	for _, bad := range []string{
		"", "0", "0.0", "-1", "+1", "1e", "1e-", "e-10", ".", "1.2.3", "1e1000000000", "1e-41", "0x1p-32", "1_0", "NaN", "Inf", "1/2",
		" 1", "1 ", "1,5", strings.Repeat("1", 65), "1e0x1", "1e1_0",
	} {
		if s, err := parseScale(bad); err == nil {
			t.Errorf("%q: %+v, want an error", bad, s)
		}
	}
}

func FuzzParseScale(f *testing.F) {
	for _, seed := range []string{kernelScale, "1e-6", "0.3333333333333333333", "1e20", "1e-40", "", "-1", "1e999"} {
		f.Add(seed, uint64(math.MaxUint64), uint64(1))
	}
	f.Fuzz(func(t *testing.T, text string, count, less uint64) {
		s, err := parseScale(text)
		if err != nil {
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number", text)
		}
		exact.Mul(exact, big.NewRat(1_000_000, 1))
		want := new(big.Int).Mul(new(big.Int).SetUint64(count), exact.Num())
		want.Quo(want, exact.Denom())
		if !want.IsUint64() {
			want.And(want, new(big.Int).SetUint64(math.MaxUint64))
		} else if lower := s.microjoules(min(count, less)); lower > want.Uint64() {
			t.Errorf("%q: fewer counts are more: %d", text, lower)
		}
		if got := s.microjoules(count); got != want.Uint64() {
			t.Errorf("%q: %d counts are %d µJ, want %d", text, count, got, want)
		}
		s.span()
	})
}

func TestParseCPUs(t *testing.T) {
	f := func(text string, want ...int) {
		t.Helper()
		if got, err := parseCPUs(text); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	f("")
	f("0", 0)
	f("0,28", 0, 28)
	f("0-2,28-29", 0, 1, 2, 28, 29)
	f("28,0", 0, 28)
	f("3-3", 3)
	f("0-1,1-2,2", 0, 1, 2)
	f("65535", 65535)
	for _, bad := range []string{",", "0,", "a", "-1", "0-", "2-1", "65536", "0-4294967295", "0-2:1/2", "0 1", "01", "0-1-2", strings.Repeat("0-65535,", 1000) + "0"} {
		if got, err := parseCPUs(bad); err == nil {
			t.Errorf("%.40q: %d CPUs, want an error", bad, len(got))
		}
	}
}

func FuzzParseCPUs(f *testing.F) {
	for _, seed := range []string{"", "0", "0,28-29", "0-65535,0-65535", "5-1", "0-2:1/2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cpus, err := parseCPUs(text)
		if err != nil {
			return
		}
		var parts []string
		for i, cpu := range cpus {
			if cpu < 0 || cpu >= mostCPUs || i > 0 && cpu <= cpus[i-1] {
				t.Fatalf("%q: %v", text, cpus)
			}
			parts = append(parts, strconv.Itoa(cpu))
		}
		if again, err := parseCPUs(strings.Join(parts, ",")); err != nil || !slices.Equal(again, cpus) {
			t.Errorf("%q: %v, then %v, %v", text, cpus, again, err)
		}
	})
}

func TestParseEvent(t *testing.T) {
	f := func(text, format string, want uint64, ok bool) {
		t.Helper()
		at, err := parseFormat(format)
		var got uint64
		if err == nil {
			got, err = parseEvent(text, at)
		}
		if got != want || (err == nil) != ok {
			t.Errorf("%q at %q: %#x, %v; want %#x, %v", text, format, got, err, want, ok)
		}
	}
	f("event=0x02", "config:0-7", 2, true)
	f("event=5", "config:0-7", 5, true)
	f("event=0xff", "config:0-7", 255, true)
	f("event=0x100", "config:0-7", 0, false)
	f("event=0x2", "config:8-15", 0x200, true)
	f("event=1", "config:63", 1<<63, true)
	f("event=2", "config:63", 0, false)
	f("event=0xffffffffffffffff", "config:0-63", math.MaxUint64, true)
	for _, bad := range []string{"", "event", "event=", "event=x", "event=-1", "event=0x02,umask=0x1", "umask=0x02", "Event=1", "event=1 ", "event=1_0", "config=1"} {
		f(bad, "config:0-7", 0, false)
	}
	for _, bad := range []string{"", "config", "config:", "config:-7", "config:0-", "config:7-0", "config:0-64", "config1:0-7", "config:0-7,9", "config:x"} {
		f("event=0", bad, 0, false)
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, seed := range [][2]string{{"event=0x02", "config:0-7"}, {"event=1", "config:63"}, {"", ""}, {"event=0x02,umask=1", "config:8-15"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, format string) {
		at, err := parseFormat(format)
		if err != nil {
			return
		}
		if at.width == 0 || at.low+at.width > 64 {
			t.Fatalf("%q: %+v", format, at)
		}
		n, err := parseEvent(text, at)
		if err != nil {
			return
		}
		value, _ := strconv.ParseUint(strings.TrimPrefix(text, "event="), 0, 64)
		if n>>at.low != value || n<<(64-at.low-at.width)>>(64-at.low-at.width) != n {
			t.Errorf("%q at %q: %#x", text, format, n)
		}
	})
}

func TestVendorOf(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		if got := vendorOf(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	f("processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\n\nprocessor\t: 1\nvendor_id\t: AuthenticAMD\n", "GenuineIntel")
	f("vendor_id: HygonGenuine", "HygonGenuine")
	f("model name\t: vendor_id : x\n", "")
	f("", "")
	f("vendor_id\n", "")
}

func FuzzVendorOf(f *testing.F) {
	f.Add("vendor_id\t: GenuineIntel\n")
	f.Add("vendor_id")
	f.Fuzz(func(t *testing.T, text string) {
		if got := vendorOf(text); got != strings.TrimSpace(got) || !strings.Contains(text, got) {
			t.Errorf("%q: %q", text, got)
		}
	})
}

// Whatever the files of the topology hold, a CPU's socket is a number of it, or not known.
func FuzzTopology(f *testing.F) {
	f.Add("0\n", "1\n", "12\n")
	f.Add("-1\n", "", "x")
	f.Fuzz(func(t *testing.T, pkg, die, core string) {
		sysfs := t.TempDir()
		for name, text := range map[string]string{"physical_package_id": pkg, "die_id": die, "core_id": core} {
			write(t, text, sysfs, "devices/system/cpu/cpu7/topology", name)
		}
		at, err := topologyOf(sysfs, 7)
		number := func(text string) (uint64, bool) {
			n, err := strconv.ParseUint(strings.TrimSuffix(text, "\n"), 10, 32)
			return n, err == nil && strconv.FormatUint(n, 10) == strings.TrimSuffix(text, "\n")
		}
		socket, ok := number(pkg)
		if (err == nil) != ok || ok && at.socket != socket {
			t.Fatalf("%q: %+v, %v", pkg, at, err)
		}
		if err != nil {
			return
		}
		if n, ok := number(die); at.knownDie != ok || at.die != n && ok {
			t.Errorf("die %q: %+v", die, at)
		}
		if n, ok := number(core); at.knownCore != ok || at.core != n && ok {
			t.Errorf("core %q: %+v", core, at)
		}
	})
}
