package queue

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Next hands out the oldest entry, which then stays in the queue until Done, Drop or
// Release is called. It waits for one until the context ends, and then reports false
// when nothing is left. Until Join, it waits.
func (q *Queue) Next(ctx context.Context) (Entry, bool) {
	for {
		e, ok, err := q.take()
		if ok {
			return e, true
		}
		var again <-chan time.Time
		if err != nil {
			again = time.After(readAgain)
		}
		select {
		case <-q.wake:
		case <-again:
		case <-ctx.Done():
			e, ok, _ = q.take()
			return e, ok
		}
	}
}

// readAgain is how long Next waits before it reads a file again that it could not
// open, as where too many files are open.
const readAgain = time.Second

// take hands out the oldest entry. With an error, it is there but cannot be opened.
func (q *Queue) take() (Entry, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sending = false
	q.trim()
	for len(q.entries) > 0 && q.before == nil {
		e := q.entries[0]
		if e.file == "" {
			q.sending = true
			return Entry{e.body, e.points}, true, nil
		}
		body, err := q.folder.read(e.file)
		if err == nil {
			q.sending = true
			return Entry{body, e.points}, true, nil
		}
		if !errors.Is(err, errDamaged) {
			q.try(err)
			return Entry{}, false, err
		}
		q.damaged = fmt.Errorf("%d points are lost: %w", e.points, err)
		q.drop(0, Corrupt)
	}
	return Entry{}, false, nil
}

// Done takes the entry out that Next handed out: it was delivered.
func (q *Queue) Done() { q.finish(func() { q.remove(0) }) }

// Drop gives up the entry that Next handed out, for a reason of the owner.
func (q *Queue) Drop(reason string) { q.finish(func() { q.drop(0, reason) }) }

// Release puts back the entry that Next handed out, as the oldest. It may be given up
// for others again.
func (q *Queue) Release() { q.finish(func() {}) }

func (q *Queue) finish(f func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sending {
		f()
		q.sending = false
	}
}
