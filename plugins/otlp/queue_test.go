package otlp

import (
	"context"
	"slices"
	"testing"
)

func sized(n int) request { return request{body: make([]byte, n), points: n} }

// TestQueueDropsOldest shows the bound in bytes, in order of age.
func TestQueueDropsOldest(t *testing.T) {
	q := newQueue(100)
	type step struct {
		lost loss
		size int
	}
	var got []step
	push := func(n int) { got = append(got, step{q.push(sized(n)), q.size()}) }
	push(10)
	push(20)
	push(30)
	push(70)  // takes the place of two
	push(10)  // and this of one more
	push(101) // never fits, and takes nothing with it
	want := []step{{loss{}, 10}, {loss{}, 30}, {loss{}, 60}, {loss{2, 30}, 100}, {loss{1, 30}, 80}, {loss{1, 101}, 80}}
	if !slices.Equal(got, want) {
		t.Errorf("got steps %v, want %v", got, want)
	}
}

// TestQueueKeepsTheOneBeingSent shows that what is under way counts, and is not
// taken away.
func TestQueueKeepsTheOneBeingSent(t *testing.T) {
	q := newQueue(100)
	for _, n := range []int{60, 20, 20} {
		q.push(sized(n))
	}
	if r, ok := q.next(t.Context()); !ok || r.points != 60 {
		t.Fatalf("next: got %d, %v, want the oldest", r.points, ok)
	}
	if lost := q.push(sized(30)); lost != (loss{2, 40}) {
		t.Errorf("push: lost %v, want the two of 20", lost)
	}
	if q.size() != 90 {
		t.Errorf("size is %d, want 60 under way and 30 waiting", q.size())
	}
	q.done()
	if q.size() != 30 {
		t.Errorf("size is %d after it was sent, want 30", q.size())
	}
}

// TestQueueEnds shows that an ended context empties the queue first.
func TestQueueEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q := newQueue(100)
	q.push(sized(1))
	q.push(sized(2))
	if r, ok := q.next(ctx); !ok || r.points != 1 {
		t.Errorf("next: got %d, %v, want the first", r.points, ok)
	}
	q.done()
	if lost := q.drop(); lost != (loss{1, 2}) {
		t.Errorf("drop: lost %v, want the second", lost)
	}
	if _, ok := q.next(ctx); ok || q.size() != 0 {
		t.Errorf("next: got a request of an empty queue with %d bytes", q.size())
	}
}
