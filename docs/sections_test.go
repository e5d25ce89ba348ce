package docs_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const performance = "performance.md"

// checkSection holds a section of docs/performance.md against what was measured now,
// and with -update writes it anew. Each section belongs to one test; what stands
// outside of the sections is written by hand, and has no figures.
func checkSection(t *testing.T, name, remedy, measured string) {
	t.Helper()
	text, err := os.ReadFile(performance)
	if err != nil {
		t.Fatal(err)
	}
	before, old, after, err := cutSection(string(text), name)
	if err != nil {
		t.Fatalf("%s: %v", performance, err)
	}
	if *update {
		if err := os.WriteFile(performance, []byte(before+measured+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, fault := range stale(old, measured) {
		t.Errorf("docs/%s is stale; write it anew with: %s\n%s", performance, remedy, fault)
	}
}

// cutSection cuts a document into what is between the marks of a section, and what is
// before and after, marks included.
func cutSection(text, name string) (before, section, after string, err error) {
	begin, end := "<!-- begin "+name+" -->\n", "<!-- end "+name+" -->"
	if strings.Count(text, begin) != 1 || strings.Count(text, end) != 1 {
		return "", "", "", fmt.Errorf("want one mark %q and one %q, each on a line of its own", strings.TrimSpace(begin), end)
	}
	before, rest, _ := strings.Cut(text, begin)
	section, after, ok := strings.Cut(rest, end)
	if !ok {
		return "", "", "", errors.New("the section " + name + " ends before it begins")
	}
	return before + begin, section, end + after, nil
}

// tolerance is by how much bytes may differ from those of the document: what is
// random in TLS and in pauses, and the digits that are not shown. All other numbers
// have to be the same.
const tolerance = 0.02

// stale returns what of a section's text is not what was measured.
func stale(old, measured string) []string {
	have, numbers := figures(old)
	want, fresh := figures(measured)
	if diff := cmp.Diff(have, want); diff != "" {
		return []string{"-document +measured\n" + diff}
	}
	var faults []string
	for i, f := range fresh {
		if n := numbers[i]; !f.near(n) {
			faults = append(faults, fmt.Sprintf("it says %s, measured are %s", n.text, f.text))
		}
	}
	return faults
}

// figure is a number in a text.
type figure struct {
	text  string
	value float64
	bytes bool
}

func (f figure) near(other figure) bool {
	if f.bytes && other.bytes {
		return math.Abs(f.value-other.value) <= tolerance*max(f.value, other.value)
	}
	return f.text == other.text
}

// figures returns the numbers of a text, and its lines without them.
func figures(text string) (lines []string, numbers []figure) {
	units := map[string]float64{"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}
	pattern := regexp.MustCompile(`([0-9][0-9,]*(?:\.[0-9]+)?)(?: (B|kB|MB|GB)\b)?`)
	rest := pattern.ReplaceAllStringFunc(text, func(found string) string {
		parts := pattern.FindStringSubmatch(found)
		value, err := strconv.ParseFloat(strings.ReplaceAll(parts[1], ",", ""), 64)
		if err != nil {
			return found // is compared as text
		}
		unit, inBytes := units[parts[2]]
		if inBytes {
			numbers = append(numbers, figure{found, value * unit, true})
			return "# bytes"
		}
		numbers = append(numbers, figure{found, value, false})
		return "#"
	})
	return strings.Split(rest, "\n"), numbers
}

// bytesText writes bytes with three digits.
func bytesText(n float64) string {
	for _, unit := range []struct {
		name string
		size float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}} {
		if n >= 0.9995*unit.size {
			return threeDigits(n/unit.size) + " " + unit.name
		}
	}
	return strconv.FormatFloat(n, 'f', 0, 64) + " B"
}

func threeDigits(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x >= 99.95:
		return grouped(int64(math.Round(x)))
	case x >= 9.995:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 2, 64)
}

// grouped writes an integer as 5,000.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func TestStale(t *testing.T) {
	const text = "| watch | 3 requests, 72.5 kB | 5,000 |\n"
	tests := []struct {
		name, measured string
		want           string // "": the document is fresh
	}{
		{"the same", text, ""},
		{"bytes within the tolerance", "| watch | 3 requests, 73.9 kB | 5,000 |\n", ""},
		{"bytes beyond it", "| watch | 3 requests, 74.1 kB | 5,000 |\n", "it says 72.5 kB, measured are 74.1 kB"},
		{"fewer bytes", "| watch | 3 requests, 71.0 kB | 5,000 |\n", "it says 72.5 kB, measured are 71.0 kB"},
		{"another unit", "| watch | 3 requests, 0.0725 MB | 5,000 |\n", ""},
		{"the unit is wrong", "| watch | 3 requests, 72.5 MB | 5,000 |\n", "measured are 72.5 MB"},
		{"a request more", "| watch | 4 requests, 72.5 kB | 5,000 |\n", "it says 3, measured are 4"},
		{"another number, but near", "| watch | 3 requests, 72.5 kB | 5,001 |\n", "it says 5,000, measured are 5,001"},
		{"another word", "| poll | 3 requests, 72.5 kB | 5,000 |\n", "-document +measured"},
		{"a line more", text + text, "-document +measured"},
		{"nothing", "", "-document +measured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(stale(text, tt.measured), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCutSection(t *testing.T) {
	const whole = "# Title\n<!-- begin a -->\none\n<!-- end a -->\ntext\n<!-- begin b -->\n<!-- end b -->\n"
	before, section, after, err := cutSection(whole, "a")
	if err != nil || section != "one\n" || before+section+after != whole {
		t.Errorf("got %q, %q, %q and error %v", before, section, after, err)
	}
	if _, section, _, err := cutSection(whole, "b"); err != nil || section != "" {
		t.Errorf("got %q and error %v, want an empty section", section, err)
	}
	for name, text := range map[string]string{
		"no mark": "# Title\n", "no end": "<!-- begin a -->\n", "twice": whole + whole,
		"turned around": "<!-- end a -->\n<!-- begin a -->\n", "of another": "<!-- begin b -->\n<!-- end a -->\n",
	} {
		if _, _, _, err := cutSection(text, "a"); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0 B", 1: "1 B", 999: "999 B", 1000: "1.00 kB", 9_994: "9.99 kB", 9_996: "10.0 kB", 99_960: "100 kB", 72_233: "72.2 kB",
		999_400: "999 kB", 999_600: "1.00 MB", 885_287: "885 kB", 4.4264e9: "4.43 GB", 5e12: "5,000 GB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("%v bytes: got %s, want %s", n, got, want)
		}
	}
}
