package otlp

import (
	"context"
	"sync"
)

// maxQueue is how many bytes of requests wait for a receiver at most.
const maxQueue = 16 << 20

// queue holds encoded requests in order, for one writer and one reader. It is
// bounded in bytes: the oldest requests give way to the newest.
type queue struct {
	limit int
	wake  chan struct{} // has a token after a push

	mu       sync.Mutex
	requests []request
	sending  int // bytes of the request that next handed out
	bytes    int // of everything, including the one that is being sent
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1)}
}

// loss is an amount of data that was given up.
type loss struct{ requests, points int }

func (l *loss) add(r request) {
	l.requests++
	l.points += r.points
}

// push appends a request and returns what had to go for it: the oldest ones,
// though not the one that is being sent; r alone if it would not fit even then.
func (q *queue) push(r request) (lost loss) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.sending+len(r.body) > q.limit {
		lost.add(r)
		return lost
	}
	for q.bytes+len(r.body) > q.limit {
		lost.add(q.shift())
	}
	q.requests = append(q.requests, r)
	q.bytes += len(r.body)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return lost
}

// next returns the oldest request and keeps its bytes reserved until done is
// called. It waits for one until the context ends, and then returns false when
// nothing is left.
func (q *queue) next(ctx context.Context) (request, bool) {
	for {
		if r, ok := q.take(); ok {
			return r, true
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return q.take()
		}
	}
}

func (q *queue) take() (request, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.requests) == 0 {
		return request{}, false
	}
	r := q.shift()
	q.sending = len(r.body)
	q.bytes += q.sending
	return r, true
}

// done frees the bytes of the request that next handed out.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= q.sending
	q.sending = 0
}

// drop empties the queue and returns what was in it.
func (q *queue) drop() (lost loss) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.requests) > 0 {
		lost.add(q.shift())
	}
	return lost
}

// size returns the bytes that are held.
func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes
}

// shift removes the oldest request.
func (q *queue) shift() request {
	r := q.requests[0]
	q.requests[0] = request{} // frees the body: the array stays
	q.requests = q.requests[1:]
	q.bytes -= len(r.body)
	return r
}
