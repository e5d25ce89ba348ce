package estimate

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// capturedStat is of a virtual machine with two threads; the interrupts are cut short.
const capturedStat = `cpu  2636659 310227 1319648 3320665 31071 0 14450 11101 0 0
cpu0 1316014 155736 624488 1706265 7963 0 2869 5675 0 0
cpu1 1320645 154490 695160 1614399 23107 0 11581 5426 0 0
intr 121963492 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0
ctxt 293183951
btime 1795230170
processes 958061
procs_running 1
procs_blocked 0
softirq 29097510 0 2713411 3686 3005293 5679409 0 14068 4477387 5967 13198289
`

func TestParseStat(t *testing.T) {
	tests := []struct {
		name, text string
		want       reading
		err        string
	}{
		{"captured", capturedStat, reading{2636659 + 310227 + 1319648 + 14450, 2}, ""},
		{"every column apart", "cpu  1 20 300 4000 50000 600000 7000000 80000000 900000000 1000000000\ncpu0 0\nintr", reading{7600321, 1}, ""},
		{"a large machine", "cpu  1 0 0 0\n" + strings.Repeat("cpu9 1 0 0 0\n", mostThreads) + "intr 1\n", reading{1, mostThreads}, ""},
		{"one thread is offline", "cpu  10 0 0 0\ncpu0 5 0 0 0\ncpu2 5 0 0 0\ncpu3 5 0 0 0\nintr 1\n", reading{10, 3}, ""},
		{"Linux 2.4", "cpu 1 2 3 4\ncpu0 1 2 3 4\npage 1 2\n", reading{6, 1}, ""},
		{"nothing follows", "cpu 1 2 3 4\ncpu0 1 2 3 4\n", reading{}, "it ends among the lines of the CPUs"},
		{"cut in a line", "cpu 1 2 3 4\ncpu0 1 2", reading{}, "it ends among the lines of the CPUs"},
		{"cut in the first line", "cpu 1 2", reading{}, "it ends among the lines of the CPUs"},
		{"cut in a name", "cpu 1 2 3 4\ncpu0 1 2\ncp", reading{}, "it ends among the lines of the CPUs"},
		{"empty", "", reading{}, "its first line is not that of all CPUs"},
		{"not this file", "intr 1 2 3\n", reading{}, "its first line is not that of all CPUs"},
		{"without a sum", "cpu0 1 2 3 4\nintr 1\n", reading{}, `its first line is that of "cpu0"`},
		{"without a CPU", "cpu 1 2 3 4\nintr 1\n", reading{}, "it has no line of a CPU of its own"},
		{"too many CPUs", "cpu 1 2 3 4\n" + strings.Repeat("cpu9 1\n", mostThreads+1) + "intr\n", reading{}, "more than 8192 CPUs"},
		{"too few columns", "cpu 1 2 3\ncpu0 1\nintr\n", reading{}, "has 3 columns"},
		{"no number", "cpu 1 2 x 4\ncpu0 1\nintr\n", reading{}, `column 3 of all CPUs is "x"`},
		{"negative", "cpu 1 2 -3 4\ncpu0 1\nintr\n", reading{}, `column 3 of all CPUs is "-3"`},
		{"beyond 64 bits", "cpu 18446744073709551616 0 0 0\ncpu0 1\nintr\n", reading{}, "column 1"},
		{"a sum beyond 64 bits", "cpu 18446744073709551615 1 0 0\ncpu0 1\nintr\n", reading{}, "too large to be added"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseStat([]byte(tt.text))
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(reading{})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// A file of any length is read, and an error is that of one reading.
func TestStatFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stat")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := statFile{path: path}
	defer s.close()
	f := func(want reading, wrong string) {
		t.Helper()
		got, err := s.read()
		if got != want || (err == nil) != (wrong == "") || err != nil && (!strings.Contains(err.Error(), wrong) || !strings.Contains(err.Error(), path)) {
			t.Errorf("got %v and error %v, want %v and %q", got, err, want, wrong)
		}
	}
	f(reading{}, "no such file")
	write(capturedStat)
	f(reading{4280984, 2}, "")
	f(reading{4280984, 2}, "")
	write("cpu  7 0 0 0\n" + strings.Repeat("cpu99 1316014 155736 624488 1706265 7963 0 2869 5675 0 0\n", 4096) + "intr 1\n")
	f(reading{7, 4096}, "")
	write("cpu  x\n")
	f(reading{}, "no number")
	write(capturedStat)
	f(reading{4280984, 2}, "")
	// Lines of CPUs without an end are not read for ever.
	write("cpu  7 0 0 0\ncpu0 " + strings.Repeat("1 ", mostStat) + "\n")
	f(reading{}, "ends among the lines")
	if len(s.buf) != mostStat {
		t.Errorf("the buffer has %d bytes", len(s.buf))
	}
}

func TestStatFileOfThisMachine(t *testing.T) {
	s := statFile{path: "/proc/stat"}
	defer s.close()
	before, err := s.read()
	if err != nil || before.threads == 0 || before.busy == 0 {
		t.Fatalf("%+v, %v", before, err)
	}
	var after reading
	if allocs := testing.AllocsPerRun(10, func() { after, err = s.read() }); allocs != 0 || err != nil {
		t.Errorf("%v allocations a reading, error %v", allocs, err)
	}
	if after.busy < before.busy || after.threads != before.threads {
		t.Errorf("%+v and then %+v", before, after)
	}
}

func TestNsOfTicks(t *testing.T) {
	for ticks, want := range map[uint64]uint64{0: 0, 1: 10_000_000, math.MaxUint64 / 10_000_000: 18446744073700000000, math.MaxUint64/10_000_000 + 1: math.MaxUint64, math.MaxUint64: math.MaxUint64} {
		if got := nsOfTicks(ticks); got != want {
			t.Errorf("%d ticks are %d ns, want %d", ticks, got, want)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	for _, seed := range []string{capturedStat, "cpu 1 2 3 4\ncpu0 1\nintr\n", "", "cpu", "cpu \ncpu", "cpu  18446744073709551615 1 0 0\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseStat(text)
		if err != nil {
			if r != (reading{}) {
				t.Errorf("%v with error %v", r, err)
			}
			return
		}
		if lines := strings.Count(string(text), "cpu"); r.threads == 0 || r.threads > uint64(lines) || r.threads > mostThreads {
			t.Errorf("%d threads in %d lines", r.threads, lines)
		}
		// Cut anywhere before what follows the CPUs, it is no reading.
		for _, n := range []int{0, 1, 5, len("cpu")} {
			if _, err := parseStat(text[:min(n, len(text))]); err == nil {
				t.Errorf("the first %d bytes are a reading", n)
			}
		}
		again, err := parseStat([]byte("cpu " + strconv.FormatUint(r.busy, 10) + " 0 0 0\ncpu0\nintr\n"))
		if err != nil || again.busy != r.busy {
			t.Errorf("%d is read as %d, %v", r.busy, again.busy, err)
		}
	})
}

func TestBare(t *testing.T) {
	if err := bare(&os.PathError{Op: "open", Path: "/x", Err: os.ErrPermission}); !errors.Is(err, os.ErrPermission) || strings.Contains(err.Error(), "/x") {
		t.Error(err)
	}
	if err := bare(errCut); !errors.Is(err, errCut) {
		t.Error(err)
	}
}
