package hwmon

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"
)

// K2, K3, S1: a counter that went back or jumped is no energy.
func TestCounter(t *testing.T) {
	f := func(was, is uint64, passed time.Duration, want outcome, sum uint64) {
		t.Helper()
		var c counter
		at := time.Now()
		if got := c.read(was, at); got != baseline {
			t.Fatalf("the first reading is %d", got)
		}
		if n, ok := c.take(); ok {
			t.Fatalf("the first reading tells %d", n)
		}
		got := c.read(is, at.Add(passed))
		if n, ok := c.take(); got != want || n != sum || ok != (want == forward) {
			t.Errorf("%d after %d: outcome %d, %d µJ, %v; want %d, %d", is, was, got, n, ok, want, sum)
		}
		// It goes on from there.
		if got := c.read(is+5, at.Add(passed+time.Second)); got != forward && is < math.MaxUint64-5 {
			t.Errorf("then outcome %d", got)
		}
	}
	const s = time.Second
	f(5, 12, s, forward, 7)
	f(5, 5, s, forward, 0)
	f(math.MaxUint64-10, math.MaxUint64, s, forward, 10)
	f(5, 4, s, reset, 0)
	f(5, 0, s, reset, 0)
	f(math.MaxUint64, 0, s, reset, 0)
	f(1<<32, 3, time.Hour, reset, 0)
	f(0, mostPower*9, 10*s, forward, mostPower*9)
	f(0, mostPower*12, 10*s, reset, 0)
	f(0, math.MaxUint64, s, reset, 0)
}

// The integral of power is that of straight lines, in whole µJ, whatever is cut off each
// time.
func TestIntegral(t *testing.T) {
	at := time.Now()
	var i integral
	read := func(power uint64, passed time.Duration, mean bool, want outcome, sum uint64) {
		t.Helper()
		at = at.Add(passed)
		got := i.read(power, at, mean, time.Second)
		if n, ok := i.take(); got != want || n != sum || ok != (want == forward) {
			t.Errorf("%d µW after %v: outcome %d, %d µJ, %v; want %d, %d", power, passed, got, n, ok, want, sum)
		}
	}
	read(10, time.Hour, false, baseline, 0)
	read(10, time.Second, false, forward, 10)
	read(30, time.Second, false, forward, 20)
	read(0, time.Second, false, forward, 15)
	read(1, time.Second, false, forward, 0) // half a µJ
	read(1, 500*time.Millisecond, false, forward, 1)
	read(5, 500*time.Millisecond, true, forward, 2) // a mean tells the time behind it
	read(7, 500*time.Millisecond, true, forward, 4) // with the half that was left
	read(7, time.Second+1, false, dropped, 0)
	read(7, 0, false, forward, 0)
	read(7, time.Second, false, forward, 7)
	read(mostPower, time.Second, false, forward, mostPower/2+3)
	if i.miss(at.Add(time.Second), time.Second) || !i.known {
		t.Error("a baseline expires too soon")
	}
	if !i.miss(at.Add(time.Second+1), time.Second) || i.known || i.miss(at.Add(time.Hour), time.Second) {
		t.Error("a baseline does not expire, or twice")
	}
}

// The sum of any samples is the exact one, rounded down once.
func TestIntegralIsExact(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	for range 50 {
		var i integral
		at, was := time.Now(), uint64(0)
		exact, sum := new(big.Int), new(big.Int)
		for n := range 500 {
			power := random.Uint64N(1 + mostPower>>random.Uint64N(37))
			passed := time.Duration(1 + random.Uint64N(1<<random.Uint64N(44)))
			mean := random.IntN(2) == 0
			at = at.Add(passed)
			i.read(power, at, mean, math.MaxInt64)
			if mean {
				was = power
			}
			if n > 0 {
				term := new(big.Int).SetUint64(was + power)
				exact.Add(exact, term.Mul(term, big.NewInt(int64(passed))))
			}
			was = power
			got, _ := i.take()
			sum.Add(sum, new(big.Int).SetUint64(got))
		}
		if want := exact.Div(exact, big.NewInt(2*int64(time.Second))); sum.Cmp(want) != 0 {
			t.Fatalf("%v µJ, want %v", sum, want)
		}
	}
}
