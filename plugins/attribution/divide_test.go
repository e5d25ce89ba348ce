package attribution

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func divided(amount uint64, weights ...uint64) []uint64 {
	shares := make([]uint64, len(weights))
	new(divider).divide(amount, weights, shares)
	return shares
}

func TestDivide(t *testing.T) {
	for _, c := range []struct {
		name    string
		amount  uint64
		weights []uint64
		want    []uint64
	}{
		{"even", 10, []uint64{1, 1}, []uint64{5, 5}},
		{"one more to the larger rest", 10, []uint64{1, 2}, []uint64{3, 7}},
		{"equal rests: the first", 10, []uint64{1, 1, 1}, []uint64{4, 3, 3}},
		{"no weight, no share", 7, []uint64{0, 3, 0}, []uint64{0, 7, 0}},
		{"less than one each", 2, []uint64{3, 1, 2, 2}, []uint64{1, 0, 1, 0}},
		{"nothing to divide", 0, []uint64{3, 4}, []uint64{0, 0}},
		{"large", math.MaxUint64, []uint64{1 << 62, 1 << 62}, []uint64{1 << 63, 1<<63 - 1}},
		{"large, and all of it one's", math.MaxUint64 - 1, []uint64{0, 562949953421315}, []uint64{0, math.MaxUint64 - 1}},
		{"large, and nearly all of it one's", math.MaxUint64 - 7, []uint64{1, 2097153}, []uint64{8796084633608, 18446735277624918000}},
		{"the sum of the weights does not fit", 100, []uint64{math.MaxUint64, math.MaxUint64}, []uint64{50, 50}},
	} {
		if diff := cmp.Diff(c.want, divided(c.amount, c.weights...)); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.name, diff)
		}
	}
	if new(divider).divide(5, []uint64{0, 0}, make([]uint64, 2)) {
		t.Error("an amount was divided by no weight")
	}
}

// Whatever is divided: the shares add up to it, none is off its exact value by one or
// more, none without weight has any, of none with one more was less cut off than of one
// without, and the order of the weights changes nothing but
// who of equal ones is the first.
func FuzzDivide(f *testing.F) {
	f.Add(uint64(100), uint64(7), uint8(3))
	f.Add(uint64(math.MaxUint64), uint64(1), uint8(200))
	f.Add(uint64(1), uint64(9), uint8(110))
	f.Fuzz(func(t *testing.T, amount, seed uint64, n uint8) {
		random := rand.New(rand.NewPCG(seed, 5))
		weights := make([]uint64, int(n)+1)
		whole := new(big.Int)
		for i := range weights {
			weights[i] = random.Uint64() >> (8 + random.IntN(56))
			whole.Add(whole, new(big.Int).SetUint64(weights[i]))
		}
		shares := divided(amount, weights...)
		if whole.Sign() == 0 {
			return
		}
		sum := new(big.Int)
		most, least := new(big.Int), new(big.Int).Set(whole) // rests: of those rounded down, and of those with one more
		for i, share := range shares {
			sum.Add(sum, new(big.Int).SetUint64(share))
			exact := new(big.Rat).SetFrac(new(big.Int).Mul(new(big.Int).SetUint64(amount), new(big.Int).SetUint64(weights[i])), whole)
			off := exact.Sub(exact, new(big.Rat).SetInt(new(big.Int).SetUint64(share)))
			if off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 || weights[i] == 0 && share != 0 {
				t.Errorf("weight %d of %v of %d: %d", weights[i], whole, amount, share)
			}
			down, rest := new(big.Int).DivMod(new(big.Int).Mul(new(big.Int).SetUint64(amount), new(big.Int).SetUint64(weights[i])), whole, new(big.Int))
			if down.IsUint64() && down.Uint64() == share {
				most = maxOf(most, rest)
			} else if rest.Cmp(least) < 0 {
				least = rest
			}
		}
		if most.Cmp(least) > 0 {
			t.Errorf("of %v of %d the rest %v is given up, and %v is not", whole, amount, most, least)
		}
		if sum.Cmp(new(big.Int).SetUint64(amount)) != 0 {
			t.Errorf("the shares add up to %v, want %d", sum, amount)
		}
		mixed := slices.Clone(weights)
		random.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		again := divided(amount, mixed...)
		slices.Sort(shares)
		slices.Sort(again)
		if !slices.Equal(shares, again) {
			t.Errorf("in another order, the shares are others")
		}
	})
}

func maxOf(x, y *big.Int) *big.Int {
	if x.Cmp(y) < 0 {
		return y
	}
	return x
}

func TestLargest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		values := make([]uint64, 1+random.IntN(20))
		for i := range values {
			values[i] = random.Uint64N(8)
		}
		sorted := slices.Sorted(slices.Values(values))
		slices.Reverse(sorted)
		for n := 1; n <= len(values); n++ {
			if got := largest(slices.Clone(values), n); got != sorted[n-1] {
				t.Fatalf("the %d. largest of %v is %d, want %d", n, values, got, sorted[n-1])
			}
		}
	}
}

func BenchmarkDivide(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	weights, shares := make([]uint64, 112), make([]uint64, 112)
	for i := range weights {
		weights[i] = random.Uint64N(1e9)
	}
	var d divider
	b.ReportAllocs()
	for b.Loop() {
		d.divide(30_000_000, weights, shares)
	}
}
