package queue

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The bound in bytes takes the oldest first.
func TestOldestGoFirst(t *testing.T) {
	q := open(t, Options{Bytes: 100})
	type step struct {
		Lost  Amount
		Bytes int
	}
	var got []step
	for _, n := range []int{
		10, 20, 30,
		70,  // takes the place of two
		10,  // and this of one more
		101, // never fits, and takes nothing with it
	} {
		lost := push(t, q, sized(n))
		got = append(got, step{lost, q.Stats().Bytes})
	}
	want := []step{{Amount{}, 10}, {Amount{}, 30}, {Amount{}, 60}, {Amount{2, 30}, 100}, {Amount{1, 30}, 80}, {Amount{1, 101}, 80}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]Amount{Full: {4, 161}}, q.Stats().Lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
}

// What is being delivered counts, and is not taken away; put back, it is.
func TestTheOneBeingDelivered(t *testing.T) {
	q := open(t, Options{Bytes: 100})
	for _, n := range []int{60, 20, 20} {
		push(t, q, sized(n))
	}
	if e := next(t, q); e.Points != 60 {
		t.Fatalf("next has %d points, want the oldest's 60", e.Points)
	}
	if lost := push(t, q, sized(30)); lost != (Amount{2, 40}) {
		t.Errorf("lost %v, want the two of 20", lost)
	}
	if lost := push(t, q, sized(41)); lost != (Amount{1, 41}) {
		t.Errorf("lost %v, want what does not fit beside the one under way", lost)
	}
	q.Release()
	if lost := push(t, q, sized(41)); lost != (Amount{1, 60}) {
		t.Errorf("lost %v, want the one that was put back", lost)
	}
	if e := next(t, q); e.Points != 30 {
		t.Errorf("next has %d points, want 30", e.Points)
	}
	q.Done()
	q.Done() // twice takes nothing
	if s := q.Stats(); s.Bytes != 41 || s.Waiting != (Amount{1, 41}) {
		t.Errorf("%+v, want one of 41", s)
	}
}

// What waits for too long is given up, when others come and when it is asked for, in
// memory and in a folder, and across a restart.
func TestAge(t *testing.T) {
	for name, dir := range map[string]string{"memory": "", "folder": t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := Options{Bytes: 1000, Age: time.Minute, Dir: dir}
				q := open(t, o)
				push(t, q, sized(1))
				time.Sleep(40 * time.Second)
				push(t, q, sized(2))
				if age := q.Stats().Age; age != 40*time.Second {
					t.Errorf("the age is %v, want 40 s", age)
				}
				time.Sleep(30 * time.Second)
				if e := next(t, q); e.Points != 2 {
					t.Errorf("next has %d points, want the second's 2", e.Points)
				}
				q.Release()
				if dir != "" {
					if err := q.Close(); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Minute)
					q = open(t, o)
					if s := q.Stats(); s.Found != (Amount{1, 2}) || s.Lost[Old] != (Amount{1, 2}) {
						t.Errorf("%+v, want one found, and lost", s)
					}
					return
				}
				time.Sleep(time.Minute)
				push(t, q, sized(3))
				if diff := cmp.Diff(map[string]Amount{Old: {2, 3}}, q.Stats().Lost); diff != "" {
					t.Errorf("lost (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// An ended context empties the queue first, and a push wakes the one who waits.
func TestNextWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := open(t, Options{Bytes: 100})
		ctx, cancel := context.WithCancel(t.Context())
		var got []int
		go func() {
			for {
				e, ok := q.Next(ctx)
				if !ok {
					return
				}
				got = append(got, e.Points)
				q.Done()
			}
		}()
		synctest.Wait()
		push(t, q, sized(1))
		synctest.Wait()
		push(t, q, sized(2))
		push(t, q, sized(3))
		cancel()
		synctest.Wait()
		if !slices.Equal(got, []int{1, 2, 3}) {
			t.Errorf("got %v, want all three", got)
		}
	})
}
