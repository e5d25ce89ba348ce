package queue

import "path/filepath"

// samePlace tells whether two queues are in one folder, or both in memory.
func samePlace(a, b string) bool {
	return a == b || a != "" && b != "" && filepath.Clean(a) == filepath.Clean(b)
}

// share counts one more owner, and reports false if there is none any more.
func (p *place) share() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.owners == 0 {
		return false
	}
	p.owners++
	return true
}

// Shared tells whether another output has what waits here too.
func (p *place) Shared() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owners > 1
}

// Close gives the folder back, where no other output has it too. What is in it waits for
// the next process.
func (q *Queue) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	if q.owners--; q.owners > 0 || q.folder == nil {
		return nil
	}
	return q.folder.close()
}
