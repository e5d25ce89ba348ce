package queue

import (
	"context"
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

// From memory to a folder: what waited in memory comes after what was found there, before
// what was pushed since, and is in the folder too. Nothing is written or handed out before
// the old output has ended.
func TestJoin(t *testing.T) {
	dir := t.TempDir()
	earlier := open(t, Options{Bytes: 1000, Dir: dir})
	push(t, earlier, sized(1))
	if err := earlier.Close(); err != nil {
		t.Fatal(err)
	}
	old := open(t, Options{Bytes: 1000})
	for range 10 { // its numbers are higher than those in the folder
		push(t, old, sized(9))
		next(t, old)
		old.Done()
	}
	push(t, old, sized(2))
	push(t, old, sized(3))
	next(t, old)
	q := open(t, Options{Bytes: 1000, Dir: dir, Before: old})
	push(t, q, sized(4))
	third := open(t, Options{Bytes: 1000, Dir: dir, Before: q}) // which replaces that one soon
	push(t, third, sized(5))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := q.Next(over); ok || !old.Shared() || len(files(t, dir)) != 1 {
		t.Errorf("handed out before the time: %v; %d files, want the one that was there", ok, len(files(t, dir)))
	}
	old.Done() // 2 was delivered at the last moment
	q.Join()
	q.Join() // changes nothing
	if old.Shared() || old.Stats().Waiting.Entries != 0 || old.Stats().Bytes != 0 {
		t.Errorf("the old one still has %+v", old.Stats())
	}
	if got := len(files(t, dir)); got != 4 || !q.Kept() {
		t.Errorf("%d files, want 4", got)
	}
	if s := q.Stats(); s.Found != (Amount{2, 4}) || s.Waiting != (Amount{4, 13}) {
		t.Errorf("%+v", s)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, again := range []*Queue{open(t, Options{Bytes: 1000, Dir: copied(t, dir)}), third} {
		var got []int
		for again.Stats().Waiting.Entries > 0 {
			got = append(got, next(t, again).Points)
			again.Done()
		}
		if want := []int{1, 3, 4, 5}; !slices.Equal(got, want) {
			t.Errorf("delivered %v, want %v", got, want)
		}
	}
}

// A queue in another place that comes to nothing leaves the one before as it was; one in
// memory takes nothing out of a folder.
func TestJoinOfNothing(t *testing.T) {
	old := open(t, Options{Bytes: 1000})
	push(t, old, sized(1))
	if err := open(t, Options{Bytes: 1000, Dir: t.TempDir(), Before: old}).Close(); err != nil {
		t.Fatal(err)
	}
	if e := next(t, old); e.Points != 1 || old.Shared() {
		t.Errorf("%d points, shared: %v", e.Points, old.Shared())
	}
	inFolder := open(t, Options{Bytes: 1000, Dir: t.TempDir()})
	push(t, inFolder, sized(1))
	q := open(t, Options{Bytes: 1000, Before: inFolder})
	q.Join()
	if q.Stats().Waiting.Entries != 0 || inFolder.Stats().Waiting.Entries != 1 {
		t.Errorf("%+v moved", q.Stats())
	}
}
