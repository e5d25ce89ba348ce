package attribution

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseStat(t *testing.T) {
	const captured = "cpu  10132153 290696 3084719 46828483 16683 0 25195 175628 1000 200\ncpu0 1393280 32966 572056 13343292 6130 0 17875 23933 0 0\nintr 1462898\n"
	busy := uint64(10132153+290696+3084719+25195) * uint64(10*time.Millisecond)
	parseStat := func(text []byte) (t nodeTime, err error) { return t, parseFirst(text, &t) }
	got, err := parseStat([]byte(captured))
	want := nodeTime{busy: busy, all: busy + uint64(46828483+16683)*uint64(10*time.Millisecond)}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(nodeTime{})); err != nil || diff != "" {
		t.Errorf("%v: what was stolen, and guests a second time, are nobody's: -want +got\n%s", err, diff)
	}
	if got, err := parseStat([]byte("cpu  1 0 0 1 0 0 0\n")); err != nil || got.busy != 1e7 || got.all != 2e7 {
		t.Errorf("an old kernel's: %+v, %v", got, err)
	}
	for _, bad := range []string{
		"", "cpu  1 2 3", "cpu0 1 2 3 4 5 6 7\n", "cpu  1 2 3 4 5 6\n", "cpu  1 2 x 4 5 6 7\n", "cpu  1 2 -3 4 5 6 7\n",
		"cpu  1 2 99999999999999999999999 4 5 6 7\n", "intr 1\ncpu  1 2 3 4 5 6 7\n",
	} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q: %+v, want an error", bad, got)
		}
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add("cpu  10132153 290696 3084719 46828483 16683 0 25195 175628 0 0\n")
	f.Add("cpu  1 0 0 1 0 0 0\n")
	f.Add("cpu " + strings.Repeat(" 18446744073709551615", 10) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		var got nodeTime
		err := parseFirst([]byte(text), &got)
		if err == nil && (got.busy > got.all || got.all > math.MaxUint64/2) {
			t.Errorf("%q: %+v", text, got)
		}
	})
}

func TestTimesThatGoBack(t *testing.T) {
	for _, c := range []struct{ before, now, want nodeTime }{
		{nodeTime{1, 5}, nodeTime{3, 9}, nodeTime{2, 4}},
		{nodeTime{3, 9}, nodeTime{1, 5}, nodeTime{0, 0}},
		{nodeTime{1, 9}, nodeTime{5, 11}, nodeTime{4, 4}},
		{nodeTime{5, 9}, nodeTime{4, 12}, nodeTime{0, 3}},
	} {
		if got := c.now.minus(c.before); got != c.want {
			t.Errorf("from %v to %v: %v, want %v", c.before, c.now, got, c.want)
		}
	}
}
