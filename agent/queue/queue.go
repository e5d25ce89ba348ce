// Package queue keeps what an output has still to deliver: encoded requests, in
// order, bounded in bytes and in age, in memory or in a folder that outlives the
// process.
//
// There is one writer and one reader. What is given up is counted, so that at any
// time
//
//	pushed + found at the start = delivered + lost + waiting
//
// holds in entries and in points.
package queue

import (
	"errors"
	"sync"
	"time"
)

// Reasons for which entries are given up. Owners have reasons of their own besides.
const (
	// Full is more bytes than may wait.
	Full = "queue_full"
	// Old is that an entry waited for too long.
	Old = "queue_age"
	// Corrupt is that an entry's file is not what was written.
	Corrupt = "corrupt"
)

// Options are the bounds of a queue, and its place.
type Options struct {
	// Bytes bounds what waits: bodies in memory, files in a folder.
	Bytes int
	// Memory bounds the bodies that are in memory because the folder does not take
	// them; 0 is Bytes.
	Memory int
	// Age bounds how long an entry waits; 0 is for ever.
	Age time.Duration
	// Dir is the folder; empty is in memory. It is made where it is not there.
	Dir string
	// Before is the queue of the output that is replaced, or nil: what waits there waits
	// on, but for what is in another folder. See Join.
	Before *Queue
}

// Entry is one encoded request.
type Entry struct {
	Body   []byte
	Points int
}

// Queue is a queue of requests. Its methods may be called concurrently.
type Queue struct {
	options Options
	closed  bool
	*place
}

// place is where requests wait. While an output is replaced, the two have it in common:
// the old one is read until it lets go, the new one is written.
type place struct {
	wake chan struct{} // has a token after a push

	mu      sync.Mutex
	owners  int     // that have not closed it
	heirs   int     // other places that will take what is in memory
	before  *place  // of which this one is an heir, until Join
	folder  *folder // nil: in memory
	entries []*entry
	sending bool // the first entry is handed out
	bytes   int  // of all entries
	memory  int  // of the bodies among them
	last    uint64
	found   Amount
	lost    map[string]Amount
	faults  int
	trouble error    // of the folder, since it last worked
	damaged error    // what is still to be told of damaged files
	stale   []string // files that could not be removed
}

// entry is an entry that waits: its body is in memory or in a file.
type entry struct {
	body   []byte
	points int
	since  time.Time
	number uint64
	file   string // empty: it is in memory alone
	size   int    // of the body or of the file
}

// Open makes a queue. With a folder, it holds what the last process left there, the
// oldest first; an error names what is wrong with the folder, as that another
// process has it. What is in the same place as the queue before is not made again: the
// new bounds hold for it from the first Push or Next on.
func Open(o Options) (*Queue, error) {
	if o.Memory == 0 || o.Memory > o.Bytes {
		o.Memory = o.Bytes
	}
	before := o.Before
	o.Before = nil
	if before != nil && samePlace(before.options.Dir, o.Dir) && before.share() {
		return &Queue{options: o, place: before.place}, nil
	}
	q := &Queue{options: o, place: &place{owners: 1, wake: make(chan struct{}, 1), lost: make(map[string]Amount)}}
	if err := q.openFolder(); err != nil {
		return nil, err
	}
	q.expect(before)
	return q, nil
}

// openFolder takes what is in the folder, if there is to be one.
func (q *Queue) openFolder() error {
	o := q.options
	if o.Dir == "" {
		return nil
	}
	var err error
	if q.folder, err = openFolder(o.Dir); err != nil {
		return err
	}
	if q.entries, err = q.folder.list(); err != nil {
		return errors.Join(err, q.folder.close())
	}
	for _, e := range q.entries {
		q.bytes += e.size
		q.found.add(e.points)
		q.last = e.number
	}
	q.trim()
	q.signal()
	return nil
}

