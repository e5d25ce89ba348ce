package cgrouptest

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestInTurns compares two functions whose times are known: time in the bubble passes
// while they sleep, and never else.
func TestInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order strings.Builder
		var turns Turns
		result := testing.Benchmark(func(b *testing.B) {
			order.Reset()
			turns = InTurns(b, func() {
				order.WriteByte('a')
				time.Sleep(3 * time.Millisecond)
			}, func() {
				order.WriteByte('b')
				time.Sleep(2 * time.Millisecond)
				if order.Len() <= 8 { // a busy moment
					time.Sleep(100 * time.Millisecond)
				}
			})
		})
		if want := (Turns{3 * time.Millisecond, 2 * time.Millisecond, 1.5}); turns != want {
			t.Errorf("got %v, want %v", turns, want)
		}
		if result.N < 100 || order.String() != strings.Repeat("abba", result.N)[:2*result.N] {
			t.Errorf("after %d turns: they ran as %q, want in turns", result.N, order.String())
		}
	})
}
