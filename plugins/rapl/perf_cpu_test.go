package rapl

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/sys/unix"

	"github.com/podjoule/podjoule/simnode"
)

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

// A look or a reading that takes long is not taken for an event that stands still.
func TestSlowReadings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newPMUMachine(t, simnode.TwoSocketServerPMUs()...)
		event, read := m.source.kernel.event, m.source.kernel.read
		m.source.kernel.event = func(attr *unix.PerfEventAttr, pid, cpu, group, flags int) (int, error) {
			time.Sleep(3 * time.Second)
			return event(attr, pid, cpu, group, flags)
		}
		m.source.kernel.read = func(fd int, p []byte) (int, error) {
			time.Sleep(2 * time.Second)
			defer time.Sleep(2 * time.Second)
			return read(fd, p)
		}
		m.ticked()
		m.source.kernel.event, m.source.kernel.read = event, read
		time.Sleep(5 * time.Second)
		if got := m.ticked(); len(got) != 4 {
			t.Errorf("%v", got)
		}
		m.source.kernel.read = func(fd int, p []byte) (int, error) {
			defer time.Sleep(2 * time.Second)
			return read(fd, p)
		}
		time.Sleep(5 * time.Second)
		if got := m.ticked(); len(got) != 4 {
			t.Errorf("%v", got)
		}
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