// Push appends an entry. It tells what had to go for it: the oldest ones, though not
// the one that is being delivered, or the entry itself where it would not fit even
// then. An error says that the folder does not take it, and then it waits in memory;
// or which files were damaged since the last push.
func (q *Queue) Push(e Entry) (lost Amount, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.total()
	q.last++
	made := &entry{body: e.Body, points: e.Points, since: time.Now(), number: q.last, size: len(e.Body)}
	q.entries = append(q.entries, made)
	q.bytes += made.size
	q.memory += made.size
	err = errors.Join(q.damaged, q.settle())
	q.damaged = nil
	q.trim()
	q.signal()
	after := q.total()
	return Amount{after.Entries - before.Entries, after.Points - before.Points}, err
}

// settle moves to the folder what is in memory, in order, and removes what could not
// be removed before. It stops at the first failure.
func (q *Queue) settle() error {
	if q.folder == nil || q.before != nil { // what comes before it is not there yet
		return nil
	}
	q.trouble = nil
	for len(q.stale) > 0 {
		if !q.try(q.folder.remove(q.stale[0])) {
			return q.trouble
		}
		q.stale = q.stale[1:]
	}
	for _, e := range q.entries {
		if e.file != "" {
			continue
		}
		name, size, err := q.folder.write(e)
		if !q.try(err) {
			return q.trouble
		}
		q.bytes += size - e.size
		q.memory -= e.size
		e.file, e.size, e.body = name, size, nil
	}
	return nil
}

// try counts a failure of the folder.
func (q *Queue) try(err error) bool {
	if err == nil {
		return true
	}
	q.faults++
	q.trouble = err
	return false
}

// trim gives up the oldest entries until the bounds are kept.
func (q *Queue) trim() {
	for i := q.free(); i < len(q.entries) && q.tooOld(q.entries[i]); {
		q.drop(i, Old)
	}
	for q.bytes > q.options.Bytes && q.free() < len(q.entries) {
		// What alone is too large takes nothing else with it.
		newest := len(q.entries) - 1
		held := 0
		if q.sending {
			held = q.entries[0].size
		}
		if q.entries[newest].size+held > q.options.Bytes && newest >= q.free() {
			q.drop(newest, Full)
			continue
		}
		q.drop(q.free(), Full)
	}
	for i := q.free(); i < len(q.entries) && q.memory > q.options.Memory; {
		if q.entries[i].file != "" {
			i++ // its body takes no memory
			continue
		}
		q.drop(i, Full)
	}
}

// free is the place of the oldest entry that is not being delivered.
func (q *Queue) free() int {
	if q.sending {
		return 1
	}
	return 0
}

func (q *Queue) tooOld(e *entry) bool {
	return q.options.Age > 0 && time.Since(e.since) > q.options.Age
}

// drop gives up an entry.
func (q *Queue) drop(i int, reason string) {
	q.lose(reason, q.entries[i].points)
	q.remove(i)
}

func (q *Queue) lose(reason string, points int) {
	sum := q.lost[reason]
	sum.add(points)
	q.lost[reason] = sum
}

// remove takes an entry out, and its file.
func (q *Queue) remove(i int) {
	e := q.entries[i]
	if i == 0 {
		q.entries[0] = nil // frees the body: the array stays
		q.entries = q.entries[1:]
	} else {
		q.entries = append(q.entries[:i], q.entries[i+1:]...)
	}
	q.bytes -= e.size
	if e.file == "" {
		q.memory -= e.size
		return
	}
	if !q.try(q.folder.remove(e.file)) {
		q.stale = append(q.stale, e.file)
	}
}

func (q *Queue) total() (sum Amount) {
	for _, lost := range q.lost {
		sum = sum.Plus(lost)
	}
	return sum
}

func (q *Queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// Kept tells whether what waits outlives the process, all of it.
func (q *Queue) Kept() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.folder != nil && q.memory == 0
}

// DropAll gives up what waits, but for what is in a folder, and tells how much it was.
func (q *Queue) DropAll(reason string) (lost Amount) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sending = false
	_ = q.settle() // it is counted, and what stays in memory is lost
	for i := 0; i < len(q.entries); {
		if q.entries[i].file != "" {
			i++
			continue
		}
		lost.add(q.entries[i].points)
		q.drop(i, reason)
	}
	return lost
}

// Trouble is the folder's last failure, until it works again.
func (q *Queue) Trouble() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.trouble
}
