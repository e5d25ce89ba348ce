package k8s

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/podjoule/podjoule/simnode"
)

// Whatever the ticks' clock says of a window, the deltas add up to what was counted, the
// spans are those of the windows, and a percentage is what was counted over the time
// between the two readings.
func TestOddWindows(t *testing.T) {
	const s = time.Second
	type tick struct {
		after time.Duration // the reading before; of the first, the start
		spent time.Duration // of CPU time, meanwhile
		end   time.Duration // of the window, since the start, as the tick tells
	}
	tests := []struct {
		name  string
		ticks []tick
	}{
		{"as usual", []tick{{0, s, 0}, {5 * s, 2 * s, 5 * s}, {5 * s, s, 10 * s}}},
		{"read long after the tick began", []tick{{0, s, 0}, {9 * s, 2 * s, 5 * s}, {s, s, 10 * s}, {5 * s, s, 15 * s}}},
		{"a minute late", []tick{{0, s, 0}, {65 * s, 60 * s, 65 * s}, {5 * s, s, 70 * s}}},
		{"a minute of which the clock tells nothing", []tick{{0, s, 0}, {65 * s, 60 * s, 5 * s}, {5 * s, s, 10 * s}}},
		{"an hour that did not pass", []tick{{0, s, 0}, {5 * s, 2 * s, 3605 * s}, {5 * s, s, 3610 * s}}},
		{"back and forth", []tick{{0, s, 0}, {5 * s, 2 * s, -3600 * s}, {5 * s, s, 7200 * s}, {5 * s, s, -7200 * s}, {5 * s, s, 20 * s}}},
		{"twice at once", []tick{{0, s, 0}, {0, 0, 0}, {5 * s, 2 * s, 5 * s}, {0, 0, 5 * s}, {5 * s, s, 10 * s}}},
		{"one more in between", []tick{{0, s, 0}, {5 * s, 2 * s, 5 * s}, {s, s, 5 * s}, {4 * s, s, 10 * s}}},
		{"other intervals", []tick{{0, s, 0}, {time.Millisecond, 10 * time.Microsecond, time.Millisecond}, {time.Hour, 90 * time.Minute, time.Hour}, {10 * time.Millisecond, 5 * time.Millisecond, time.Hour + 10*time.Millisecond}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tree, p, _ := onePod(t, simnode.V2)
				source, _ := offline(t, tree.Root(), p)
				start := time.Now()
				last := start
				var spent, passed, sum, spentInAll time.Duration // the first two since the last sample
				for i, k := range tt.ticks {
					time.Sleep(k.after)
					if err := tree.Spend(string(p.UID), "main", k.spent, 0); err != nil {
						t.Fatal(err)
					}
					end := start.Add(k.end)
					b := pollAt(t, source, last, end)
					if len(b.Ended) > 0 {
						t.Errorf("tick %d: %d series ended", i, len(b.Ended))
					}
					window := end.Sub(last)
					last = end
					if i == 0 {
						continue // the baseline
					}
					spent, passed, spentInAll = spent+k.spent, passed+k.after, spentInAll+k.spent
					delta, ok := value(b, "cpu_time_delta", "total")
					if window == 0 {
						if ok {
							t.Errorf("tick %d: %+v in no window", i, delta)
						}
						continue
					}
					if !ok || delta.value != float64(spent) || delta.span != window {
						t.Errorf("tick %d: %v over %v, %v; want %v over %v", i, time.Duration(delta.value), delta.span, ok, spent, window)
					}
					sum += time.Duration(delta.value)
					want := 100 * float64(spent) / float64(passed)
					if percent, ok := value(b, "cpu_percent", "total"); !ok || math.Abs(percent.value-want) > 1e-9*want {
						t.Errorf("tick %d: %v %%, %v; want %v", i, percent.value, ok, want)
					}
					spent, passed = 0, 0
				}
				if sum != spentInAll {
					t.Errorf("the deltas add up to %v, want %v", sum, spentInAll)
				}
			})
		})
	}
}
