package estimate

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// noon is some moment.
func noon() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }

func TestUsage(t *testing.T) {
	type step struct {
		at   time.Duration // after noon
		now  reading
		want window // zero: none
	}
	const s = uint64(time.Second)
	tests := []struct {
		name  string
		steps []step
	}{
		{"steady", []step{
			{0, reading{1000, 4}, window{}},
			{5 * time.Second, reading{2000, 4}, window{passed: 5 * time.Second, present: 20 * s, busy: 10 * s}},
			{10 * time.Second, reading{2000, 4}, window{passed: 5 * time.Second, present: 20 * s}},
			{11 * time.Second, reading{2400, 4}, window{passed: time.Second, present: 4 * s, busy: 4 * s}},
		}},
		{"a window of no length counts in the next", []step{
			{0, reading{1000, 2}, window{}},
			{0, reading{1100, 2}, window{}},
			{2 * time.Second, reading{1200, 2}, window{passed: 2 * time.Second, present: 4 * s, busy: 2 * s}},
		}},
		{"a clock that is set back is a new beginning", []step{
			{0, reading{1000, 2}, window{}},
			{-time.Hour, reading{1100, 2}, window{}},
			{-time.Hour + time.Second, reading{1200, 2}, window{passed: time.Second, present: 2 * s, busy: s}},
		}},
		{"busy time that goes backwards is no busy time", []step{
			{0, reading{1000, 2}, window{}},
			{time.Second, reading{900, 2}, window{passed: time.Second, present: 2 * s, wentBackwards: true}},
			{2 * time.Second, reading{950, 2}, window{passed: time.Second, present: 2 * s, busy: s / 2}},
		}},
		{"a tick that is counted late belongs to the next window", []step{
			{0, reading{1000, 2}, window{}},
			{time.Second, reading{1203, 2}, window{passed: time.Second, present: 2 * s, busy: 2 * s}},
			{2 * time.Second, reading{1303, 2}, window{passed: time.Second, present: 2 * s, busy: s + 3*s/100}},
			{3 * time.Second, reading{1303, 2}, window{passed: time.Second, present: 2 * s}},
		}},
		{"a jump is not spread over the hours to come", []step{
			{0, reading{1000, 2}, window{}},
			{time.Second, reading{math.MaxUint64, 2}, window{passed: time.Second, present: 2 * s, busy: 2 * s, jumped: true}},
			{2 * time.Second, reading{math.MaxUint64, 2}, window{passed: time.Second, present: 2 * s, busy: 2 * s}},
			{3 * time.Second, reading{math.MaxUint64, 2}, window{passed: time.Second, present: 2 * s}},
		}},
		{"a jump while a tick is carried over", []step{
			{0, reading{1000, 2}, window{}},
			{time.Second, reading{1203, 2}, window{passed: time.Second, present: 2 * s, busy: 2 * s}},
			{2 * time.Second, reading{math.MaxUint64, 2}, window{passed: time.Second, present: 2 * s, busy: 2 * s, jumped: true}},
		}},
		{"threads come and go", []step{
			{0, reading{1000, 8}, window{}},
			{time.Second, reading{1700, 4}, window{passed: time.Second, present: 8 * s, busy: 7 * s}},
			{2 * time.Second, reading{2000, 4}, window{passed: time.Second, present: 4 * s, busy: 3 * s}},
			{3 * time.Second, reading{2600, 16}, window{passed: time.Second, present: 16 * s, busy: 6 * s}},
		}},
		{"centuries", []step{
			{0, reading{0, mostThreads}, window{}},
			{math.MaxInt64, reading{100, mostThreads}, window{passed: math.MaxInt64, present: math.MaxUint64, busy: s}},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var u usage
			for i, step := range tt.steps {
				got, ok := u.take(step.now, noon().Add(step.at))
				if diff := cmp.Diff(step.want, got, cmp.AllowUnexported(window{})); diff != "" || ok != (step.want != window{}) {
					t.Errorf("step %d: %v; -want +got\n%s", i, ok, diff)
				}
			}
		})
	}
}

// Whatever the counter does, a window is never busier than it is long, and what is told
// altogether is never more than what was counted.
func TestUsageIsBounded(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var u usage
		end, now := noon(), reading{random.Uint64N(1000), 1 + random.Uint64N(64)}
		told, counted := new(big.Int), new(big.Int)
		for range 300 {
			before := now
			switch random.IntN(10) {
			case 0:
				now.busy -= min(now.busy, random.Uint64N(5000))
			case 1:
				now.busy += random.Uint64N(1 << 40)
			case 2:
				now.threads = 1 + random.Uint64N(64)
			default:
				now.busy += random.Uint64N(now.threads * 120)
			}
			if now.busy > before.busy {
				counted.Add(counted, new(big.Int).SetUint64(nsOfTicks(now.busy-before.busy)))
			}
			end = end.Add(time.Duration(random.Int64N(int64(2*time.Second))) * time.Duration(random.IntN(2)))
			known := u.known
			w, ok := u.take(now, end)
			if !known {
				counted.SetUint64(0)
			}
			if w.busy > w.present || ok != (w.passed > 0) || w.passed == 0 && w.busy+w.present != 0 {
				t.Fatalf("%+v, %v", w, ok)
			}
			told.Add(told, new(big.Int).SetUint64(w.busy))
			if told.Cmp(counted) > 0 {
				t.Fatalf("%v ns are told, and %v were counted", told, counted)
			}
		}
	}
}

// Sums of energy are exact: after any windows they are power times time, less a fraction
// of one µJ.
func TestTermsAddUp(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		x := term{power: random.Uint64N(mostWatts*1e6 + 1)}
		all, sum := new(big.Int), new(big.Int)
		for range 100 {
			ns := random.Uint64() >> random.UintN(64)
			if random.IntN(20) == 0 {
				ns = math.MaxUint64
			}
			energy := x.take(ns)
			sum.Add(sum, new(big.Int).SetUint64(energy))
			all.Add(all, new(big.Int).Mul(new(big.Int).SetUint64(x.power), new(big.Int).SetUint64(ns)))
			want := new(big.Int).Div(all, big.NewInt(1e9))
			if sum.Cmp(want) != 0 {
				t.Fatalf("%d µW: %v µJ after %d ns more, want %v", x.power, sum, ns, want)
			}
		}
	}
}

// Watts are no joules (A27): a thread of 2 W that is busy for half a second takes 1 J,
// however long the window is.
func TestTermTakesJoules(t *testing.T) {
	f := func(power, ns, want uint64) {
		t.Helper()
		x := term{power: power}
		if got := x.take(ns); got != want {
			t.Errorf("%d µW for %d ns are %d µJ, want %d", power, ns, got, want)
		}
	}
	f(2_000_000, uint64(500*time.Millisecond), 1_000_000)
	f(2_000_000, uint64(time.Hour), 7_200_000_000)
	f(2_000_000, uint64(time.Millisecond), 2_000)
	f(2_000_000, 499, 0)
	f(2_000_000, 0, 0)
	f(0, math.MaxUint64, 0)
	f(mostWatts*1e6, math.MaxUint64, 1844674407370955161)
}
