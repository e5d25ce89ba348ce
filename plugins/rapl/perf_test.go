package rapl

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/agent/measure"
	"github.com/podjoule/podjoule/simnode"
)

const (
	packageOf0 = "cpu_package 0 package"
	packageOf1 = "cpu_package 1 package"
)

// Whatever the counts, what is told is what they are worth together, rounded down once:
// nothing drifts.
func TestEventsDoNotDrift(t *testing.T) {
	for seed := range uint64(5) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 11))
			m := newPMUMachine(t, simnode.MultiDiePMUs()...)
			m.ticked()
			counts, told := make(map[int]uint64), make(map[string]uint64)
			add := func(got map[string]uint64) {
				for key, n := range got {
					told[key] += n
				}
			}
			for range 500 {
				time.Sleep(time.Duration(1+random.IntN(3000)) * time.Millisecond)
				for _, cpu := range []int{0, 24, 48, 72} {
					n := random.Uint64N(1 << uint(random.IntN(34))) // up to 4 J
					counts[cpu] += n
					m.must(m.pmus.Spend("power", "energy-pkg", cpu, n))
				}
				add(m.ticked())
			}
			time.Sleep(time.Second)
			add(m.ticked())
			worth := func(n uint64) uint64 { return n>>26*15625 + n&(1<<26-1)*15625>>26 }
			if want := worth(counts[0]) + worth(counts[24]); told[packageOf0] != want {
				t.Errorf("seed %d: %d µJ of package 0, want %d", seed, told[packageOf0], want)
			}
			if want := worth(counts[48]) + worth(counts[72]); told[packageOf1] != want {
				t.Errorf("seed %d: %d µJ of package 1, want %d", seed, told[packageOf1], want)
			}
			if m.counts("resets")+m.counts("wraps")+m.counts("dropped_intervals") != 0 {
				t.Error("a reset, a wrap or a gap where there is none")
			}
		})
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

// The kernel has another CPU of the same die count: nothing is lost, and no series ends.
func TestEventMovesToAnotherCPU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		units := simnode.TwoSocketServerPMUs()
		m := newPMUMachine(t, units...)
		m.ticked()
		m.spendEach(units)
		m.must(m.pmus.Move("power", 28, simnode.PMUCPU{CPU: 30, Socket: 1}))
		m.ticked()
		for range 20 {
			m.spendEach(units)
			if got := m.ticked(); got[packageOf1] != 10 || len(got) != 4 {
				t.Fatalf("%v", got)
			}
		}
		if len(m.ended) != 0 || m.pmus.Opened() != 4 || m.counts("dropped_intervals") != 0 {
			t.Errorf("%v ended, %d events are open, %d intervals dropped", m.ended, m.pmus.Opened(), m.counts("dropped_intervals"))
		}
		if a := m.source.zones[2].access.(*event); a.cpu != 30 {
			t.Errorf("the next event would be opened on CPU %d, want 30", a.cpu)
		}
	})
}

// A socket goes offline and comes back: what stands still is no energy of 0, its series end,
// and they begin anew at the next look.
func TestSocketGoesOffline(t *testing.T) {
	for name, interval := range map[string]time.Duration{"5 s": 5 * time.Second, "10 ms": 10 * time.Millisecond} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { goOffline(t, interval) }) })
	}
}

func goOffline(t *testing.T, interval time.Duration) {
	m := newPMUMachine(t, simnode.TwoSocketServerPMUs()...)
	spend := func() {
		m.must(m.pmus.Spend("power", "energy-pkg", 0, countsFor(1000)))
		time.Sleep(interval)
	}
	m.ticked()
	spend()
	m.ticked()
	time.Sleep(interval / 5)
	m.must(m.pmus.Stop("power", 28))
	var failed error
	for range 30 {
		spend()
		got, err := m.tick()
		if got[packageOf0] != 1000 {
			t.Fatalf("the other socket: %v", got)
		}
		if err != nil {
			failed = err
			if !strings.Contains(err.Error(), "package-1") || !strings.Contains(err.Error(), "offline") {
				t.Errorf("error %v, want one that names the package and the reason", err)
			}
		} else if _, there := got[packageOf1]; there && failed != nil {
			t.Fatalf("energy of a socket that is offline: %v", got)
		}
	}
	slices.Sort(m.ended)
	if want := []string{packageOf1, "dram 1 dram"}; failed == nil || !slices.Equal(m.ended, want) {
		t.Fatalf("error %v, %v ended; want one, and %v", failed, m.ended, want)
	}
	if n := m.counts("dropped_intervals", attribute.String("reason", "gap")); n != 2 || m.pmus.Opened() != 2 {
		t.Errorf("%d intervals dropped, %d events open, want 2 and 2", n, m.pmus.Opened())
	}
	m.must(m.pmus.Start("power", simnode.PMUCPU{CPU: 28, Socket: 1}))
	time.Sleep(lookInterval)
	if got := m.ticked(); len(got) != 2 {
		t.Errorf("when it is back, the first readings tell %v", got)
	}
	m.must(m.pmus.Spend("power", "energy-pkg", 28, countsFor(70)))
	spend()
	if got := m.ticked(); got[packageOf1] != 70 || m.spans[packageOf1] != interval || len(got) != 4 {
		t.Errorf("then %v over %v", got, m.spans)
	}
	m.status(statusOK)
}

// A socket that went offline since the last reading is told by the look, and the interval
// counts as left out.
func TestSocketIsGoneAtTheLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPMUMachine(t, simnode.TwoSocketServerPMUs()...)
		m.ticked()
		time.Sleep(lookInterval)
		m.must(m.pmus.Stop("power", 28))
		if got := m.ticked(); len(got) != 2 || len(m.ended) != 2 || m.counts("dropped_intervals") != 2 {
			t.Errorf("%v, %v ended, %d intervals dropped", got, m.ended, m.counts("dropped_intervals"))
		}
		m.status(statusOK)
	})
}

// One die of a socket goes offline: the other one goes on in the same series.
func TestDieGoesOffline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPMUMachine(t, simnode.MultiDiePMUs()...)
		m.ticked()
		m.must(m.pmus.Stop("power", 24))
		for range 3 {
			m.must(m.pmus.Spend("power", "energy-pkg", 0, countsFor(joule)))
			time.Sleep(5 * time.Second)
			_, _ = m.tick()
		}
		m.must(m.pmus.Spend("power", "energy-pkg", 0, countsFor(joule)))
		time.Sleep(5 * time.Second)
		if got := m.ticked(); got[packageOf0] != joule || len(m.ended) != 0 {
			t.Errorf("%v, %v ended", got, m.ended)
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
	m := newPMUMachine(t, simnode.AMDServerPMUs()...)
	m.ticked()
	if m.pmus.Opened() != 6 {
		t.Errorf("%d events are open, want 6", m.pmus.Opened())
	}
	for _, z := range m.source.zones {
		z.close(m.source.kernel)
	}
	if m.pmus.Opened() != 0 {
		t.Errorf("%d events are open", m.pmus.Opened())
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
