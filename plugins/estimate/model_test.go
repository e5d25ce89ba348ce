package estimate

import (
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// Every row can be true: nothing is 0, the middle lies within its band, and there is
// enough behind it.
func TestTable(t *testing.T) {
	rows := table()
	if len(rows) < 20 || rows[len(rows)-1].family != everything {
		t.Fatalf("%d rows; the last one is to be %s", len(rows), everything)
	}
	if !slices.IsSortedFunc(rows[:len(rows)-1], func(a, b row) int { return strings.Compare(a.family, b.family) }) {
		t.Error("the families are not sorted")
	}
	together := 0
	for _, r := range rows {
		m := r.model()
		for part, name := range partNames {
			low, middle, high := m.power[levelLow][part], m.power[levelMiddle][part], m.power[levelHigh][part]
			if low == 0 || low > middle || middle > high {
				t.Errorf("%s, %s: %d µW is not within its band, %d to %d", r.family, name, middle, low, high)
			}
		}
		if r.full.high >= 15_000 || r.idle.high >= r.full.high || r.machines < 3 {
			t.Errorf("%s: beyond the bounds: %+v", r.family, r)
		}
		if m.levels != levels || m.name != r.family+"-"+tableVersion {
			t.Errorf("%s: model %+v", r.family, m)
		}
		if r.family != everything {
			together += r.machines
		}
	}
	if last := rows[len(rows)-1]; last.machines != together {
		t.Errorf("%d machines of all families, and %d behind %s", together, last.machines, everything)
	}
}

// The version is that of these rows: a row that is changed by hand is found, and no two
// tables share a version.
func TestTableVersion(t *testing.T) {
	hash := sha256.New()
	for _, r := range table() {
		hash.Write(fmt.Appendf(nil, "%s %d %v %v %v\n", r.family, r.machines, r.idle, r.full, r.dynamic))
	}
	if want := fmt.Sprintf("-%x", hash.Sum(nil)[:4]); !strings.HasSuffix(tableVersion, want) {
		t.Errorf("the table's version is %s, and its rows are of one that ends in %s: write it with scripts/specpower", tableVersion, want)
	}
}

// The means are those that others derived from the same results, in W. They differ where
// results of contradictory thread counts are left out here (EPYC gen 4, gen 5), and where a
// CPU's name was lost for its plus sign there (Sapphire Rapids).
func TestMeansAgreeWithOthers(t *testing.T) {
	f := func(family string, machines int, idle, full, within float64) {
		t.Helper()
		r, known := rowNamed(family)
		if !known || r.machines != machines {
			t.Errorf("%s: %d machines, want %d", family, r.machines, machines)
		}
		for _, x := range []struct {
			mean uint64
			want float64
		}{{r.idle.mean, idle}, {r.full.mean, full}} {
			if got := float64(x.mean) / 1000; math.Abs(got-x.want) > within {
				t.Errorf("%s: mean %.3f W, want %.2f W within %v", family, got, x.want, within)
			}
		}
	}
	const rounding = 0.0056
	f("amd-epyc-gen3", 28, 0.46, 1.96, rounding)
	f("intel-icelake", 30, 0.86, 3.93, rounding)
	f("arm-neoverse-n1", 7, 0.74, 1.71, rounding)
	f("amd-epyc-gen2", 36, 0.47, 1.69, rounding)
	f("intel-broadwell", 17, 0.71, 3.69, rounding)
	f("amd-epyc-gen4", 41, 0.73, 2.27, 0.04)
	f("amd-epyc-gen5", 41, 0.26, 1.46, 0.02)
	f("intel-sapphirerapids", 62, 1.04, 4.16, 0.14)
	f("intel-cascadelake", 75, 0.69, 4.06, 0.04)
	f("intel-skylake-server", 77, 0.61, 4.10, 0.04)
}

// The blank lines of a list made EPYC gen 5 the mean of all servers: 3.68 and 8.96 W. Of
// others it is no more than a third.
func TestNoFamilyIsTheMeanOfAll(t *testing.T) {
	r, _ := rowNamed("amd-epyc-gen5")
	if r.idle.high >= 1000 || r.full.high >= 3000 {
		t.Errorf("EPYC gen 5 takes %d to %d mW", r.idle.high, r.full.high)
	}
}

// The README shows the table as it is.
func TestReadmeShowsTheTable(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	watts := func(s spread) string {
		return fmt.Sprintf("%.2f (%.2f to %.2f)", float64(s.median)/1000, float64(s.low)/1000, float64(s.high)/1000)
	}
	var want strings.Builder
	for _, r := range table() {
		fmt.Fprintf(&want, "| `%s` | %d | %s | %s |\n", r.family, r.machines, watts(r.idle), watts(r.full))
	}
	if !strings.Contains(string(readme), want.String()) {
		t.Errorf("README.md does not show these rows:\n%s", want.String())
	}
	if !strings.Contains(string(readme), tableVersion) {
		t.Errorf("README.md does not name the table's version %s", tableVersion)
	}
}
