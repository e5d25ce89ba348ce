package queue

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An output is replaced while an entry of its is under way: the new one has what waits, in
// order, and the folder stays locked until both have closed the queue.
func TestReplaced(t *testing.T) {
	for place, dir := range map[string]string{"memory": "", "folder": t.TempDir()} {
		t.Run(place, func(t *testing.T) {
			old := open(t, Options{Bytes: 1000, Dir: dir})
			for n := 1; n <= 3; n++ {
				push(t, old, sized(n))
			}
			under := next(t, old)
			other := dir
			if other != "" {
				other += "/./" // is the same
			}
			q := open(t, Options{Bytes: 1000, Dir: other, Before: old})
			push(t, q, sized(4))
			if !old.Shared() || !q.Shared() {
				t.Error("each has the queue for itself")
			}
			old.Done()
			if err := old.Close(); err != nil {
				t.Fatal(err)
			}
			if q.Shared() {
				t.Error("it is shared with one that is closed")
			}
			if dir != "" {
				if _, err := Open(Options{Bytes: 1000, Dir: dir}); !contains(err, "give each a folder of its own") {
					t.Errorf("another one gets the folder: error %v", err)
				}
			}
			got := []int{under.Points}
			for q.Stats().Waiting.Entries > 0 {
				got = append(got, next(t, q).Points)
				q.Done()
			}
			if want := []int{1, 2, 3, 4}; !slices.Equal(got, want) {
				t.Errorf("delivered %v, want %v", got, want)
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			open(t, Options{Bytes: 1000, Dir: dir})
		})
	}
}

// What replaces an output in the end not, as another plugin cannot be opened, leaves the
// queue as it was.
func TestNotReplaced(t *testing.T) {
	dir := t.TempDir()
	old := open(t, Options{Bytes: 100, Dir: dir})
	push(t, old, sized(40))
	if err := open(t, Options{Bytes: 1, Dir: dir, Before: old}).Close(); err != nil {
		t.Fatal(err)
	}
	push(t, old, sized(41))
	if e := next(t, old); e.Points != 40 || old.Shared() {
		t.Errorf("%d points, shared: %v", e.Points, old.Shared())
	}
}

// Bounds are those of whoever pushes.
func TestBoundsOfTheNewOne(t *testing.T) {
	old := open(t, Options{Bytes: 100})
	for range 4 {
		push(t, old, sized(20))
	}
	q := open(t, Options{Bytes: 50, Before: old})
	if lost := push(t, q, sized(10)); lost != (Amount{2, 40}) {
		t.Errorf("lost %v, want the two oldest", lost)
	}
	if diff := cmp.Diff(map[string]Amount{Full: {2, 40}}, q.Stats().Lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

// In another place, or after the end of the one before, a queue is a new one.
func TestAnotherPlace(t *testing.T) {
	dir := t.TempDir()
	old := open(t, Options{Bytes: 100, Dir: dir})
	push(t, old, sized(1))
	for _, o := range []Options{{Bytes: 100, Before: old}, {Bytes: 100, Dir: t.TempDir(), Before: old}} {
		if q := open(t, o); q.Shared() || q.Stats().Waiting.Entries > 0 {
			t.Errorf("%q: it has what waits elsewhere", o.Dir)
		}
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	q := open(t, Options{Bytes: 100, Dir: dir, Before: old})
	if q.Shared() || q.Stats().Found.Entries != 1 {
		t.Errorf("%+v, want what was found in the folder", q.Stats())
	}
}
