package queue

import (
	"path/filepath"
	"slices"
)

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

// Shared tells whether another output goes on with what waits here.
func (p *place) Shared() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.owners > 1 || p.heirs > 0
}

// expect has a place wait for what is in the memory of the queue before.
func (p *place) expect(before *Queue) {
	if before == nil {
		return
	}
	before.mu.Lock()
	defer before.mu.Unlock()
	if before.owners > 0 {
		before.heirs++
		p.before = before.place
	}
}

// Join takes what is left in the memory of the queue before, ahead of what was pushed here
// since. Whoever reads calls it first, when the output before does so no more. Where both
// queues are in one place, there is nothing to do.
func (q *Queue) Join() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.before == nil {
		return
	}
	moved := q.before.leave()
	q.before = nil
	first := slices.IndexFunc(q.entries, func(e *entry) bool { return e.file == "" }) // pushed since
	if first < 0 {
		first = len(q.entries)
	}
	q.entries = slices.Insert(q.entries, first, moved...)
	for _, e := range q.entries[first:] {
		q.last++
		e.number = q.last
	}
	for _, e := range moved {
		q.bytes += e.size
		q.memory += e.size
		q.found.add(e.points)
	}
	_ = q.settle() // it is counted, and tried again with the next push
	q.trim()
	q.signal()
}

// leave gives what is in memory to an heir.
func (p *place) leave() (moved []*entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heirs--
	p.sending = false
	p.entries = slices.DeleteFunc(p.entries, func(e *entry) bool {
		if e.file != "" {
			return false
		}
		moved = append(moved, e)
		p.bytes -= e.size
		p.memory -= e.size
		return true
	})
	return moved
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
	if q.owners--; q.owners > 0 {
		return nil
	}
	if q.before != nil { // it goes on, as another plugin could not be opened
		q.before.disinherit()
		q.before = nil
	}
	if q.folder == nil {
		return nil
	}
	return q.folder.close()
}

// disinherit tells that an heir will take nothing.
func (p *place) disinherit() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heirs--
}
