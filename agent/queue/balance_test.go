package queue

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestBalance does what can happen in any order: pushes, deliveries, refusals, full
// disks, damaged files, restarts and kills. At any time all that was pushed was
// delivered, or is counted as lost, or waits; deliveries are in order, and each entry
// is delivered once, except for one that was under way at a kill.
func TestBalance(t *testing.T) {
	for seed := range uint64(60) {
		balance(t, seed)
	}
}

// life is one run of TestBalance over several processes.
type life struct {
	t       *testing.T
	options Options
	q       *Queue
	disk    bool // full
	pushed  Amount
	taken   Amount
	earlier map[string]Amount // lost by earlier processes
	last    int               // the newest delivered
}

func balance(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 8))
	l := &life{t: t, options: Options{Bytes: 700, Memory: 300, Dir: t.TempDir()}, earlier: make(map[string]Amount), last: -1}
	if seed%4 == 0 {
		l.options.Dir = ""
	}
	l.q = open(t, l.options)
	for n := range 400 {
		switch random.IntN(12) {
		case 0, 1, 2, 3, 4:
			body := make([]byte, random.IntN(120))
			for i := range body {
				body[i] = byte(random.Uint32())
			}
			e := Entry{Body: append([]byte(strconv.Itoa(n)+" "), body...), Points: random.IntN(9)}
			_, _ = l.q.Push(e)
			l.pushed.add(e.Points)
		case 5, 6, 7:
			l.deliver(l.q.Done, true)
		case 8:
			l.deliver(l.q.Release, false)
		case 9:
			l.deliver(func() { l.q.Drop("answer") }, false)
		case 10:
			l.damage(random)
		case 11:
			l.again(random)
		}
		if l.options.Dir != "" && random.IntN(15) == 0 {
			l.disk = !l.disk
			l.q.fill(l.disk)
		}
		l.check(seed, n)
	}
}

// deliver takes the oldest entry and ends its delivery.
func (l *life) deliver(end func(), taken bool) {
	ctx, cancel := context.WithCancel(l.t.Context())
	cancel()
	e, ok := l.q.Next(ctx)
	if !ok {
		return
	}
	text, _, _ := strings.Cut(string(e.Body), " ")
	n, err := strconv.Atoi(text)
	if err != nil || n <= l.last {
		l.t.Errorf("entry %q came after %d", text, l.last)
	}
	end()
	if taken {
		l.last = n
		l.taken.add(e.Points)
	}
}

// damage tears a file.
func (l *life) damage(random *rand.Rand) {
	if l.options.Dir == "" {
		return
	}
	if all := files(l.t, l.options.Dir); len(all) > 0 {
		if err := os.Truncate(all[random.IntN(len(all))], int64(random.IntN(20))); err != nil {
			l.t.Fatal(err)
		}
	}
}

// again ends the process, by a kill or in good order, and starts another one.
func (l *life) again(random *rand.Rand) {
	if l.options.Dir == "" {
		return
	}
	if random.IntN(2) == 0 {
		// Those in memory only go with the process, and the disk was full for them.
		l.options.Dir = copied(l.t, l.options.Dir)
		for _, e := range l.q.entries {
			if e.file == "" {
				l.pushed = Amount{l.pushed.Entries - 1, l.pushed.Points - e.points}
			}
		}
	} else {
		l.q.DropAll("shutdown")
	}
	for reason, lost := range l.q.Stats().Lost {
		l.earlier[reason] = l.earlier[reason].Plus(lost)
	}
	if err := l.q.Close(); err != nil {
		l.t.Fatal(err)
	}
	l.q, l.disk = open(l.t, l.options), false
}

func (l *life) check(seed uint64, n int) {
	l.t.Helper()
	s := l.q.Stats()
	sum := l.taken.Plus(s.Waiting)
	for _, lost := range l.earlier {
		sum = sum.Plus(lost)
	}
	for _, lost := range s.Lost {
		sum = sum.Plus(lost)
	}
	if sum != l.pushed {
		l.t.Fatalf("seed %d, step %d: %v are delivered, lost or waiting of %v that were pushed", seed, n, sum, l.pushed)
	}
	bytes, memory := 0, 0
	for _, e := range l.q.entries {
		bytes += e.size
		if e.file == "" {
			memory += e.size
		}
	}
	if bytes != s.Bytes || memory != l.q.memory || bytes > l.options.Bytes || memory > l.options.Memory && l.options.Dir != "" {
		l.t.Fatalf("seed %d, step %d: %d bytes wait, %d in memory, but %d and %d are told", seed, n, bytes, memory, s.Bytes, l.q.memory)
	}
}
