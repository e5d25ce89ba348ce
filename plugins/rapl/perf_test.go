package rapl

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

const (
	packageOf0 = "cpu_package 0 package"
	packageOf1 = "cpu_package 1 package"
)

// Whatever the counts, and whichever readings fail, what is told is what the counts are
// worth together, rounded down once: nothing drifts. K1, K3, K12.
func TestEventsDoNotDrift(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) { driftless(t, rand.New(rand.NewPCG(seed, 11))) })
	}
}

func driftless(t *testing.T, random *rand.Rand) {
	m := newPMUMachine(t, simnode.MultiDiePMUs()...)
	m.ticked()
	whole := m.source.kernel.read
	counts, told := make(map[int]uint64), make(map[string]uint64)
	failed := 0
	for i := range 500 {
		time.Sleep(time.Duration(1+random.IntN(3000)) * time.Millisecond)
		for _, cpu := range []int{0, 24, 48, 72} {
			n := random.Uint64N(1 << uint(random.IntN(34))) // up to 4 J
			counts[cpu] += n
			m.must(m.pmus.Spend("power", "energy-pkg", cpu, n))
		}
		m.source.kernel.read = func(fd int, p []byte) (int, error) {
			if i < 499 && random.IntN(20) == 0 {
				return 0, unix.EIO
			}
			return whole(fd, p)
		}
		got, err := m.tick()
		if err != nil {
			failed++
		}
		for key, n := range got {
			told[key] += n
		}
	}
	worth := func(n uint64) uint64 { return n>>26*15625 + n&(1<<26-1)*15625>>26 }
	if want := worth(counts[0]) + worth(counts[24]); told[packageOf0] != want {
		t.Errorf("%d µJ of package 0, want %d", told[packageOf0], want)
	}
	if want := worth(counts[48]) + worth(counts[72]); told[packageOf1] != want {
		t.Errorf("%d µJ of package 1, want %d", told[packageOf1], want)
	}
	if failed == 0 || m.counts("resets")+m.counts("wraps")+m.counts("dropped_intervals") != 0 {
		t.Errorf("%d ticks with failures; a reset, a wrap or a gap where there is none", failed)
	}
}

// Counts that go backwards or jump are no energy, and those of 64 bits that begin at 0 again
// are followed. K2, K3, S1.
func TestEventsThatJump(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPMUMachine(t, simnode.TwoSocketServerPMUs()...)
		m.ticked()
		step := func(counts uint64, want uint64, there bool) {
			t.Helper()
			m.must(m.pmus.Spend("power", "energy-pkg", 0, counts))
			time.Sleep(5 * time.Second)
			got := m.ticked()
			if n, ok := got[packageOf0]; n != want || ok != there || len(got) < 3 {
				t.Errorf("%v, want %d", got, want)
			}
		}
		const perJoule = 1 << 32
		step(100*perJoule, 100*joule, true)
		m.must(m.pmus.SetBack("power", "energy-pkg", 0, 30*perJoule))
		step(0, 0, false)
		step(7*perJoule, 7*joule, true)
		if n := m.counts("resets"); n != 1 {
			t.Errorf("%d resets, want 1", n)
		}
		step(1<<64-77*perJoule-3*perJoule, 0, false) // to 3 J before the end, as no CPU can
		step(8*perJoule, 8*joule, true)              // and over it
		if resets, wraps := m.counts("resets"), m.counts("wraps"); resets != 2 || wraps != 1 {
			t.Errorf("%d resets and %d wraps, want 2 and 1", resets, wraps)
		}
	})
}

// An event that fails costs its zone one tick, and the next reading tells of both.
func TestEventThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		units := simnode.TwoSocketServerPMUs()
		m := newPMUMachine(t, units...)
		m.ticked()
		whole := m.source.kernel.read
		refused := m.source.zones[0].fd
		for name, read := range map[string]func(p []byte) (int, error){
			"an error":       func([]byte) (int, error) { return 0, unix.EIO },
			"half a reading": func([]byte) (int, error) { return 8, nil },
		} {
			interrupted := false
			m.source.kernel.read = func(fd int, p []byte) (int, error) {
				if fd == refused {
					return read(p)
				}
				if interrupted = !interrupted; interrupted {
					return 0, unix.EINTR
				}
				return whole(fd, p)
			}
			m.spendEach(units)
			got, err := m.tick()
			if _, there := got[packageOf0]; err == nil || there || len(got) != 3 {
				t.Errorf("%s: %v, %v", name, got, err)
			}
			m.source.kernel.read = whole
			m.spendEach(units)
			if got := m.ticked(); got[packageOf0] != 2 || m.spans[packageOf0] != 10*time.Second {
				t.Errorf("%s: then %v over %v", name, got, m.spans)
			}
		}
		// The kernel's state of error is for ever: the event is opened anew.
		m.source.kernel.read = func(fd int, p []byte) (int, error) {
			if fd == refused {
				return 0, nil
			}
			return whole(fd, p)
		}
		m.spendEach(units)
		_, _ = m.tick()
		m.spendEach(units)
		m.ticked()
		m.spendEach(units)
		if got := m.ticked(); got[packageOf0] != 1 || m.source.zones[0].fd == refused || m.pmus.Opened() != 4 {
			t.Errorf("in the end %v, %d open", got, m.pmus.Opened())
		}
	})
}

// All events are closed in the end.
func TestEventsAreClosed(t *testing.T) {
	var pmus *simnode.PMUs
	t.Run("a run", func(t *testing.T) {
		m := newPMUMachine(t, simnode.AMDServerPMUs()...)
		pmus = m.pmus
		m.ticked()
		if n := pmus.Opened(); n != 6 {
			t.Errorf("%d events are open, want 6", n)
		}
	})
	if n := pmus.Opened(); n != 0 {
		t.Errorf("%d events are open after the end", n)
	}
}

func TestPollOfEventsAllocatesNothing(t *testing.T) {
	m := newPMUMachine(t, simnode.MultiDiePMUs()...)
	b := new(measure.Batch)
	poll := func() {
		b.Reset(time.Second, m.end, m.end.Add(time.Second))
		m.end = m.end.Add(time.Second)
		m.must(m.source.Poll(t.Context(), b))
	}
	m.end = time.Now()
	poll()
	poll()
	if len(b.Samples) != 4 {
		t.Fatalf("%d samples, want 4", len(b.Samples))
	}
	if n := testing.AllocsPerRun(100, poll); n != 0 {
		t.Errorf("%v allocations a tick, want 0", n)
	}
}
