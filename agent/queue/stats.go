package queue

import (
	"maps"
	"time"
)

// Amount is an amount of data.
type Amount struct{ Entries, Points int }

func (a *Amount) add(points int) {
	a.Entries++
	a.Points += points
}

// Plus returns the sum.
func (a Amount) Plus(b Amount) Amount {
	return Amount{a.Entries + b.Entries, a.Points + b.Points}
}

// Stats is what a queue can tell of itself.
type Stats struct {
	// Waiting is what waits, with what is being delivered. Bytes are its bytes, and
	// Age that of the oldest entry.
	Waiting Amount
	Bytes   int
	Age     time.Duration
	// Found is what was in the folder at the start.
	Found Amount
	// Lost is what was given up, by reason.
	Lost map[string]Amount
	// Faults is how often the folder failed.
	Faults int
}

// Stats tells how the queue is.
func (q *Queue) Stats() Stats {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := Stats{Bytes: q.bytes, Found: q.found, Lost: maps.Clone(q.lost), Faults: q.faults}
	for _, e := range q.entries {
		s.Waiting.add(e.points)
	}
	if len(q.entries) > 0 {
		s.Age = max(0, time.Since(q.entries[0].since))
	}
	return s
}
